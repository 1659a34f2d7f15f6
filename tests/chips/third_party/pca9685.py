"""adafruit-circuitpython-pca9685 sets frequency, duty cycles and full on and off of the virtual PCA9685."""

from typing import Any

NEEDS = "adafruit_pca9685"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_pca9685 import PCA9685  # noqa: PLC0415

    driver = PCA9685(bench.busio, address=0x40)
    driver.frequency = 50
    bench.clock.sleep(0.01)
    bench.near(chip.frequency_hz, 50.0, 0.5)
    bench.near(driver.frequency, 50.0, 0.5)
    for channel, value in ((0, 0x8000), (7, 0x1000), (15, 0xC000)):
        driver.channels[channel].duty_cycle = value
        bench.near(chip.duty(channel), value / 0x10000, 1 / 4096)
        bench.near(driver.channels[channel].duty_cycle, value, 16)
    driver.channels[7].duty_cycle = 0xFFFF
    bench.near(chip.duty(7), 1.0, 0)
    driver.channels[7].duty_cycle = 0
    bench.near(chip.duty(7), 0.0, 0)
