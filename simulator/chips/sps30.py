"""Virtual SPS30 particulate matter sensor, written from its datasheet.

Source: Sensirion SPS30 datasheet version 1.0 D1 (March 2020): states in 4.1 (idle, measuring, sleeping), status
register 4.4, fan cleaning 4.2, commands 6.2 and 6.3, checksum 6.1.3. The physical side: `mass_ug_m3` (PM1, PM2.5, PM4,
PM10), `number_cm3` (up to 0.5, 1, 2.5, 4, 10 um), `typical_um`; `fan_stands` and `laser_fails` are its own faults.
Commands that the present state does not allow are acknowledged and do nothing; everything is refused while a command
executes, and while it sleeps.
"""

import struct

from .base import Clock, I2CChip, Nack, Range
from .sensirion import checksum, with_checksum

START, STOP, DATA_READY, READ_VALUES = 0x0010, 0x0104, 0x0202, 0x0300
SLEEP, WAKE, CLEAN, INTERVAL = 0x1001, 0x1103, 0x5607, 0x8004
PRODUCT_TYPE, SERIAL, VERSION = 0xD002, 0xD033, 0xD100
STATUS, CLEAR_STATUS, RESET = 0xD206, 0xD210, 0xD304
EXECUTION_MS = {START: 20, STOP: 20, SLEEP: 5, WAKE: 5, CLEAN: 5, CLEAR_STATUS: 5, RESET: 100, INTERVAL: 20}
READS = (DATA_READY, READ_VALUES, INTERVAL, PRODUCT_TYPE, SERIAL, VERSION, STATUS)
IDLE, MEASURING, SLEEPING = "idle", "measuring", "sleeping"
FLOATS, INTEGERS = 0x03, 0x05
SECOND_NS = 1_000_000_000
CLEANING_NS = 10 * SECOND_NS
INTERFACE_NS = 100_000_000
SPEED_BIT, LASER_BIT, FAN_BIT = 1 << 21, 1 << 5, 1 << 4


