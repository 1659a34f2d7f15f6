"""adafruit-circuitpython-gps follows the virtual receiver, with and without a fix."""

from typing import Any

NEEDS = "adafruit_gps"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_gps import GPS  # noqa: PLC0415

    chip.latitude_deg, chip.longitude_deg, chip.altitude_m, chip.speed_m_s = -33.8568, 151.2153, 12.5, 5.0
    receiver = GPS(bench.serial)
    listen(bench, receiver)
    assert receiver.has_fix
    bench.near(receiver.latitude, -33.8568, 1e-6)
    bench.near(receiver.longitude, 151.2153, 1e-6)
    bench.near(receiver.altitude_m, 12.5, 0.05)
    bench.near(receiver.speed_knots, 9.719, 0.006)
    assert tuple(receiver.timestamp_utc)[:3] == (2026, 11, 28)
    chip.fix = False
    bench.clock.sleep(1.2)
    listen(bench, receiver)
    assert not receiver.has_fix


def listen(bench: Any, receiver: Any) -> None:
    """Three seconds of sentences."""
    for _ in range(300):
        receiver.update()
        bench.clock.sleep(0.01)
