"""A-weighted levels: the weighting of IEC 61672-1 at all its frequencies, its tone bursts, levels soft and loud."""

import math
from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import sound, sound_kernel
from tests.drivers.iec_61672 import A_WEIGHTING, exact_hz

RATES = (8000, 16000, 24000, 32000, 48000)
FULL = 2**23 - 1
BANDS = {rate: [hz for hz in A_WEIGHTING if exact_hz(hz) < 0.423 * rate] for rate in RATES}


def words(samples: Any) -> bytearray:
    """Samples from -1 to 1 as words of an I2S buffer; the last eight bits are rubbish."""
    values = np.clip(np.round(np.asarray(samples) * FULL), -FULL - 1, FULL).astype(np.int64)
    return bytearray((values << 8 | 0x5A).astype("<i4").tobytes())


def tone(rate: int, hz: float, seconds: float, amplitude: float = 0.9) -> Any:
    return amplitude * np.sin(2 * np.pi * hz / rate * np.arange(int(seconds * rate)))


def heard(rate: int, samples: Any, settle_s: float = 0.24) -> list[float]:
    """LAeq, LAFmax and peak of samples, the first part of which only settles the filter."""
    levels = sound.Levels(rate, -26.0)
    data, first = words(samples), int(settle_s * rate)
    levels.feed(data[: 4 * first], first)
    levels.begin()
    levels.feed(data[4 * first :], len(data) // 4 - first)
    values = [0.0] * 3
    levels.put(values)
    return values


def test_golden_level_of_the_datasheet() -> None:
    """DS-INMP441-00, understanding sensitivity: 1 Pa (94 dB) at 1 kHz is a peak of 420,426 of 24 bits."""
    mean_square = (420_426 / 16) ** 2 / 2
    assert sound.compensate_level(mean_square, -26.0) == pytest.approx(94.0, abs=0.001)
    assert sound.compensate_level(mean_square, -29.0) == pytest.approx(97.0, abs=0.001)
    assert sound.compensate_level(mean_square * 10**2.6, -26.0) == pytest.approx(120.0, abs=0.001)


@pytest.mark.parametrize("rate", RATES)
def test_the_filter_keeps_class_1_at_every_frequency_that_the_rate_allows(rate: int) -> None:
    numbers = sound.weights(rate)
    at_1_khz = sound.response_db(numbers, rate, 1000)
    assert len(BANDS[rate]) >= 26
    for nominal in BANDS[rate]:
        goal, (above, below), _ = A_WEIGHTING[nominal]
        found = sound.response_db(numbers, rate, exact_hz(nominal)) - at_1_khz
        assert goal + below <= found <= goal + above, (nominal, found)


@pytest.mark.parametrize("nominal", BANDS[16000])
def test_whole_numbers_weigh_as_the_formula_says_at_every_frequency(nominal: float) -> None:
    """Through the kernel, tone by tone: within 0.3 dB of the goal, as far as a table of tenths tells."""
    hz = exact_hz(nominal)
    found = heard(16000, tone(16000, hz, 0.64 if hz > 60 else 1.24))
    flat_db = 120 + 20 * math.log10(0.9)
    goal, (above, below), _ = A_WEIGHTING[nominal]
    assert goal + below <= found[0] - flat_db <= goal + above
    numbers = sound.weights(16000)
    exact = sound.response_db(numbers, 16000, hz) - sound.response_db(numbers, 16000, 1000)
    assert found[0] - flat_db == pytest.approx(exact, abs=0.15)
    assert found[2] == pytest.approx(flat_db + 3.01, abs=0.3 if hz > 3000 else 0.02)


@pytest.mark.parametrize("level_db", [45, 55, 70, 85, 100, 115, 119.9])
def test_levels_are_linear(level_db: float) -> None:
    """1 kHz up to full scale, with a noise 90 dB below it, as every microphone has."""
    noise = np.random.default_rng(3).normal(0, 10 ** (-90 / 20) / 2**0.5, 11840)
    alone = heard(16000, noise)[0]
    found = heard(16000, tone(16000, 1000, 0.74, 10 ** ((level_db - 120) / 20)) + noise)
    tone_db = 10 * math.log10(10 ** (found[0] / 10) - 10 ** (alone / 10))
    assert tone_db == pytest.approx(level_db, abs=0.1)
    assert found[1] == pytest.approx(level_db, abs=0.2)


@pytest.mark.parametrize("burst_ms", [1000, 500, 200, 100, 50, 20, 10, 5, 2])
def test_tone_bursts_rise_with_the_time_weighting_f(burst_ms: int) -> None:
    """Table 4: bursts of 4 kHz; formula (8): 10 lg (1 - exp(-T / 125 ms)) below the steady level."""
    steady = heard(16000, tone(16000, 4000, 0.74))
    quiet, after = np.zeros(16000 // 4 + 37), np.zeros(2000)
    quiet[::7] = 1e-4
    burst = heard(16000, np.concatenate((quiet, tone(16000, 4000, burst_ms / 1000), after)), 0.008)
    goal = 10 * math.log10(1 - math.exp(-burst_ms / 125))
    assert burst[1] - steady[0] == pytest.approx(goal, abs=0.35)


def test_the_equivalent_level_of_two_halves_is_that_of_their_energies() -> None:
    loud, soft = tone(16000, 1000, 0.4, 0.1), tone(16000, 1000, 0.4, 0.01)
    found = heard(16000, np.concatenate((tone(16000, 1000, 0.24, 0.1), loud, soft)))
    assert found[0] == pytest.approx(100 + 10 * math.log10((1 + 0.01) / 2), abs=0.05)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(1, 300), min_size=1, max_size=30))