class SPS30(I2CChip):
    """The sensor; its address is fixed. `corrupt`: each checksum it sends is wrong."""

    def __init__(self, clock: Clock, address: int = 0x69) -> None:
        super().__init__(address, clock)
        self.mass_ug_m3 = [5.0, 6.0, 6.4, 6.5]
        self.number_cm3 = [34.0, 40.0, 41.0, 41.2, 41.3]
        self.typical_um = 0.5
        self.fan_stands = self.laser_fails = self.corrupt = False
        self._interval_s = 604_800
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Specified range (table 1); a float loses nothing worth the name."""
        ranges = {f"mass_ug_m3[{number}]": Range(0.0, 1000.0, 1e-4) for number in range(4)}
        ranges |= {f"number_cm3[{number}]": Range(0.0, 3000.0, 1e-3) for number in range(5)}
        return ranges | {"typical_um": Range(0.3, 10.0, 1e-6)}

    def power_on(self) -> None:
        """Idle, after at most 100 ms of start-up that an I2C master does not notice."""
        self.state = IDLE
        self.cleanings = 0
        self._format = FLOATS
        self._pointer = 0
        self._ready = False
        self._values = b""
        self._next_ns = self._busy_ns = self._listens_ns = self._ran_ns = 0
        self._cleaning_ns = -CLEANING_NS

    def write(self, data: bytes) -> None:
        """A 16-bit pointer or command, perhaps with words and their checksums. Raises: Nack."""
        self._wake_interface()
        self._advance()
        if len(data) < 2:
            return
        command = data[0] << 8 | data[1]
        if command not in EXECUTION_MS and command not in READS:
            raise Nack(f"SPS30 has no command 0x{command:04x}")
        if self.state == SLEEPING and command != WAKE:
            raise Nack("SPS30 sleeps")
        self._pointer = command
        if command in EXECUTION_MS and (command != INTERVAL or len(data) > 2):
            self._busy_ns = self._clock() + EXECUTION_MS[command] * 1_000_000
            self._execute(command, arguments(data[2:]))

    def read(self, count: int) -> bytes:
        """What stands at the pointer, each two bytes with their checksum. Raises: Nack."""
        self._wake_interface()
        self._advance()
        content = self._content()
        if not content:
            raise Nack("SPS30 has nothing to send")
        sent = b"".join(with_checksum(content[at : at + 2], self.corrupt) for at in range(0, len(content), 2))
        return sent[:count].ljust(count, b"\xff")

    def _wake_interface(self) -> None:
        """In sleep the first address only switches the interface on, for 100 ms."""
        now = self._clock()
        if self.state == SLEEPING and now > self._listens_ns:
            self._listens_ns = now + INTERFACE_NS
            raise Nack("SPS30 sleeps")
        if now < self._busy_ns:
            raise Nack("SPS30 is busy")

    def _advance(self) -> None:
        """Measure once a second while measuring, save while the fan is blown clean."""
        now = self._clock()
        if self.state != MEASURING or now < self._next_ns:
            return
        self._ran_ns += ((now - self._next_ns) // SECOND_NS + 1) * SECOND_NS
        self._next_ns += ((now - self._next_ns) // SECOND_NS + 1) * SECOND_NS
        if self._interval_s and self._ran_ns >= self._interval_s * SECOND_NS:
            self._execute(CLEAN, b"")
        if now - self._cleaning_ns >= CLEANING_NS:
            self._values, self._ready = self._measured(), True

    def _execute(self, command: int, words: bytes) -> None:
        now = self._clock()
        if command == START and self.state == IDLE and words[:1] in (b"\x03", b"\x05"):
            self.state, self._format = MEASURING, words[0]
            self._next_ns, self._ready = now + SECOND_NS, False
        elif command == STOP and self.state == MEASURING:
            self.state = IDLE
        elif command == SLEEP and self.state == IDLE:
            self.state, self._listens_ns = SLEEPING, 0
        elif command == WAKE and self.state == SLEEPING:
            self.state = IDLE
        elif command == CLEAN and self.state == MEASURING:
            self._cleaning_ns, self._ran_ns, self._ready = now, 0, False
            self.cleanings += 1
        elif command == INTERVAL and len(words) == 4:
            self._interval_s = int.from_bytes(words, "big")
        elif command == RESET:
            self.power_on()
            self._busy_ns = now + EXECUTION_MS[RESET] * 1_000_000

    def _content(self) -> bytes:
        if self._pointer == READ_VALUES and self.state == MEASURING:
            self._ready = False
        return {
            DATA_READY: bytes((0, self._ready)),
            READ_VALUES: self._values,
            INTERVAL: self._interval_s.to_bytes(4, "big"),
            PRODUCT_TYPE: b"00080000",
            SERIAL: b"0123456789ABCDEF".ljust(32, b"\0"),
            VERSION: b"\x02\x03",
            STATUS: self._status().to_bytes(4, "big"),
        }.get(self._pointer, b"")

    def _status(self) -> int:
        return (FAN_BIT | SPEED_BIT) * self.fan_stands | LASER_BIT * self.laser_fails

    def _measured(self) -> bytes:
        values = [*self.mass_ug_m3, *self.number_cm3, self.typical_um]
        if self._format == FLOATS:
            return struct.pack(">10f", *values)
        values[9] *= 1000
        return struct.pack(">10H", *(max(0, min(0xFFFF, round(value))) for value in values))


def arguments(data: bytes) -> bytes:
    """The words of a command without their checksums. Raises: Nack if one is wrong."""
    words = b""
    for at in range(0, len(data), 3):
        if len(data) < at + 3 or checksum(data[at : at + 2]) != data[at + 2]:
            raise Nack("SPS30: wrong checksum")
        words += data[at : at + 2]
    return words


def make(clock: Clock, address: int = 0x69) -> SPS30:
    """A sensor with its own clock."""
    return SPS30(clock, address)
