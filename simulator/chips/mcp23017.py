"""Virtual MCP23017 port expander, written from its datasheet.

Source: Microchip DS20001952C: register addresses in both banks (tables 3-1, 3-4, 3-5), reset values (all lines are
inputs, all else 0), IOCON with BANK and SEQOP (3.2.1: the pointer goes on, or stays with its pair), writes to GPIO go
to the latch and reads give the level at the line (3.5.10), pull-ups. The physical side: `outside` says what drives each
line (None: nothing, from 0.5 on: high), `pulls` which resistor is there, `level(line)` what a meter would show.
"""

from .base import Clock, I2CChip, Range

NAMES = ("IODIR", "IPOL", "GPINTEN", "DEFVAL", "INTCON", "IOCON", "GPPU", "INTF", "INTCAP", "GPIO", "OLAT")
READ_ONLY = ("INTF", "INTCAP")
BANK, SEQOP = 0x80, 0x20


class MCP23017(I2CChip):
    """The expander. Lines 0 to 7 are port A, 8 to 15 port B."""

    OUTPUTS = tuple(f"level.{line}" for line in range(16))

    def __init__(self, clock: Clock, address: int = 0x20) -> None:
        super().__init__(address, clock)
        self.outside: list[float | None] = [None] * 16
        self.pulls = [0] * 16
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Levels of the lines."""
        return {f"outside[{line}]": Range(0, 1, 0.5) for line in range(16)}

    def power_on(self) -> None:
        """All lines are inputs."""
        self.ports = [dict.fromkeys(NAMES, 0) | {"IODIR": 0xFF} for _ in range(2)]
        self._pointer = 0

    @property
    def iocon(self) -> int:
        """The register that both ports share."""
        return self.ports[0]["IOCON"]

    def level(self, line: int) -> int:
        """0 or 1 at a line; whoever drives it from outside is stronger."""
        port, bit = self.ports[line >> 3], 1 << (line & 7)
        driven = self.outside[line]
        if driven is not None:
            return int(driven >= 0.5)
        if self.unplugged:
            return self.pulls[line]
        if port["IODIR"] & bit:
            return 1 if port["GPPU"] & bit else self.pulls[line]
        return 1 if port["OLAT"] & bit else 0

    def write(self, data: bytes) -> None:
        """An address, then what goes there and on."""
        if data:
            self._pointer = data[0]
        for byte in data[1:]:
            self._store(byte)
            self._advance()

    def read(self, count: int) -> bytes:
        """From the address on."""
        found = bytearray()
        for _ in range(count):
            found.append(self._load())
            self._advance()
        return bytes(found)

    def _place(self) -> tuple[int, str] | None:
        """(port, name) of the register at the pointer, None where there is none."""
        if self.iocon & BANK:
            port, index = self._pointer >> 4, self._pointer & 0x0F
        else:
            port, index = self._pointer & 1, self._pointer >> 1
        return (port, NAMES[index]) if port < 2 and index < len(NAMES) else None

    def _advance(self) -> None:
        if self.iocon & SEQOP:
            self._pointer ^= 0 if self.iocon & BANK else 1
        elif self.iocon & BANK:
            self._pointer = {0x0A: 0x10, 0x1A: 0}.get(self._pointer, self._pointer + 1)
        else:
            self._pointer = 0 if self._pointer >= 2 * len(NAMES) - 1 else self._pointer + 1

    def _store(self, byte: int) -> None:
        place = self._place()
        if place is None or place[1] in READ_ONLY:
            return
        port, name = place
        if name == "IOCON":
            for each in self.ports:
                each["IOCON"] = byte & 0xFE
        else:
            self.ports[port]["OLAT" if name == "GPIO" else name] = byte

    def _load(self) -> int:
        place = self._place()
        if place is None:
            return 0
        port, name = place
        if name != "GPIO":
            return self.ports[port][name]
        levels = sum(self.level(8 * port + bit) << bit for bit in range(8))
        return levels ^ self.ports[port]["IPOL"]


def make(clock: Clock, address: int = 0x20) -> MCP23017:
    """An expander after power-on."""
    return MCP23017(clock, address)
