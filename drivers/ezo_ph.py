"""EZO-pH circuit with a pH probe (Atlas Scientific), I2C.

Datasheet: EZO-pH V 5.8 (January 2021), chapter "I2C mode"; what it shares with other circuits is in `ezo.py`.

| channel | property | unit | range   | sigma |
|---------|----------|------|---------|-------|
| ph      | water_ph | [pH] | 0 .. 14 | 0.05  |

    sensor = make(io, {"bus": "i2c0", "temperature_from": ["probe", "temperature"]})
    wait_ms = sensor.start()
    while wait_ms := sensor.read_into(values):
        ...                         # come back after wait_ms: 300 ms for the temperature, 900 ms for the value

Board file keys: `bus`; `address` (0x63); `temperature_from`: sensor and channel of the board file that give the water's
temperature in Cel, read before this one. With it, no reading is made while they give nothing good; without, 25 Cel.
Limits: the circuit is exact to 0.002; a probe that is calibrated and clean to about 0.05, which is sigma. It drifts:
calibrate at 4, 7 and 10 each month or so, as its datasheet says; this driver never does.
"""

from .ezo import EZO

CHANNELS = (("ph", "water_ph", "[pH]", 0, 14, 0.05, 0.001, 0, 1),)
PERIOD_MIN_MS = 1500

_MEASURING_MS = 900


def make(io, cfg) -> EZO:
    """The sensor that a board file's entry describes."""

    def reading(sensor: str, channel: str) -> tuple:
        return io.reading(sensor, channel)

    return EZO(io.i2c(cfg["bus"]), reading, cfg, "pH", 0x63, _MEASURING_MS, CHANNELS)
