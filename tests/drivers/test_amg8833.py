"""AMG8833: codes of the specifications, what the figures say of a scene, and that its 15 s are waited for once."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import amg8833, errors
from simulator.chips import amg8833 as chip_amg8833

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["thermistor_cel", "scene_cel"],
    "derived": 3,
    "heap": 256,
    "power_dip": False,  # it hears nothing for 50 ms, which is NACK; below is what comes after them
}


@pytest.mark.parametrize(
    ("code", "cel"),
    [(0x1F4, 125.0), (0x064, 25.0), (0x001, 0.25), (0x000, 0.0), (0xFFF, -0.25), (0xF9C, -25.0), (0xF24, -55.0)],
)
def test_pixels_of_the_specifications(code: int, cel: float) -> None:
    """Table "temperature register": two's complement, 0.25 Cel."""
    assert amg8833.compensate_pixel(code & 0xFF, code >> 8) / 4 == cel
    assert amg8833.compensate_pixel(code & 0xFF, code >> 8 | 0xF0) / 4 == cel


@pytest.mark.parametrize(
    ("code", "cel"),
    [(0x7FF, 127.9375), (0x190, 25.0), (0x004, 0.25), (0x000, 0.0), (0x804, -0.25), (0xBBB, -59.6875)],
)
def test_thermistor_of_the_specifications(code: int, cel: float) -> None:
    """Table "thermistor register": a sign and eleven bits of 0.0625 Cel."""
    assert amg8833.compensate_thermistor(code & 0xFF, code >> 8) == cel


def wired(bench: Any) -> tuple[Any, Any]:
    chip = chip_amg8833.make(bench.clock.ns)
    bench.virtual.add(chip)
    bench.clock.advance_ms(60)
    return amg8833.make(bench, {"bus": "i2c0"}), chip


@given(seed=st.integers(0, 10_000))
def test_the_hottest_four_are_those_of_a_sorted_frame(seed: int) -> None:
    random = Random(seed)
    pixels = [random.randint(-80, 320) for _ in range(64)]
    driver = amg8833.AMG8833(None, None)
    driver._frame[:] = b"".join((quarters & 0xFFF).to_bytes(2, "little") for quarters in pixels)
    values = [0.0] * 5
    driver._summarise(values)
    ordered = sorted(pixels)
    expected = [sum(pixels) / 256, ordered[0] / 4, ordered[-1] / 4, ordered[-4] / 4]
    assert values[1:] == pytest.approx(expected)


def test_one_hot_pixel_moves_the_maximum_only(bench: Any) -> None:
    driver, chip = wired(bench)
    chip.scene_cel, chip.pixels_cel = 20.0, {9: 75.0, 63: 10.0}
    _, mean, minimum, maximum, hottest_four = bench.acquire(driver, 5)
    assert (minimum, maximum, hottest_four) == (10.0, 75.0, 20.0)
    assert mean == pytest.approx(20.0 + (55 - 10) / 64)
    chip.pixels_cel.update(dict.fromkeys((17, 18, 26), 60.0))
    assert bench.acquire(driver, 5)[3:] == [75.0, 60.0]


def test_it_settles_once_and_a_board_that_starts_again_need_not_wait(bench: Any) -> None:
    driver, chip = wired(bench)
    assert driver.start() == 15_000
    bench.clock.advance_ms(15_000)
    assert not driver.read_into([0.0] * 5)
    assert driver.start() == 1100
    assert amg8833.make(bench, {"bus": "i2c0"}).start() == 1100
    chip.unplugged = True
    chip.unplugged = False
    bench.clock.advance_ms(60)
    assert driver.start() == 15_000


def test_a_reading_is_of_a_frame_after_the_start(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 5)
    for scene_cel in (30.0, 50.0, 5.0):
        chip.scene_cel = scene_cel
        assert bench.acquire(driver, 5)[1] == scene_cel


def test_from_sleep_it_is_woken(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 5)
    chip.write(bytes((chip_amg8833.POWER, chip_amg8833.SLEEP)))
    chip.scene_cel = 33.0
    assert driver.start() == 15_000
    bench.clock.advance_ms(15_000)
    values = [0.0] * 5
    driver.read_into(values)
    assert values[1] == 33.0


def test_beyond_its_thermistor_is_no_reading(bench: Any) -> None:
    driver, chip = wired(bench)
    chip.thermistor_cel = 90.0
    with pytest.raises(errors.DriverError, match="housing 90 is outside -20 to 80") as caught:
        bench.acquire(driver, 5)
    assert caught.value.code == errors.OUT_OF_RANGE


def test_a_power_dip_that_is_over_is_no_reading(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.clock.advance_ms(driver.start())
    chip.unplugged = True
    chip.unplugged = False
    bench.clock.advance_ms(60)
    with pytest.raises(errors.DriverError, match="lost its settings") as caught:
        driver.read_into([0.0] * 5)
    assert caught.value.code == errors.NOT_READY
    assert bench.acquire(driver, 5)[1] == 18.0