def test_it_is_the_same_however_the_samples_arrive(seed: int, pieces: list[int]) -> None:
    data = words(np.random.default_rng(seed).normal(0, 0.1, sum(pieces)))
    whole, parts = sound.Levels(16000, -26.0), sound.Levels(16000, -26.0)
    whole.feed(data, sum(pieces))
    at = 0
    for piece in pieces:
        parts.feed(data[4 * at : 4 * (at + piece)], piece)
        at += piece
    assert vars(whole) == vars(parts)


class Small(int):
    """A whole number that a 32-bit board keeps without an object: it must not leave 31 bits."""

    def __new__(cls, value: int) -> "Small":
        assert -(2**30) <= value < 2**30, value
        return super().__new__(cls, value)


for _name in ("add", "sub", "mul", "rshift", "lshift", "and", "or", "neg", "radd", "rsub", "rmul", "rlshift"):

    def _kept(self: Any, *others: Any, name: str = f"__{_name}__") -> Any:
        return Small(getattr(int, name)(int(self), *map(int, others)))

    setattr(Small, f"__{_name}__", _kept)


def worst(rate: int, count: int = 600) -> Any:
    """The signal at full scale that drives the last high-pass furthest: the sign of its impulse response, reversed."""
    impulse = np.zeros(count)
    impulse[0] = 1
    numbers = sound.weights(rate)
    ks = [numbers[place] / (1 << numbers[place + 1]) for place in (2, 2, 4, 6)]
    for k in ks:
        memory = last = 0.0
        for at in range(count):
            memory, last = (1 - k) * memory + impulse[at] - last, impulse[at]
            impulse[at] = memory
    return np.where(impulse[::-1] >= 0, 1.0, -1.0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("signal", ["worst", "square", "noise"])
def test_no_number_of_the_kernel_needs_more_than_31_bits(rate: int, signal: str) -> None:
    count = 600
    samples = {
        "worst": worst(rate, count),
        "square": np.where(np.arange(count) // 97 % 2, 1.0, -1.0),
        "noise": np.random.default_rng(5).uniform(-1, 1, count),
    }[signal]
    levels = sound.Levels(rate, -26.0)
    data = words(samples)
    block = levels.block
    for start in range(0, count - block + 1, block):
        state: Any = [Small(number) for number in levels._state]
        raw: Any = [Small(byte) for byte in data[4 * start : 4 * (start + block)]]
        sound_kernel.weigh(raw, 0, block, state)
        levels.feed(data[4 * start :], block)
        assert state[8:15] == list(levels._state[8:15])


def test_the_sum_of_many_loud_blocks_is_right() -> None:
    """Its limbs carry: 9,000 blocks, added without playing them."""
    levels = sound.Levels(48000, -26.0)
    data = words(tone(48000, 1000, 0.008, 1.0))
    for _ in range(40):
        levels.feed(data, levels.block)
    levels.begin()
    for _ in range(9000):
        levels._state[17:20] = array("i", (500_000 * 384, 0, 123))
        levels._filled = levels.block
        levels._close_block()
    values = [0.0] * 3
    levels.put(values)
    mean = 500_000 * 2**20 + 123 / 384
    assert values[0] == pytest.approx(10 * math.log10(mean) + levels._mean_db - 60.206, abs=0.001)


@pytest.mark.parametrize("rate", [7000, 44100, 48125, 0, 16001])
def test_a_rate_without_whole_blocks_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="multiple of 125 from 8000 to 48000"):
        sound.checked_rate(rate)
