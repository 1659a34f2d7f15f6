"""adafruit-circuitpython-sht4x reads the virtual SHT4x."""

from typing import Any

NEEDS = "adafruit_sht4x"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_sht4x import Mode, SHT4x  # noqa: PLC0415

    driver = SHT4x(bench.busio)
    assert driver.serial_number == 0x0F5A93C4
    chip.temperature_cel, chip.humidity_pct = -7.25, 81.0
    for mode in (Mode.NOHEAT_HIGHPRECISION, Mode.NOHEAT_MEDPRECISION, Mode.NOHEAT_LOWPRECISION):
        driver.mode = mode
        temperature, humidity = driver.measurements
        bench.near(temperature, -7.25, 0.0014)
        bench.near(humidity, 81.0, 0.001)
    driver.mode = Mode.HIGHHEAT_1S
    assert driver.temperature > 20
