"""EZO-EC circuit with a conductivity probe (Atlas Scientific), I2C.

Datasheet: EZO-EC V 6.2 (September 2020), chapter "I2C mode"; what it shares with other circuits is in `ezo.py`.

| channel      | property                       | unit  | range       | sigma |
|--------------|--------------------------------|-------|-------------|-------|
| conductivity | water_electrical_conductivity  | uS/cm | 0 .. 500000 | 20    |

    sensor = make(io, {"bus": "i2c0", "temperature_from": ["probe", "temperature"]})
    wait_ms = sensor.start()
    while wait_ms := sensor.read_into(values):
        ...                         # come back after wait_ms: 300 ms for the temperature, 600 ms for the value

The value is the conductivity at 25 Cel.

Board file keys: `bus`; `address` (0x64); `temperature_from`: sensor and channel of the board file that give the water's
temperature in Cel, read before this one. With it, no reading is made while they give nothing good; without, the water
is taken to have 25 Cel, an error of 2 % for each Cel that it has not.
Limits: 2 % of the value (sigma is that at 1000 uS/cm), in the range of the probe: 0.07 to 50,000 uS/cm at K 0.1, 5 to
200,000 at K 1, 10 to 1,000,000 at K 10. The circuit keeps K and its calibration; this driver changes neither.
"""

from .errors import NOT_READY, DriverError
from .ezo import EZO

CHANNELS = (("conductivity", "water_electrical_conductivity", "uS/cm", 0, 500000, 20, 0.01, 0, 1),)
PERIOD_MIN_MS = 1200

_MEASURING_MS = 600
_OUTPUTS = ("?o,ec", "?,o,ec")  # the datasheet has the second, circuits send the first


class EZOEC(EZO):
    """The circuit at an address of an I2C bus; it must give conductivity and nothing else."""

    def __init__(self, bus, reading, cfg) -> None:
        super().__init__(bus, reading, cfg, "EC", 0x64, _MEASURING_MS, CHANNELS)
        self.question = b"O,?"

    def check_answer(self, text: str) -> None:
        """Nothing, if conductivity is its only output. Raises: DriverError."""
        if text.lower() not in _OUTPUTS:
            ways = "send it O,EC,1 and O,TDS,0 and O,S,0 and O,SG,0"
            raise DriverError(NOT_READY, f"{self.where()}: expected EC as its only output, found {text!r}: {ways}")


def make(io, cfg) -> EZOEC:
    """The sensor that a board file's entry describes."""

    def reading(sensor: str, channel: str) -> tuple:
        return io.reading(sensor, channel)

    return EZOEC(io.i2c(cfg["bus"]), reading, cfg)
