"""The quality tests: a series by hand for each, a plain Python reference over random ones, missing and late samples."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.compile import python_of
from models.errors import ParameterError, ShapeError
from models.quality import TESTS, Bank, Pair, Rule, check, kernels, new_bank

S = 1_000_000
NAN = float("nan")
PARTS = [name for name in dir(kernels) if name.endswith("_kernel")]


def verdicts(rule: Rule, values: list[float], quality: list[int] | None = None, step_s: float = 1.0) -> list[Any]:
    """(flag, test) of one channel's samples, one each `step_s`."""
    bank = new_bank(1)
    bank.tune(0, rule)
    times = [round(step_s * S * n) for n in range(len(values))]
    flag, test = check(bank, [0] * len(values), times, values, quality or [1] * len(values))
    return list(zip(flag.tolist(), [TESTS[t] for t in test], strict=True))


GOOD, RATE, FLAT = (1, ""), (3, "rate_of_change"), (3, "flat_line")


def test_without_bounds_nothing_is_tested_and_the_board_is_believed() -> None:
    said = verdicts(Rule(), [1.0, 1e30, 1e30, NAN, 5.0, NAN, 7.0, 7.0], [1, 1, 2, 9, 4, 1, 3, 1])
    assert said == [GOOD, GOOD, (2, ""), (9, "sensor"), (4, "gross_range"), (4, "sensor"), (3, "sensor"), GOOD]


def test_gross_range_is_suspect_outside_the_span_and_good_on_its_edges() -> None:
    said = verdicts(Rule(lower=-5.0, upper=40.0), [-5.0, 40.0, 40.01, -5.01, 20.0])
    assert said == [GOOD, GOOD, (3, "gross_range"), (3, "gross_range"), GOOD]


def test_a_spike_is_suspect_and_what_follows_is_not() -> None:
    """0.1 a second and 0.5 of noise: 20.6 after a second is the most."""
    assert verdicts(Rule(rate_per_s=0.1, noise=0.5), [20.0, 25.0, 20.1, 20.69, 21.3]) == [GOOD, RATE, GOOD, GOOD, RATE]


def test_a_step_that_stays_is_believed_at_its_third_sample() -> None:
    assert verdicts(Rule(rate_per_s=0.1, noise=0.5), [20.0, 25.0, 25.1, 25.0, 25.2]) == [GOOD, RATE, RATE, GOOD, GOOD]


def test_what_jumps_about_is_never_believed() -> None:
    assert verdicts(Rule(rate_per_s=0.1, noise=0.5), [20.0, 30.0, 40.0, 30.0, 40.0, 30.0])[1:] == [RATE] * 5


def test_time_that_passed_allows_a_change() -> None:
    assert verdicts(Rule(rate_per_s=0.1, noise=0.5), [20.0, NAN, NAN, 20.79], [1, 9, 9, 1])[3] == GOOD
    assert verdicts(Rule(rate_per_s=0.1, noise=0.5), [20.0, 25.0], step_s=46.0)[1] == GOOD


def test_a_value_that_stays_is_suspect_then_fails_and_a_change_clears_it() -> None:
    rule = Rule(step=0.005, flat_s=3.0, fail_s=5.0, flat_n=3)
    said = verdicts(rule, [21.5, 21.5, 21.503, 21.5, 21.5, 21.5, 21.51, 21.51])
    assert said == [GOOD, GOOD, GOOD, FLAT, FLAT, (4, "flat_line"), GOOD, GOOD]


def test_few_samples_are_not_flat_however_long_and_missing_ones_do_not_move_it() -> None:
    rule = Rule(flat_s=10.0, flat_n=4)
    said = verdicts(rule, [1.0, NAN, 1.0, NAN, 1.0, 1.0], [1, 9, 1, 9, 1, 1], step_s=10.0)
    assert [one for one in said if one[0] < 9] == [GOOD, GOOD, GOOD, FLAT]


def pair(values: list[tuple[int, float, float]], most: float = 1.0, for_s: float = 2.0) -> list[Any]:
    """(channel, s, value) through two neighbours."""
    bank = new_bank(2, [Pair(0, 1, most=most, within_s=1.5, for_s=for_s)])
    channel, at_s, value = zip(*values, strict=True)
    flag, test = check(bank, channel, [round(t * S) for t in at_s], value, [1] * len(values))
    return list(zip(flag.tolist(), [TESTS[t] for t in test], strict=True))


