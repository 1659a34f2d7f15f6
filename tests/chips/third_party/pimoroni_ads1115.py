"""Pimoroni's ads1015, made for Linux, reads the virtual ADS1115 through the face of smbus2."""

from typing import Any

NEEDS = "ads1015"
CHIP = "ads1115"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from ads1015 import ADS1015  # noqa: PLC0415

    chip.inputs_v = [1.0, 2.5, 0.2, 3.0]
    driver = ADS1015(i2c_addr=0x48, i2c_dev=bench.smbus)
    assert driver.detect_chip_type() == "ADS1115"
    driver.set_mode("single")
    driver.set_programmable_gain(4.096)
    driver.set_sample_rate(860)
    for pin, volts in enumerate(chip.inputs_v):
        bench.near(driver.get_voltage(f"in{pin}/gnd"), volts, 0.000125)
    bench.near(driver.get_voltage("in0/in1"), -1.5, 0.000125)
