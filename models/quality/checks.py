"""Quality tests of samples, many channels at once: gross range, rate of change, flat line, neighbor.

    bank = new_bank(2, [Pair(0, 1, most=1.0, within_s=5.0, for_s=60.0)])
    bank.tune(0, Rule(rate_per_s=0.1, noise=0.5))
    flag, test = check(bank, index, t_us, value, quality)

Kind: empirical (bounds that somebody declared; no physics of the thing measured).
Valid for: scalars whose range, fastest change, noise and resolution are known. A change that is faster than declared
but real is suspect for two samples, then believed.
Validated against: hand-worked series for each test, and a plain Python reference over random ones.
Source: U.S. IOOS, Manual for Real-Time Quality Control of In-situ Temperature and Salinity Data 2.0 (2016), tests 4
(gross range), 6 (spike), 7 (rate of change), 8 (flat line) and 11 (neighbor); flags: QARTOD flags 1.2 (2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ParameterError, ShapeError
from models.quality.kernels import PAIR, RULE, STATE, U8, Records, check_kernel

TESTS = ("", "sensor", "gross_range", "rate_of_change", "flat_line", "neighbor")
"""Names of the tests, by the numbers that `check` returns; 0 is none, `sensor`: the board said so."""
INF = float("inf")


@dataclass(frozen=True)
class Rule:
    """Bounds of a channel, in its unit; the defaults test nothing.

    Outside [lower, upper]: suspect. `rate_per_s`: fastest change, to which `noise` is added once. A value stays the
    same while it moves no more than `step`; for `flat_s` and `flat_n` samples: suspect, for `fail_s`: fail. 0: never.
    """

    lower: float = -INF
    upper: float = INF
    rate_per_s: float = INF
    noise: float = 0.0
    step: float = 0.0
    flat_s: float = 0.0
    fail_s: float = 0.0
    flat_n: int = 2


@dataclass(frozen=True)
class Pair:
    """Two channels that see the same: suspect when they differ by more than `most` for `for_s`.

    They are compared while the other's newest value is at most `within_s` away.
    """

    a: int
    b: int
    most: float
    within_s: float
    for_s: float


@dataclass
class Bank:
    """Rules and state of n channels, and pairs among them, as structured arrays."""

    rules: Records
    states: Records
    pairs: Records

    @property
    def size(self) -> int:
        """Number of channels."""
        return int(self.rules.size)

    def tune(self, channel: int, rule: Rule) -> None:
        """Give a channel its bounds. Raises: ParameterError for bounds that are none."""
        numbers = (rule.rate_per_s, rule.noise, rule.step, rule.flat_s, rule.fail_s)
        if not rule.lower < rule.upper or not all(number >= 0 for number in numbers):
            raise ParameterError(f"channel {channel}: expected lower < upper and nothing negative, found {rule}")
        spans_us = round(rule.flat_s * 1e6), round(rule.fail_s * 1e6)
        self.rules[channel] = (rule.lower, rule.upper, *numbers[:3], *spans_us, rule.flat_n)

    def forget(self, channel: int) -> None:
        """Begin a channel anew, as after a calibration: nothing is known of it."""
        self.states[channel] = np.zeros((), STATE)

    def join(self, pairs: Sequence[Pair]) -> None:
        """Compare these pairs from now on; how long those differ that it compared before goes on.

        Raises: ParameterError for a pair of one channel, of channels that are not there, or with a negative bound.
        """
        before = {(int(row["a"]), int(row["b"])): row for row in self.pairs}
        found = np.zeros(len(pairs), PAIR)
        for place, pair in enumerate(pairs):
            there = 0 <= pair.a < self.size and 0 <= pair.b < self.size and pair.a != pair.b
            if not there or not min(pair.most, pair.within_s, pair.for_s) >= 0:
                raise ParameterError(f"expected two of {self.size} channels and bounds from 0 on, found {pair}")
            old = before.get((pair.a, pair.b))
            state = (old["apart"], old["since_us"], old["at_us"]) if old is not None else (0, 0, 0)
            found[place] = (pair.a, pair.b, pair.most, round(pair.within_s * 1e6), round(pair.for_s * 1e6), *state)
        self.pairs = found


def new_bank(n_channels: int, pairs: Sequence[Pair] = ()) -> Bank:
    """Return `n_channels` channels that have seen nothing and are tested for nothing but their pairs.

    Raises: ParameterError as `Bank.join`.
    """
    bank = Bank(np.zeros(n_channels, RULE), np.zeros(n_channels, STATE), np.zeros(0, PAIR))
    for channel in range(n_channels):
        bank.tune(channel, Rule())
    bank.join(pairs)
    return bank


def check(
    bank: Bank, channel: npt.ArrayLike, t_us: npt.ArrayLike, value: npt.ArrayLike, quality: npt.ArrayLike
) -> tuple[U8, U8]:
    """Return (flag, test), each (n,) uint8, of samples in the order of their arrival; the bank moves along.

    `quality`: what the board said; a flag is never better. `test`: a place in TESTS, of the test that set the flag.
    Raises: ShapeError.
    """
    index = np.ascontiguousarray(channel, np.int64)
    at = np.ascontiguousarray(t_us, np.int64)
    values = np.ascontiguousarray(value, np.float64)
    told = np.ascontiguousarray(quality, np.uint8)
    _check(bank, index, at, values, told)
    flag, test = np.empty(index.size, np.uint8), np.empty(index.size, np.uint8)
    check_kernel(bank.rules, bank.states, bank.pairs, index, at, values, told, flag, test)
    return flag, test


def _check(bank: Bank, index: npt.NDArray[Any], *columns: npt.NDArray[Any]) -> None:
    if any(c.shape != index.shape for c in columns) or index.ndim != 1:
        raise ShapeError(f"expected {index.size} values in every column, found {[c.shape for c in columns]}")
    if index.size and (index.min() < 0 or index.max() >= bank.size):
        raise ShapeError(f"channel {index.min()}..{index.max()} is outside a bank of {bank.size}")
