"""adafruit-circuitpython-ads1x15 reads the virtual ADS1115."""

from typing import Any

NEEDS = "adafruit_ads1x15"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_ads1x15.ads1115 import ADS1115  # noqa: PLC0415
    from adafruit_ads1x15.analog_in import AnalogIn  # noqa: PLC0415

    chip.inputs_v = [1.0, 2.5, 0.2, 3.0]
    driver = ADS1115(bench.busio, gain=1)
    for pin, volts in enumerate(chip.inputs_v):
        bench.near(AnalogIn(driver, pin).voltage, volts, 0.000125)
    bench.near(AnalogIn(driver, 0, 1).voltage, -1.5, 0.000125)
