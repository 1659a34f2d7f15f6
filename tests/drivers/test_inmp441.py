"""INMP441: levels of a virtual microphone's sound, its start-up, overload, dead wires, a board that listens late."""

import contextlib
import math
from typing import Any

import numpy as np
import pytest

from drivers import errors, inmp441
from simulator.chips import inmp441 as chip_inmp441
from simulator.chips.inmp441 import a_weighting
from simulator.chips.sound import OCTAVES_HZ
from simulator.i2s import VirtualI2S

PERIOD_MS = 1000


class Mast:
    """A driver at its microphone on a bench; `hear` gives a reading."""

    def __init__(self, bench: Any, *, period_ms: int = PERIOD_MS, **cfg: Any) -> None:
        self.bench = bench
        self.chip = chip_inmp441.make(bench.clock.ns)
        self.chip.tone_db = 74.0
        self.wires = bench.i2s_wires["i2s0"] = VirtualI2S([self.chip], bench.clock.ns)
        self.driver = inmp441.make(bench, {"bus": "i2s0", "period_ms": period_ms, **cfg})

    def hear(self) -> list[float]:
        return self.bench.acquire(self.driver, 3)

    def code(self) -> int:
        with pytest.raises(errors.DriverError, match="INMP441 on i2s0: ") as caught:
            self.hear()
        return caught.value.code


@pytest.fixture
def mast(bench: Any) -> Mast:
    return Mast(bench)


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 48000])
def test_reads_back_the_whole_range(bench: Any, rate: int) -> None:
    mast = Mast(bench, period_ms=250, rate_hz=rate)
    mast.hear()
    lower, upper, epsilon = mast.chip.sample_range()["tone_db"]
    steps = 12 if rate == 16000 else 3
    for step in range(steps + 1):
        mast.chip.tone_db = lower + (upper - lower) * step / steps
        mast.hear()
        level, highest, peak = mast.hear()
        assert level == pytest.approx(mast.chip.tone_db, abs=epsilon)
        assert highest >= level - 0.3
        assert peak == pytest.approx(mast.chip.tone_db + 3.01, abs=2.5), "its own noise is in it"


@pytest.mark.parametrize("kind", ["white_db", "pink_db"])
def test_noise_is_weighted_by_its_spectrum(bench: Any, kind: str) -> None:
    mast = Mast(bench, period_ms=2000, rate_hz=48000)
    mast.chip.tone_db = -20.0
    setattr(mast.chip, kind, 90.0)
    mast.hear()
    hertz = np.arange(20.0, 20_000.0, 0.5)
    density = np.ones_like(hertz) if kind == "white_db" else 1 / hertz
    passed = (a_weighting(hertz) * chip_inmp441.response(hertz, 48000)) ** 2
    expected = 90 + 10 * math.log10(float(np.sum(density * passed) / np.sum(density)))
    assert mast.hear()[0] == pytest.approx(expected, abs=0.4)


def test_octaves_add_up(bench: Any) -> None:
    mast = Mast(bench, period_ms=2000)
    mast.chip.tone_db = -20.0
    mast.chip.octaves_db[OCTAVES_HZ.index(500)] = 80.0
    mast.hear()
    alone = mast.hear()[0]
    assert alone == pytest.approx(80 - 3.2, abs=0.4)
    mast.chip.octaves_db[OCTAVES_HZ.index(1000)] = 80.0
    assert mast.hear()[0] == pytest.approx(10 * math.log10(10**7.68 + 10**8.0), abs=0.4)


def test_in_silence_it_hears_itself(mast: Mast) -> None:
    mast.chip.tone_db = -20.0
    mast.hear()
    assert 30 < mast.hear()[0] < 34


def test_sensitivity_is_that_of_the_one_that_is_there(bench: Any) -> None:
    mast = Mast(bench, sensitivity_dbfs=-28.5)
    mast.chip.sensitivity_dbfs = -28.5
    assert mast.hear()[0] == pytest.approx(74.0, abs=0.1)


def test_its_start_up_is_in_no_reading(mast: Mast) -> None:
    """The first reading is as good as the later ones: 4096 frames of zeros and the filter's answer are left out."""
    first, second = mast.hear(), mast.hear()
    assert first == pytest.approx(second, abs=0.1)
    assert mast.wires.lost_frames == 0


