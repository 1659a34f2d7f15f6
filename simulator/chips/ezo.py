"""What all virtual EZO circuits share: commands in ASCII, processing times, response codes, sleep.

Source: Atlas Scientific, EZO-pH datasheet V 5.8 (January 2021) and EZO-EC datasheet V 6.2 (September 2020), "I2C mode":
sending commands, requesting data, response codes, sleep. What becomes of a command that comes while another is
processed is not published: here it is lost. The physical side is what the circuit's own class adds, and `water_cel`.
"""

from collections.abc import Callable

from .base import Clock, I2CChip

SUCCESS, SYNTAX_ERROR, PENDING, NO_DATA = 1, 2, 254, 255
SHORT_NS = 300_000_000
STANDARD_CEL = 25.0
SUPPLY_V = 3.3
Answer = Callable[[], str]


class EZO(I2CChip):
    """A circuit. `mumbles`: the first byte of each text it sends is not ASCII."""

    kind = ""
    firmware = ""
    reading_ns = 0

    def __init__(self, clock: Clock, address: int) -> None:
        super().__init__(address, clock)
        self.water_cel = STANDARD_CEL
        self.mumbles = False
        self.power_on()

    def power_on(self) -> None:
        """Awake, compensating for 25 Cel."""
        self.told_cel = STANDARD_CEL
        self.asleep = False
        self._ready_ns = 0
        self._answer: Answer | None = None
        self._code = NO_DATA

    def value(self) -> str:
        """What it measures now, as it writes it."""
        raise NotImplementedError

    def own_command(self, name: str, arguments: list[str]) -> Answer | None:
        """What answers a command that only this circuit has; None if it has none of that kind."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """A command in ASCII, in capitals or not; while asleep it only wakes the circuit."""
        text = data.decode("latin-1").strip("\0\r\n")
        if not text or self._clock() < self._ready_ns:
            return
        if self.asleep:
            self.asleep = False
            return
        name, *arguments = text.upper().split(",")
        if name == "SLEEP":
            self.asleep, self._answer, self._code = True, None, NO_DATA
            return
        self._answer = self._common(name, arguments) or self.own_command(name, arguments)
        self._code = SUCCESS if self._answer else SYNTAX_ERROR
        self._ready_ns = self._clock() + (self.reading_ns if self._answer == self.value else SHORT_NS)

    def read(self, count: int) -> bytes:
        """A response code, a text and its NUL; once, then there is no data."""
        if self._clock() < self._ready_ns:
            return bytes((PENDING,)).ljust(count, b"\0")[:count]
        text = self._answer().encode() if self._answer else b""
        if self.mumbles and text:
            text = bytes((text[0] | 0x80,)) + text[1:]
        code, self._code, self._answer = self._code, NO_DATA, None
        return (bytes((code,)) + text).ljust(count, b"\0")[:count]

    def _common(self, name: str, arguments: list[str]) -> Answer | None:
        if name == "R" and not arguments:
            return self.value
        if name == "I" and not arguments:
            return lambda: f"?I,{self.kind},{self.firmware}"
        if name == "STATUS" and not arguments:
            return lambda: f"?STATUS,P,{SUPPLY_V:.3f}"
        if name == "T" and arguments == ["?"]:
            return lambda: f"?T,{self.told_cel:.1f}"
        if name in ("T", "RT") and self._hear_temperature(arguments):
            return self.value if name == "RT" else lambda: ""
        return None

    def _hear_temperature(self, arguments: list[str]) -> bool:
        try:
            (self.told_cel,) = map(float, arguments)
        except ValueError:
            return False
        return True
