"""Virtual MCP4725 digital-analogue converter, written from its datasheet.

Source: Microchip DS22039D: commands by C2 to C0 (table 6-2: fast mode in two bytes, register, register and EEPROM in
three, each repeatable), read in five bytes (figure 6-3), EEPROM write of 25 ms during which commands are ignored,
power-down with 1, 100 or 500 kOhm to ground (table 5-2), output code / 4096 of the supply. The physical side is
`supply_v` and what comes out, `output_v`.
"""

from .base import Clock, I2CChip, Range

FACTORY = (0, 0x800)
EEPROM_NS = 25_000_000


class MCP4725(I2CChip):
    """The converter; `eeprom_writes` counts, as an EEPROM has only so many."""

    OUTPUTS = ("output_v",)

    def __init__(self, clock: Clock, address: int = 0x60) -> None:
        super().__init__(address, clock)
        self.supply_v = 3.3
        self.eeprom = FACTORY
        self.eeprom_writes = 0
        self._busy_until_ns = 0
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Volts out at the usual supply, to one code."""
        return {"output_v": Range(0.0, self.supply_v * 4095 / 4096, self.supply_v / 4096)}

    @property
    def output_v(self) -> float:
        """Volts at the output; 0 without power and in power-down, where a resistor pulls it to ground."""
        power_down, code = self.register
        return 0.0 if self.unplugged or power_down else self.supply_v * code / 4096

    def power_on(self) -> None:
        """The register is loaded from the EEPROM."""
        self.register = self.eeprom

    def write(self, data: bytes) -> None:
        """Fast commands in pairs of bytes, others in threes; all are ignored while the EEPROM is written."""
        place = 0
        while place < len(data):
            command = data[place] >> 5
            length = 2 if command < 2 else 3
            whole = data[place : place + length]
            place += length
            if len(whole) == length and self._clock() >= self._busy_until_ns:
                self._obey(command, whole)

    def _obey(self, command: int, data: bytes) -> None:
        if command < 2:
            self.register = (data[0] >> 4 & 3, (data[0] & 0x0F) << 8 | data[1])
        elif command in (2, 3):
            self.register = (data[0] >> 1 & 3, data[1] << 4 | data[2] >> 4)
        if command == 3:
            self.eeprom = self.register
            self.eeprom_writes += 1
            self._busy_until_ns = self._clock() + EEPROM_NS

    def read(self, count: int) -> bytes:
        """Status, register in two bytes, EEPROM in two, and again."""
        ready = self._clock() >= self._busy_until_ns
        (down, code), (kept_down, kept) = self.register, self.eeprom
        status = ready << 7 | 1 << 6 | down << 1
        answer = bytes((status, code >> 4, code << 4 & 0xF0, kept_down << 5 | kept >> 8, kept & 0xFF))
        return (answer * (count // 5 + 1))[:count]


def make(clock: Clock, address: int = 0x60) -> MCP4725:
    """A converter as delivered."""
    return MCP4725(clock, address)
