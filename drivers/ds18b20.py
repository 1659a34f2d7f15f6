"""DS18B20 thermometer (Analog Devices, formerly Maxim), 1-Wire, with its own supply or parasitic power.

Datasheet: DS18B20 19-7487 revision 6 (July 2019); application note 27 for the checksum.

| channel     | property        | unit | range      | sigma |
|-------------|-----------------|------|------------|-------|
| temperature | air_temperature | Cel  | -55 .. 125 | 0.25  |

    probe = make(io, {"pin": "GP22"})
    wait_ms = probe.start()         # 750 ms
    probe.read_into(values)         # values[0]: Cel

Board file keys: `pin`; `pull` (unused: the wire has its own 4.7 kOhm to 3.3 V); `rom` (16 hexadecimal digits, family
code first, of a chip that shares its wire with others; "": the only one). In water name the channel's `property`.
Limits: 85 Cel is what it shows when it lost its power before it converted: exactly 85.0 is no reading (NOT_READY). With
parasitic power the wire gives power during a conversion and nobody else on it can be read. +-0.5 Cel from -10 to 85,
+-2 Cel outside. Copies of the chip are common and worse.
"""

from .errors import BAD_CHECKSUM, BAD_ID, NOT_READY, SILENT, DriverError, check_range

CHANNELS = (("temperature", "air_temperature", "Cel", -55, 125, 0.25, 0.0625, 0.5, 10),)
PERIOD_MIN_MS = 1000

_READ_ROM = b"\x33"  # figure 12, ROM commands
_SKIP_ROM = b"\xcc"
_MATCH_ROM = 0x55
_CONVERT = b"\x44"  # figure 13, function commands
_READ_SCRATCHPAD = b"\xbe"
_READ_POWER_SUPPLY = b"\xb4"

_FAMILY = 0x28
_CONFIG_FIXED = 0x1F  # figure 10: the bits of the configuration that are always 1
_POWER_ON_RAW = 0x0550  # table 1, note: +85 Cel
_CONVERSION_MS = 750  # at 12 bits, the longest


def crc8(buf, end: int) -> int:
    """Checksum of buf[:end]: polynomial x^8 + x^5 + x^4 + 1, low bit first, start 0 (application note 27)."""
    crc = 0
    for index in range(end):
        crc ^= buf[index]
        for _ in range(8):
            crc = (crc >> 1) ^ (0x8C if crc & 1 else 0)
    return crc


def compensate_temperature(code_raw: int, config: int) -> float:
    """Temperature in Cel from two's complement sixteenths; bits below the resolution count nothing (table 2)."""
    unknown = (1 << 3 - (config >> 5 & 3)) - 1
    code_raw &= 0xFFFF - unknown
    return (code_raw - 0x10000 if code_raw & 0x8000 else code_raw) / 16


class DS18B20:
    """The thermometer on a 1-Wire line."""

    def __init__(self, wire, pin: str, rom: str = "") -> None:
        self._wire = wire
        self._pin = pin
        self._select = _SKIP_ROM
        if rom:
            self._select = bytes([_MATCH_ROM] + [int(rom[at : at + 2], 16) for at in range(0, 16, 2)])
        self._nine = bytearray(9)
        self._eight = bytearray(8)
        self._known = self._started = self._parasitic = False

    def start(self) -> int:
        """Start one conversion; wait in ms before `read_into`. Raises: DriverError."""
        known, self._known, self._started = self._known, False, False
        if not known:
            self._identify()
        self._address(_CONVERT)
        if self._parasitic:
            self._wire.strong_pull_up(True)
        self._known = self._started = True
        return _CONVERSION_MS

    def read_into(self, values) -> None:
        """Put the temperature in Cel in `values[0]`. Raises: DriverError; `start` then looks for the chip again."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = self._known = False
        self._wire.strong_pull_up(False)
        self._address(_READ_SCRATCHPAD)
        self._wire.readinto(self._nine)
        self._check_scratchpad()
        code_raw = self._nine[1] << 8 | self._nine[0]
        if code_raw == _POWER_ON_RAW:
            raise DriverError(NOT_READY, self.where() + ": 85 Cel, what it shows after a loss of power")
        values[0] = compensate_temperature(code_raw, self._nine[4])
        check_range(CHANNELS, values, self)
        self._known = True

    def where(self) -> str:
        """The chip and its pin, for people."""
        return "DS18B20 at " + self._pin

    def _identify(self) -> None:
        """Ask who is there, if it is alone, and whether it has a supply of its own."""
        self._wire.strong_pull_up(False)
        if self._select is _SKIP_ROM:
            self._reset()
            self._wire.write(_READ_ROM)
            self._wire.readinto(self._eight)
            self._check_crc(self._eight, 7)
            if self._eight[0] != _FAMILY:
                text = f": expected family 0x{_FAMILY:02x}, found 0x{self._eight[0]:02x}"
                raise DriverError(BAD_ID, self.where() + text)
        self._address(_READ_POWER_SUPPLY)
        self._parasitic = self._wire.read_bit() == 0

    def _address(self, command) -> None:
        self._reset()
        self._wire.write(self._select)
        self._wire.write(command)

    def _reset(self) -> None:
        if not self._wire.reset():
            raise DriverError(SILENT, self.where() + ": nobody there")

    def _check_scratchpad(self) -> None:
        """A line that is held low gives nine zeros, whose checksum is right: fixed bits tell."""
        self._check_crc(self._nine, 8)
        if self._nine[4] & _CONFIG_FIXED != _CONFIG_FIXED:
            text = f": expected a configuration with 0x{_CONFIG_FIXED:02x} set, found 0x{self._nine[4]:02x}"
            raise DriverError(BAD_ID, self.where() + text)

    def _check_crc(self, buf, end: int) -> None:
        expected = crc8(buf, end)
        if buf[end] != expected:
            text = f": expected checksum 0x{expected:02x}, found 0x{buf[end]:02x}"
            raise DriverError(BAD_CHECKSUM, self.where() + text)


def make(io, cfg) -> DS18B20:
    """The thermometer that a board file's entry describes."""
    return DS18B20(io.onewire(cfg["pin"]), cfg["pin"], cfg.get("rom", ""))
