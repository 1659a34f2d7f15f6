"""adafruit-circuitpython-amg88xx reads the virtual AMG8833."""

from typing import Any

NEEDS = "adafruit_amg88xx"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_amg88xx import AMG88XX  # noqa: PLC0415

    driver = AMG88XX(bench.busio)
    chip.scene_cel, chip.pixels_cel = 21.5, {0: 3.0, 15: -12.25, 63: 79.75}
    for cel in (31.0, -7.5):
        chip.thermistor_cel = cel
        bench.clock.sleep(0.2)
        bench.near(driver.temperature, cel, 0)
    pixels = [cel for row in driver.pixels for cel in row]
    expected = [chip.pixels_cel.get(pixel, 21.5) for pixel in range(64)]
    assert pixels == expected, pixels
