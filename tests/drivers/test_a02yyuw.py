"""A02YYUW: the manual's frame, garbage on the line, silence, and the blind zone."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import a02yyuw, errors
from simulator.chips import a02yyuw as chip_a02yyuw

EXAMPLE = bytes((0xFF, 0x07, 0xA1, 0xA7))  # 1953 mm, the manual's example


class Line:
    """A UART and a clock that only the test moves."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.now_ms = 10_000

    def any(self) -> int:
        return len(self.waiting)

    def readinto(self, buf: bytearray, count: int) -> int:
        count = min(count, len(self.waiting))
        buf[:count] = self.waiting[:count]
        del self.waiting[:count]
        return count

    def driver(self) -> Any:
        driver = a02yyuw.A02YYUW(self, lambda: self.now_ms, 150, "uart1")
        assert driver.start() == 150
        self.now_ms += 150
        return driver


def read(driver: Any) -> float:
    values = [float("nan")]
    assert driver.start() == 0
    driver.read_into(values)
    return values[0]


def code_of(driver: Any) -> int:
    with pytest.raises(errors.DriverError) as caught:
        read(driver)
    return caught.value.code


def test_worked_example_of_the_manual() -> None:
    assert a02yyuw.frame_ok(EXAMPLE)
    assert a02yyuw.compensate_distance(EXAMPLE[1], EXAMPLE[2]) == 1953


def test_follows_the_chip_over_its_range() -> None:
    line = Line()
    driver = line.driver()
    chip = chip_a02yyuw.make(lambda: line.now_ms * 1_000_000)
    lower, upper, epsilon = chip.sample_range()["distance_mm"]
    for step in range(101):
        chip.distance_mm = lower + (upper - lower) * step / 100
        line.waiting += chip.tick(line.now_ms * 1_000_000)
        assert read(driver) == pytest.approx(chip.distance_mm, abs=epsilon)
        line.now_ms += 100


def test_silence_is_missing_within_two_periods() -> None:
    line = Line()
    driver = line.driver()
    line.waiting += EXAMPLE
    assert read(driver) == 1953
    line.now_ms += 100
    assert read(driver) == 1953
    line.now_ms += 100
    assert code_of(driver) == errors.SILENT
    assert errors.quality_of(errors.SILENT) == 9
    line.waiting += EXAMPLE
    assert read(driver) == 1953


def test_frames_that_waited_too_long_are_thrown_away() -> None:
    """A full UART keeps the oldest frames: after a long pause they must not pass for the present level."""
    line = Line()
    driver = line.driver()
    line.waiting += EXAMPLE
    assert read(driver) == 1953
    line.waiting += EXAMPLE * 8
    line.now_ms += 60_000
    assert driver.start() == 150
    assert not line.waiting
    line.now_ms += 150
    line.waiting += chip_a02yyuw.A02YYUW(1500.0).frame()
    assert read(driver) == 1500


def test_never_heard_is_silent() -> None:
    assert code_of(Line().driver()) == errors.SILENT


def test_wrong_checksums_are_bad_not_silent() -> None:
    line = Line()
    driver = line.driver()
    chip = chip_a02yyuw.A02YYUW()
    chip.corrupt = True
    line.waiting += chip.frame() * 3
    assert code_of(driver) == errors.BAD_CHECKSUM


@pytest.mark.parametrize("distance_mm", [10.0, 5200.0])
def test_out_of_reach_is_no_distance(distance_mm: float) -> None:
    line = Line()
    driver = line.driver()
    line.waiting += chip_a02yyuw.A02YYUW(distance_mm).frame()
    assert code_of(driver) == errors.OUT_OF_RANGE


@given(
    noise=st.binary(max_size=40), level=st.integers(30, 4500), cuts=st.lists(st.integers(1, 7), max_size=9)
)
def test_a_frame_after_garbage_is_found_however_it_is_cut(noise: bytes, level: int, cuts: list[int]) -> None:
    """Two frames after any noise: a false header costs at most three bytes of the first."""
    line = Line()
    driver = line.driver()
    stream = noise + chip_a02yyuw.A02YYUW(level).frame() * 2
    for cut in [*cuts, len(stream)]:
        line.waiting += stream[:cut]
        stream = stream[cut:]
        driver._drain(line.now_ms)
    assert read(driver) == level


@given(st.binary(max_size=200))
def test_garbage_gives_an_error_or_a_frame_that_was_there(noise: bytes) -> None:
    line = Line()
    driver = line.driver()
    line.waiting += noise
    frames = [noise[i : i + 4] for i in range(len(noise) - 3)]
    valid = {f[1] << 8 | f[2] for f in frames if f[0] == 0xFF and sum(f[:3]) % 256 == f[3]}
    with contextlib.suppress(errors.DriverError):
        assert read(driver) in valid
