"""ADS1115 16-bit analogue-digital converter with four inputs (Texas Instruments), I2C.

Datasheet: SBAS444E (January 2018). One conversion per input and reading ("single-shot").

| channel         | property | unit | range          | sigma   |
|-----------------|----------|------|----------------|---------|
| input0..input3  | voltage  | V    | -0.3 .. 5.5    | 0.00025 |

    adc = make(io, {"bus": "i2c0", "address": 0x48, "inputs": [0, 3]})
    wait_ms = adc.start()
    while wait_ms := adc.read_into(values):
        ...                         # come back after wait_ms: the next input
                                    # values[0]: V at AIN0, values[1]: V at AIN3, both against GND

Board file keys: `bus`; `address` (0x48..0x4B); `inputs` ([0]); `full_scale_v` (4.096); `rate_sps` (860).
`channels(cfg)` gives the channels of an entry: one per listed input, in that order.
Limits: no identity register: the configuration is read back instead. Inputs must stay between GND - 0.3 V and
VDD + 0.3 V whatever the full scale. Inputs are converted one after the other: with n of them a reading takes n
conversions (2 ms each at 860/s), and is that much apart between the first and the last.
"""

from .errors import BAD_ID, NOT_READY, OUT_OF_RANGE, DriverError

CHANNELS = (
    ("input0", "voltage", "V", -0.3, 5.5, 0.00025, 0.000125, 0.000375, 0),
    ("input1", "voltage", "V", -0.3, 5.5, 0.00025, 0.000125, 0.000375, 0),
    ("input2", "voltage", "V", -0.3, 5.5, 0.00025, 0.000125, 0.000375, 0),
    ("input3", "voltage", "V", -0.3, 5.5, 0.00025, 0.000125, 0.000375, 0),
)
PERIOD_MIN_MS = 5

_REG_CONVERSION = 0x00  # 9.6.2
_REG_CONFIG = 0x01  # 9.6.3

_OS = 0x8000  # 9.6.3: write 1 starts a conversion, read 1 says none is running
_MUX_SINGLE_ENDED = 0x4000  # 9.6.3: AINx against GND, x in bits 13:12
_MODE_SINGLE = 0x0100
_COMPARATOR_OFF = 0x0003
_FULL_SCALES_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256)  # 9.6.3: PGA, bits 11:9
_RATES_SPS = (8, 16, 32, 64, 128, 250, 475, 860)  # 9.6.3: DR, bits 7:5
_MORE_MS = 1


def compensate_volts(code_raw: int, full_scale_v: float) -> float:
    """Voltage in V from the conversion register's unsigned 16 bits (two's complement, section 9.5.4)."""
    if code_raw & 0x8000:
        code_raw -= 0x10000
    return code_raw * full_scale_v / 32768


def conversion_ms(rate_sps: int) -> int:
    """Longest conversion in ms: nominal plus 10 % (7.5, data rate variation), plus start-up, rounded up."""
    return 1100 // rate_sps + 1


def channels(cfg) -> tuple:
    """The channels of an entry, one per listed input."""
    return tuple([CHANNELS[number] for number in cfg.get("inputs", (0,))])


class ADS1115:
    """The converter at an address of an I2C bus."""

    def __init__(self, bus, millis, cfg) -> None:
        full_scale_v = cfg.get("full_scale_v", 4.096)
        rate_sps = cfg.get("rate_sps", 860)
        self._bus = bus
        self._millis = millis
        self._address = cfg.get("address") or 0x48
        self._inputs = tuple(cfg.get("inputs", (0,)))
        self._full_scale_v = full_scale_v
        self._conversion_ms = conversion_ms(rate_sps)
        self._settings = (
            _MODE_SINGLE
            | _COMPARATOR_OFF
            | _FULL_SCALES_V.index(full_scale_v) << 9
            | _RATES_SPS.index(rate_sps) << 5
        )
        self._word = bytearray(2)
        self._command = bytearray(3)
        self._place = self._deadline_ms = 0
        self._started = False

    def start(self) -> int:
        """Start converting the first input; wait in ms before `read_into`. Raises: DriverError."""
        self._started = False
        self._place = 0
        wait_ms = self._convert()
        self._started = True
        return wait_ms

    def read_into(self, values) -> int:
        """Put the inputs' voltages in V in `values`, or not all yet: ms to wait before the next call.

        Raises: DriverError.
        """
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = False
        wait_ms = _MORE_MS
        if self._finished(self._inputs[self._place]):
            values[self._place] = self._volts()
            self._place += 1
            wait_ms = self._convert() if self._place < len(self._inputs) else 0
        self._started = wait_ms > 0
        return wait_ms

    def _config(self, number: int) -> int:
        return self._settings | _MUX_SINGLE_ENDED | number << 12

    def _convert(self) -> int:
        """Start converting the next input; ms to wait."""
        config = self._config(self._inputs[self._place]) | _OS
        self._command[0] = _REG_CONFIG
        self._command[1] = config >> 8
        self._command[2] = config & 0xFF
        self._bus.write(self._address, self._command)
        self._deadline_ms = self._millis() + 3 * self._conversion_ms
        return self._conversion_ms

    def _finished(self, number: int) -> bool:
        """Whether the conversion has ended. Raises: DriverError if it should have by now."""
        expected = self._config(number)
        found = self._register(_REG_CONFIG)
        if found & 0x7FFF != expected:
            text = f": expected configuration 0x{expected:04x}, found 0x{found & 0x7FFF:04x}"
            raise DriverError(BAD_ID, self.where() + text)
        if found & _OS:
            return True
        if self._millis() > self._deadline_ms:
            raise DriverError(NOT_READY, self.where() + ": conversion did not end")
        return False

    def _register(self, register: int) -> int:
        self._bus.read_register_into(self._address, register, self._word)
        return self._word[0] << 8 | self._word[1]

    def _volts(self) -> float:
        code_raw = self._register(_REG_CONVERSION)
        if code_raw in (0x7FFF, 0x8000):
            raise DriverError(OUT_OF_RANGE, self.where() + f": input beyond +-{self._full_scale_v:.3f} V")
        return compensate_volts(code_raw, self._full_scale_v)

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"ADS1115 at 0x{self._address:02x} on {self._bus.name}"


def make(io, cfg) -> ADS1115:
    """The converter that a board file's entry describes."""
    return ADS1115(io.i2c(cfg["bus"]), io.millis, cfg)
