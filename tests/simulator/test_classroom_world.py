"""Properties of the classroom: pupils fill it, the fan clears it, seeds repeat."""

import math

import pytest

from simulator.world.classroom import OUTSIDE_PPM, ClassroomWorld, default_start_utc_us

START = default_start_utc_us()


def _peak_ppm(fan: bool, seed: int = 1) -> float:
    world = ClassroomWorld(START, seed)
    world.drive({"fan": fan})
    peak = 0.0
    for _ in range(270):
        world.advance(0.0, 60.0)
        peak = max(peak, world.ppm)
    return peak


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fan_decides(seed: int) -> None:
    assert _peak_ppm(False, seed) > 1800
    assert _peak_ppm(True, seed) < 1000


def test_an_empty_room_tends_to_outside_air() -> None:
    world = ClassroomWorld(START, parameters={"lessons": [{"begin_min": 0, "end_min": 1, "pupils": 30}]})
    world.advance(0.0, 60.0)
    filled = world.ppm
    assert filled > OUTSIDE_PPM
    world.advance(0.0, 3600.0)
    expected = OUTSIDE_PPM + (filled - OUTSIDE_PPM) * math.exp(-world.room.leak_m3_s * 3600 / 200)
    assert world.ppm == pytest.approx(expected, rel=1e-6)


def test_balance_of_co2_closes() -> None:
    world = ClassroomWorld(START, parameters={"lessons": [{"begin_min": 0, "end_min": 99, "pupils": 20}]})
    grown = lost = 0.0
    before = world.ppm
    for _ in range(3600):
        mean = world.ppm
        world.advance(0.0, 1.0)
        mean = (mean + world.ppm) / 2
        grown += world.pupils * world.room.co2_per_pupil_m3_s
        lost += world.air_m3_s * (mean - OUTSIDE_PPM) * 1e-6
    assert (world.ppm - before) * 1e-6 * 200 == pytest.approx(grown - lost, rel=1e-4)


def test_door_and_seed() -> None:
    world = ClassroomWorld(START, seed=4)
    world.advance(0.0, 67 * 60.0)
    assert world.quantities()["door_open"] == 1.0
    twin = ClassroomWorld(START, seed=4)
    twin.advance(0.0, 67 * 60.0)
    assert twin.quantities() == world.quantities()