def test_neighbours_are_both_suspect_once_they_differ_for_long_enough() -> None:
    both = [(n % 2, n / 2, 20.0 if n % 2 else 20.0 + (3.0 if 4 <= n < 14 else 0.0)) for n in range(18)]
    said = pair(both)
    assert said[:8] == [GOOD] * 8
    assert said[8:14] == [(3, "neighbor")] * 6, "from 2 s on they differ for 2 s"
    assert said[15:] == [GOOD] * 3


def test_how_long_a_pair_differs_begins_anew_after_a_pause_that_is_longer() -> None:
    """Compared at 1 s, then not for an hour: the difference at 3601 s is the first of its own."""
    said = pair(
        [(1, 0.0, 20.0), (0, 1.0, 25.0), (1, 3600.0, 20.0), (0, 3601.0, 25.0), (1, 3602.0, 20.0), (0, 3603.0, 25.0)]
    )
    assert said == [GOOD] * 5 + [(3, "neighbor")]


def test_an_old_neighbour_says_nothing() -> None:
    assert pair([(1, 0.0, 20.0), (0, 1.0, 25.0), (0, 4.0, 25.0), (0, 6.0, 25.0)], for_s=0.0) == [
        GOOD, (3, "neighbor"), GOOD, GOOD,
    ]  # fmt: skip


def test_of_two_neighbours_the_one_with_a_fault_of_its_own_is_blamed_alone() -> None:
    bank = new_bank(2, [Pair(0, 1, most=1.0, within_s=5.0, for_s=0.0)])
    bank.tune(0, Rule(lower=0.0, upper=50.0))
    flag, test = check(bank, [1, 0, 1, 0, 1], [0, S, 2 * S, 3 * S, 4 * S], [20.0, 60.0, 20.0, 20.5, 20.0], [1] * 5)
    assert flag.tolist() == [1, 3, 1, 1, 1] and TESTS[test[1]] == "gross_range"


def test_a_late_sample_moves_nothing() -> None:
    bank = new_bank(1)
    bank.tune(0, Rule(rate_per_s=0.1, noise=0.5, flat_s=1.0))
    check(bank, [0, 0], [10 * S, 11 * S], [20.0, 20.0], [1, 1])
    before = bank.states.copy()
    flag, _ = check(bank, [0, 0], [5 * S, 6 * S], [90.0, NAN], [1, 9])
    assert flag.tolist() == [1, 9] and (bank.states == before).all()


def test_pairs_that_go_on_keep_how_long_they_differ() -> None:
    bank = new_bank(3, [Pair(0, 1, 1.0, 9.0, 5.0)])
    check(bank, [0, 1], [0, S], [20.0, 30.0], [1, 1])
    bank.join([Pair(1, 2, 1.0, 9.0, 5.0), Pair(0, 1, 1.0, 9.0, 5.0)])
    assert check(bank, [0], [6 * S], [20.0], [1])[0].tolist() == [3]


NO_PAIRS = [Pair(0, 0, 1, 1, 1), Pair(0, 2, 1, 1, 1), Pair(-1, 0, 1, 1, 1), Pair(0, 1, NAN, 1, 1)]


@pytest.mark.parametrize("wrong", NO_PAIRS)
def test_pairs_that_are_none_are_refused(wrong: Pair) -> None:
    with pytest.raises(ParameterError, match="expected two of 2 channels"):
        new_bank(2, [wrong])


@pytest.mark.parametrize("wrong", [Rule(lower=1.0, upper=1.0), Rule(rate_per_s=-1.0), Rule(noise=NAN), Rule(flat_s=-1)])
def test_bounds_that_are_none_are_refused(wrong: Rule) -> None:
    with pytest.raises(ParameterError, match="channel 0"):
        new_bank(1).tune(0, wrong)


def test_columns_must_fit() -> None:
    with pytest.raises(ShapeError):
        check(new_bank(1), [0, 0], [0], [1.0], [1])
    with pytest.raises(ShapeError):
        check(new_bank(1), [1], [0], [1.0], [1])


