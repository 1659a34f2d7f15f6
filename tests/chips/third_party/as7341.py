"""adafruit-circuitpython-as7341 reads the virtual AS7341, with its own way to connect the photodiodes."""

from typing import Any

NEEDS = "adafruit_as7341"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    import adafruit_as7341  # noqa: PLC0415

    driver = adafruit_as7341.AS7341(bench.busio)
    driver.gain = adafruit_as7341.Gain.GAIN_16X
    chip.bands[:], chip.clear, chip.near_infrared = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0], 5.0, 6.0
    gain_ms = 16 * 101 * 1000 * 0.00278  # what it sets: ATIME 100, ASTEP 999
    found = driver.all_channels
    assert len(found) == 8, found
    for counts, light in zip(found, chip.bands, strict=True):
        bench.near(counts, light * gain_ms, 1)
    bench.near(driver.channel_clear, 5.0 * gain_ms, 1)
    bench.near(driver.channel_nir, 6.0 * gain_ms, 1)
