"""A chip that lost its power is set up anew before it is believed: same settings, same values as before.

Chips are asked for another value than they had at first, so that a driver cannot get away with an old one.
"""

from typing import Any

import pytest

from drivers import errors
from tests.drivers.cases import CASES, plug, set_physical

TRIES = 4
OLD_MS = 8000  # an SCD41 measures each 5 s, and its driver takes a measurement for the present for 7.5 s


def put(chip: Any, shows: list[str], part: float) -> list[tuple[float, float]]:
    """Set each quantity to this part of its range; return (value, epsilon) of each."""
    ranges = chip.sample_range()
    found = []
    for attribute in shows:
        lower, upper, epsilon = ranges[attribute]
        set_physical(chip, attribute, lower + (upper - lower) * part)
        found.append((lower + (upper - lower) * part, epsilon))
    return found


def readings(bench: Any, driver: Any, width: int) -> list[list[float]]:
    """The next readings that succeed: at most one may fail before them."""
    found: list[list[float]] = []
    for _ in range(TRIES):
        try:
            found.append(bench.acquire(driver, width))
        except errors.DriverError:
            assert not found, "once it was set up anew it works"
        bench.clock.advance_ms(100)
    assert len(found) >= TRIES - 1
    return found


def agree(found: list[float], expected: list[tuple[float, float]]) -> None:
    for value, (true, epsilon) in zip(found, expected, strict=False):
        assert value == pytest.approx(true, abs=epsilon)


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "between two readings"])
@pytest.mark.parametrize("name", CASES)
def test_on_i2c_after_a_loss_of_power(bench: Any, name: str, seen: bool) -> None:
    case = CASES[name]
    driver, chip = plug(bench, name)
    put(chip, case.shows, 0.4)
    readings(bench, driver, case.values)
    chip.unplugged = True
    if seen:
        with pytest.raises(errors.DriverError):
            bench.acquire(driver, case.values)
    chip.unplugged = False
    expected = put(chip, case.shows, 0.6)
    bench.clock.advance_ms(max(OLD_MS, case.settle_ms))
    for found in readings(bench, driver, case.values):
        agree(found, expected)