class Reference:
    """The tests of one channel, written from docs/quality.md."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.plausible: tuple[float, float] | None = None
        self.odd: list[tuple[float, float]] = []
        self.last: tuple[float, float] | None = None
        self.run: list[tuple[float, float]] = []

    def near(self, one: tuple[float, float], two: tuple[float, float]) -> bool:
        rate = self.rule.rate_per_s
        change = 0.0 if math.isinf(rate) else rate * (two[0] - one[0])
        return math.isinf(rate) or abs(two[1] - one[1]) <= change + self.rule.noise

    def flag(self, at_s: float, value: float, quality: int) -> int:
        if math.isnan(value):
            return max(quality, 4)
        if quality >= 4:
            return quality
        now, flags = (at_s, value), [quality]
        if not self.rule.lower <= value <= self.rule.upper:
            flags.append(3)
        if self.plausible is None or self.near(self.plausible, now):
            self.plausible, self.odd = now, []
        else:
            self.odd = [*self.odd, now] if self.odd and self.near(self.odd[-1], now) else [now]
            if len(self.odd) == 3:
                self.plausible, self.odd = now, []
            else:
                flags.append(3)
        if not self.run or abs(value - self.run[0][1]) > self.rule.step:
            self.run = []
        self.run.append(now)
        lasted = at_s - self.run[0][0]
        if len(self.run) >= self.rule.flat_n:
            flags += [3] if 0 < self.rule.flat_s <= lasted else []
            flags += [4] if 0 < self.rule.fail_s <= lasted else []
        return max(flags)


RULES = st.builds(
    Rule, lower=st.sampled_from([-math.inf, -3.0]), upper=st.sampled_from([math.inf, 3.0]),
    rate_per_s=st.sampled_from([math.inf, 0.5]), noise=st.sampled_from([0.0, 1.0]), step=st.sampled_from([0.0, 0.25]),
    flat_s=st.sampled_from([0.0, 4.0]), fail_s=st.sampled_from([0.0, 8.0]), flat_n=st.integers(1, 4),
)  # fmt: skip
VALUES, QUALITY = st.sampled_from([-4.0, 0.0, 0.25, 1.0, 2.0, 3.5, NAN]), st.sampled_from([1, 1, 1, 2, 3, 4, 9])
SAMPLES = st.lists(st.tuples(st.integers(0, 6), VALUES, QUALITY), min_size=1, max_size=30)


def in_python(bank: Bank, *columns: Any) -> np.ndarray:
    """As `check`, with every kernel as plain Python."""
    kept = {name: getattr(kernels, name) for name in PARTS}
    index, at, value, quality = (np.asarray(c) for c in columns)
    flag, test = np.empty(index.size, np.uint8), np.empty(index.size, np.uint8)
    try:
        for name, part in kept.items():
            setattr(kernels, name, python_of(part))
        with np.errstate(invalid="ignore"):  # an infinite rate in no time
            kernels.check_kernel(bank.rules, bank.states, bank.pairs, index, at, value, quality, flag, test)
    finally:
        for name, part in kept.items():
            setattr(kernels, name, part)
    return flag


@settings(max_examples=60, deadline=None)
@given(RULES, SAMPLES)
def test_compiled_and_python_agree_with_the_reference(rule: Rule, samples: list[tuple[int, float, int]]) -> None:
    steps, values, quality = zip(*samples, strict=True)
    at_s = np.cumsum(steps)
    banks = [new_bank(1), new_bank(1)]
    for bank in banks:
        bank.tune(0, rule)
    columns = (np.zeros(len(values), np.int64), at_s * S, np.array(values), np.array(quality, np.uint8))
    found, _ = check(banks[0], *columns)
    reference = Reference(rule)
    assert found.tolist() == [reference.flag(*one) for one in zip(at_s.tolist(), values, quality, strict=True)]
    assert in_python(banks[1], *columns).tolist() == found.tolist()


@settings(max_examples=40, deadline=None)
@given(SAMPLES, SAMPLES, st.integers(1, 20))
def test_a_flag_is_never_better_than_the_boards_and_batches_do_not_matter(
    a: list[tuple[int, float, int]], b: list[tuple[int, float, int]], size: int
) -> None:
    rows = [(0, n, *one[1:]) for n, one in enumerate(a)] + [(1, n, *one[1:]) for n, one in enumerate(b)]
    rows.sort(key=lambda row: row[1])
    whole, parts = (new_bank(2, [Pair(0, 1, 1.0, 2.0, 3.0)]) for _ in range(2))
    for bank in (whole, parts):
        bank.tune(0, Rule(lower=-3.0, rate_per_s=0.5, flat_s=4.0))
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns[1] = [t * S for t in columns[1]]
    flag, _ = check(whole, *columns)
    assert (flag >= np.array(columns[3])).all()
    cut = [check(parts, *(c[at : at + size] for c in columns))[0] for at in range(0, len(rows), size)]
    assert np.concatenate(cut).tolist() == flag.tolist()
