"""Virtual DS18B20 thermometer, written from its datasheet, slot by slot.

Source: DS18B20 19-7487 revision 6 (July 2019): ROM commands (figure 12), function commands (figure 13), scratchpad and
configuration (figures 7 and 10), conversion times (table 2), parasitic power (figure 6), +85 Cel after power-on.
The physical side is `temperature_cel`. `supplied` = False is parasitic power: a conversion without a strong pull-up on
the line fails, and the chip resets.
"""

from collections.abc import Generator, Iterator

from .base import Clock, Range

SEARCH, READ_ROM, MATCH, SKIP, ALARM_SEARCH = 0xF0, 0x33, 0x55, 0xCC, 0xEC
CONVERT, WRITE, READ, COPY, RECALL, SUPPLY = 0x44, 0x4E, 0xBE, 0x48, 0xB8, 0xB4
FAMILY = 0x28
POWER_ON = (0x50, 0x05, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10)
TIMES_MS = (93.75, 187.5, 375, 750)


class DS18B20:
    """The thermometer. `silent`: its wire is cut; `corrupt`: each checksum it sends is wrong."""

    def __init__(self, clock: Clock, serial: int = 0x0000_0123_4567) -> None:
        self._clock = clock
        body = bytes((FAMILY,)) + serial.to_bytes(6, "little")
        self.rom = body + bytes((checksum(body),))
        self.temperature_cel = 21.5
        self.supplied = True
        self.silent = self.corrupt = False
        self._eeprom = bytes(POWER_ON[2:5])
        self._strong = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """What it measures, in sixteenths."""
        return {"temperature_cel": Range(-55.0, 125.0, 0.0313)}

    def power_on(self) -> None:
        """85 Cel in the scratchpad, alarms and configuration from the EEPROM."""
        self._pad = bytearray(POWER_ON)
        self._pad[2:5] = self._eeprom
        self._ready_ns = 0
        self._converting = False
        self._talk: Iterator[int | None] = iter(())
        self._saying: int | None = None
        self._heard = 0

    def reset(self) -> bool:
        """Reset pulse: a ROM command follows. A conversion goes on."""
        self._finish()
        self._talk = self._conversation()
        self._saying = next(self._talk)
        return not self.silent

    def hear(self, bit: int) -> None:
        """A write slot of the master, unless it is the chip's turn to speak."""
        self._heard = bit
        self._saying = next(self._talk, None) if self._saying is None else self._saying

    def say(self) -> int:
        """A read slot: the chip's bit, 1 if it has nothing to say; 0 while it converts."""
        if self.silent:
            return 1
        self._finish()
        bit = self._saying
        if bit is None:
            return 0 if self._converting and self.supplied else 1
        self._saying = next(self._talk, None)
        return bit

    def power(self, strong: bool) -> None:
        """A strong pull-up begins or ends; a conversion that lives on it fails without."""
        self._finish()
        if self._converting and not self.supplied and self._strong and not strong:
            self.power_on()
        self._strong = strong
        if self._converting and strong:
            self._fed = True

    def _conversation(self) -> Iterator[int | None]:
        """Yield what the chip says in each slot from the reset on, None where it listens."""
        command = yield from self._byte()
        if command in (SEARCH, ALARM_SEARCH):
            yield from self._searched()
            return
        if command == READ_ROM:
            yield from self._bits(self.rom)
        elif command == MATCH:
            for byte in self.rom:
                if (yield from self._byte()) != byte:
                    return
        elif command != SKIP:
            return
        yield from self._function((yield from self._byte()))

    def _byte(self) -> Generator[int | None, None, int]:
        value = 0
        for place in range(8):
            yield None
            value |= self._heard << place
        return value

    def _bits(self, data: bytes) -> Iterator[int]:
        for byte in data:
            for place in range(8):
                yield byte >> place & 1

    def _searched(self) -> Iterator[int | None]:
        """Each bit of the ROM, its complement, then the master's choice: who has the other one drops out."""
        for bit in self._bits(self.rom):
            yield bit
            yield 1 - bit
            yield None
            if self._heard != bit:
                return

    def _function(self, command: int) -> Iterator[int | None]:
        if command == CONVERT:
            self._begin()
        elif command == READ:
            crc = checksum(bytes(self._pad)) ^ (0x5A if self.corrupt else 0)
            yield from self._bits(bytes(self._pad) + bytes((crc,)))
        elif command == WRITE:
            for place in (2, 3, 4):
                byte = yield from self._byte()
                self._pad[place] = byte & 0x60 | 0x1F if place == 4 else byte
        elif command == COPY:
            self._eeprom = bytes(self._pad[2:5])
        elif command == RECALL:
            self._pad[2:5] = self._eeprom
        elif command == SUPPLY:
            yield from [int(self.supplied)] * 8

    def _begin(self) -> None:
        self._converting, self._fed = True, self._strong
        self._ready_ns = self._clock() + round(TIMES_MS[self._pad[4] >> 5 & 3] * 1e6)

    def _finish(self) -> None:
        """Take the conversion's result if its time has come."""
        if not self._converting or self._clock() < self._ready_ns:
            return
        self._converting = False
        if not (self.supplied or self._fed):
            self.power_on()
            return
        code = max(-55 * 16, min(125 * 16, round(self.temperature_cel * 16))) & 0xFFFF
        unknown = 3 - (self._pad[4] >> 5 & 3)
        code = code >> unknown << unknown
        self._pad[0:2] = code.to_bytes(2, "little")


def checksum(data: bytes) -> int:
    """CRC-8 with the generator x^8 + x^5 + x^4 + 1, low bit first, start 0 (figure 11)."""
    crc = 0
    for byte in data:
        for place in range(8):
            mixed = (crc ^ byte >> place) & 1
            crc = crc >> 1 ^ 0x8C * mixed
    return crc


def make(clock: Clock, serial: int = 0x0000_0123_4567) -> DS18B20:
    """A thermometer with its own clock."""
    return DS18B20(clock, serial)
