"""Unmodified CircuitPython drivers read the virtual chips: what others understood of the datasheets, too.

Runs in its own process with those drivers on its path; `time.sleep` only moves the virtual clock.
"""

import sys
import time
import types
from collections.abc import Callable

from simulator import faces
from simulator.bus import VirtualI2C
from simulator.chips import ads1115, bme280, scd41


class Clock:
    now_ns = 10**9

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)

    def on_transfer(self, count: int) -> None:
        self.now_ns += count * 90_000


def near(found: float, expected: float, epsilon: float) -> None:
    if abs(found - expected) > epsilon:
        raise AssertionError(f"expected {expected}, found {found}")


def check_bme280(clock: Clock, face: faces.BusioI2C, chip: bme280.BME280) -> None:
    from adafruit_bme280 import basic  # noqa: PLC0415

    driver = basic.Adafruit_BME280_I2C(face, address=0x76)
    for cel, pct, pascal in ((23.4, 41.0, 98765.0), (-20.0, 80.0, 70000.0), (60.0, 10.0, 108000.0)):
        chip.temperature_cel, chip.humidity_pct, chip.pressure_pa = cel, pct, pascal
        near(driver.temperature, cel, 0.01)
        near(driver.relative_humidity, pct, 0.05)
        near(driver.pressure * 100, pascal, 3.5)


def check_ads1115(clock: Clock, face: faces.BusioI2C, chip: ads1115.ADS1115) -> None:
    from adafruit_ads1x15.ads1115 import ADS1115  # noqa: PLC0415
    from adafruit_ads1x15.analog_in import AnalogIn  # noqa: PLC0415

    chip.inputs_v = [1.0, 2.5, 0.2, 3.0]
    driver = ADS1115(face, gain=1)
    for pin, volts in enumerate(chip.inputs_v):
        near(AnalogIn(driver, pin).voltage, volts, 0.000125)
    near(AnalogIn(driver, 0, 1).voltage, -1.5, 0.000125)


def check_scd41(clock: Clock, face: faces.BusioI2C, chip: scd41.SCD41) -> None:
    from adafruit_scd4x import SCD4X  # noqa: PLC0415

    chip.co2_ppm, chip.temperature_cel, chip.humidity_pct = 777.0, 22.5, 33.0
    driver = SCD4X(face)
    driver.start_periodic_measurement()
    clock.sleep(5.1)
    assert driver.data_ready
    near(driver.CO2, 777, 0.5)
    near(driver.temperature, 22.5, 0.002)
    near(driver.relative_humidity, 33.0, 0.001)


CHECKS: dict[str, Callable[..., None]] = {
    "bme280": check_bme280,
    "ads1115": check_ads1115,
    "scd41": check_scd41,
}


def stand_in(name: str, **content: object) -> None:
    """A module that CircuitPython has built in."""
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def main(name: str) -> None:
    clock = Clock()
    time.sleep = clock.sleep
    stand_in("micropython", const=lambda value: value)
    stand_in("busio", I2C=faces.BusioI2C, SPI=object)
    stand_in("digitalio", DigitalInOut=object)
    stand_in("circuitpython_typing", ReadableBuffer=bytes, WriteableBuffer=bytearray)
    chip = {"bme280": bme280, "ads1115": ads1115, "scd41": scd41}[name].make(clock)
    clock.sleep(0.1)
    CHECKS[name](clock, faces.BusioI2C(VirtualI2C([chip]), clock.on_transfer), chip)
    print("ok")


if __name__ == "__main__":
    main(sys.argv[1])
