"""Virtual SGP41 gas sensor, written from its datasheet.

Source: Sensirion SGP41 datasheet version 1.0 (July 2021): commands and their times 3 (table 8), words for humidity and
temperature 3.1, serial number 3.5, checksum 4.4. Raw signals have no physical scale in the datasheet, so the physical
side is `voc_raw` and `nox_raw` themselves, as they are in air of 50 % and 25 Cel. `told_humidity_pct` and
`told_temperature_cel` are what the last command said of the air; `hot_s` is the longest conditioning: above 10 s a real
one is destroyed.
"""

from .base import Clock, I2CChip, Nack, Range
from .sensirion import checksum, with_checksum

CONDITION, MEASURE, SELF_TEST, HEATER_OFF, SERIAL_NUMBER = 0x2612, 0x2619, 0x280E, 0x3615, 0x3682
EXECUTION_MS = {CONDITION: 50, MEASURE: 50, SELF_TEST: 320, HEATER_OFF: 1, SERIAL_NUMBER: 1}
WITH_AIR = (CONDITION, MEASURE)
SERIAL = (0x0000, 0x01A2, 0xB3C4)
IDLE = 0


class SGP41(I2CChip):
    """The sensor; its address is fixed. `corrupt`: each checksum it sends is wrong."""

    def __init__(self, clock: Clock, address: int = 0x59) -> None:
        super().__init__(address, clock)
        self.voc_raw, self.nox_raw = 30_000.0, 16_000.0
        self.told_humidity_pct, self.told_temperature_cel = 0.0, 0.0
        self.hot_s = 0.0
        self.corrupt = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """All that 16 bits hold."""
        return {"voc_raw": Range(0.0, 65_535.0, 0.5), "nox_raw": Range(0.0, 65_535.0, 0.5)}

    def power_on(self) -> None:
        """Idle, hotplate off."""
        self._command = IDLE
        self._began_ns = self._busy_ns = 0
        self._answer = b""

    def write(self, data: bytes) -> None:
        """A command, for some with humidity and temperature and their checksums. Raises: Nack."""
        now = self._awaken()
        if len(data) < 2:
            return
        command = int.from_bytes(data[:2], "big")
        if command not in EXECUTION_MS:
            raise Nack(f"SGP41 has no command 0x{command:04x}")
        if command in WITH_AIR:
            self._hear(data[2:])
        if self._command == CONDITION:
            self.hot_s = max(self.hot_s, (now - self._began_ns) / 1e9)
        if command != CONDITION or self._command != CONDITION:
            self._began_ns = now
        self._command, self._busy_ns = command, now + EXECUTION_MS[command] * 1_000_000
        self._answer = self._words(command)

    def read(self, count: int) -> bytes:
        """The answer of the last command, once. Raises: Nack."""
        self._awaken()
        if not self._answer:
            raise Nack("SGP41 has nothing to send")
        answer, self._answer = self._answer, b""
        return answer[:count].ljust(count, b"\xff")

    def _awaken(self) -> int:
        now = self._clock()
        if now < self._busy_ns:
            raise Nack("SGP41 is busy")
        return now

    def _hear(self, words: bytes) -> None:
        if len(words) != 6 or any(checksum(words[at : at + 2]) != words[at + 2] for at in (0, 3)):
            raise Nack("SGP41: expected humidity and temperature with their checksums")
        self.told_humidity_pct = int.from_bytes(words[:2], "big") * 100 / 65535
        self.told_temperature_cel = int.from_bytes(words[3:5], "big") * 175 / 65535 - 45

    def _words(self, command: int) -> bytes:
        voc, nox = (max(0, min(0xFFFF, round(value))) for value in (self.voc_raw, self.nox_raw))
        words = {CONDITION: (voc,), MEASURE: (voc, nox), SELF_TEST: (0xD400,), SERIAL_NUMBER: SERIAL}.get(command, ())
        return b"".join(with_checksum(word.to_bytes(2, "big"), self.corrupt) for word in words)


def make(clock: Clock, address: int = 0x59) -> SGP41:
    """A sensor with its own clock."""
    return SGP41(clock, address)