def test_readings_leave_no_gap(mast: Mast) -> None:
    """A bang between two readings, while the board waits for the next period, is in one of them."""
    mast.hear()
    for level_db, pause_ms in ((74.0, 10), (104.0, 14), (74.0, 0)):
        mast.chip.tone_db = level_db
        mast.bench.clock.advance_ms(pause_ms)
        mast.wires.available()
    loud = mast.hear()
    assert loud[2] > 100
    assert mast.hear()[2] < 80
    assert mast.wires.lost_frames == 0


def test_overload_is_no_reading_but_the_next_one_is(mast: Mast) -> None:
    mast.hear()
    mast.chip.tone_db = 121.5
    code = mast.code()
    assert code == errors.OUT_OF_RANGE
    assert errors.quality_of(code) == 4
    mast.chip.tone_db = 80.0
    with contextlib.suppress(errors.DriverError):  # its first block of 8 ms may have begun before
        mast.hear()
    assert mast.hear()[0] == pytest.approx(80.0, abs=0.1)


@pytest.mark.parametrize(
    ("fault", "value"), [("unplugged", True), ("right", True), ("cut", True), ("shorted_high", True)]
)
def test_a_dead_wire_or_chip_is_missing_and_heals(mast: Mast, fault: str, value: bool) -> None:
    mast.hear()
    owner = mast.chip if hasattr(mast.chip, fault) else mast.wires
    setattr(owner, fault, value)
    for _ in range(2):
        code = mast.code()
        assert code == errors.SILENT
        assert errors.quality_of(code) == 9
    setattr(owner, fault, not value)
    assert mast.hear()[0] == pytest.approx(74.0, abs=0.1)


def test_a_dip_of_its_supply_is_no_quiet_moment(mast: Mast) -> None:
    mast.hear()
    mast.driver.start()
    mast.chip.unplugged = True
    mast.chip.unplugged = False
    assert mast.code() == errors.SILENT
    assert mast.hear()[0] == pytest.approx(74.0, abs=0.1)


def test_clocks_that_stand_are_the_boards_fault(mast: Mast) -> None:
    mast.hear()
    mast.wires.stopped = True
    assert mast.code() == errors.INTERNAL
    mast.wires.stopped = False
    assert mast.hear()[0] == pytest.approx(74.0, abs=0.1)


def test_a_board_that_does_not_listen_has_no_equivalent_level(mast: Mast) -> None:
    mast.hear()
    mast.driver.start()
    mast.bench.clock.advance_ms(300)
    values = [0.0] * 3
    with pytest.raises(errors.DriverError, match=r"heard \d+ ms of \d+") as caught:
        while mast.driver.read_into(values):
            mast.bench.clock.advance_ms(12)
    assert caught.value.code == errors.NOT_READY
    assert mast.wires.lost_frames > 3000
    assert mast.hear()[0] == pytest.approx(74.0, abs=0.1)


def test_an_error_at_any_step_is_reported_and_the_next_start_recovers(bench: Any) -> None:
    mast = Mast(bench, period_ms=250, rate_hz=8000)
    read, calls, fail_at = mast.driver._i2s.readinto, [0], [-1]

    def readinto(buf: bytearray) -> int:
        calls[0] += 1
        if calls[0] - 1 == fail_at[0]:
            raise OSError(5, "scripted")
        return int(read(buf))

    mast.driver._i2s.readinto = readinto
    mast.hear()
    mast.driver._settle_ms = 30  # the microphone itself goes on
    calls[0] = 0
    mast.hear()
    steps = calls[0]
    assert steps >= 15
    for step in range(steps):
        calls[0], fail_at[0] = 0, step
        assert mast.code() == errors.INTERNAL
        fail_at[0] = -1
        assert mast.hear()[0] == pytest.approx(74.0, abs=0.1), step


def test_reading_without_start_is_not_ready(mast: Mast) -> None:
    with pytest.raises(errors.DriverError) as caught:
        mast.driver.read_into([0.0] * 3)
    assert caught.value.code == errors.NOT_READY


def test_a_rate_is_checked_with_the_board_file() -> None:
    assert inmp441.channels({}) == inmp441.CHANNELS
    with pytest.raises(ValueError, match="44100"):
        inmp441.channels({"rate_hz": 44100})
