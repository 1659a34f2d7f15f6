"""adafruit-circuitpython-pm25 reads the virtual PMS5003 over its UART."""

from typing import Any

NEEDS = "adafruit_pm25"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_pm25.uart import PM25_UART  # noqa: PLC0415

    chip.ambient_ug_m3, chip.standard_ug_m3 = [12.0, 34.0, 56.0], [13.0, 37.0, 61.0]
    chip.per_cm3 = [30.0, 9.0, 2.0, 0.5, 0.2, 0.07]
    bench.clock.sleep(31)
    bench.serial.timeout = 4.0
    found = PM25_UART(bench.serial).read()
    for key, wanted in (
        ("pm10 env", 12), ("pm25 env", 34), ("pm100 env", 56), ("pm10 standard", 13), ("pm25 standard", 37),
        ("particles 03um", 3000), ("particles 25um", 50), ("particles 100um", 7),
    ):  # fmt: skip
        bench.near(found[key], wanted, 0)
