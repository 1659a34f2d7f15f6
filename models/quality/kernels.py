"""Scalar code of the quality tests: one pass over samples of many channels, in the order in which they came."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.compile import kernel

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Records = npt.NDArray[Any]

SUSPECT, FAIL, MISSING = 3, 4, 9
NONE, SENSOR, GROSS_RANGE, RATE_OF_CHANGE, FLAT_LINE, NEIGHBOR = range(6)
AGREE = 3

RULE = np.dtype(
    [
        ("lower", "f8"), ("upper", "f8"), ("rate", "f8"), ("noise", "f8"), ("step", "f8"),
        ("flat_us", "i8"), ("fail_us", "i8"), ("flat_n", "i8"),
    ]
)  # fmt: skip
"""Of a channel: span, unit/s, what noise may add, what still is the same value, how long it may stay, at least how
many samples that are. flat_us, fail_us 0: never."""
STATE = np.dtype(
    [
        ("seen", "i8"), ("at_us", "i8"), ("value", "f8"), ("known_us", "i8"), ("known", "f8"), ("agree", "i8"),
        ("since_us", "i8"), ("same", "f8"), ("n", "i8"), ("flag", "u1"), ("test", "u1"),
    ]
)  # fmt: skip
"""Of a channel: the newest value; the newest plausible one; how many that are not agree with each other; the value
that stays, since when, how often; what came of the newest sample."""
PAIR = np.dtype(
    [
        ("a", "i8"), ("b", "i8"), ("most", "f8"), ("within_us", "i8"), ("for_us", "i8"),
        ("apart", "i8"), ("since_us", "i8"), ("at_us", "i8"),
    ]
)  # fmt: skip
"""Two channels, the largest difference, how old the other value may be, how long they may differ; whether and since
when they do; when that was last looked at."""


@kernel
def sensor_kernel(value: float, quality: int) -> tuple[int, int]:
    """Return (flag, test) by what the board itself said of a sample."""
    if not np.isfinite(value):
        return max(quality, FAIL), SENSOR
    if quality >= FAIL:
        return quality, GROSS_RANGE
    return quality, (SENSOR if quality >= SUSPECT else NONE)


@kernel
def moved_kernel(rule: Any, before_us: int, before: float, at_us: int, value: float) -> bool:
    """Return whether a value may have come from another one in this time; an infinite rate may in none, too."""
    return not abs(value - before) > rule["rate"] * ((at_us - before_us) * 1e-6) + rule["noise"]  # NaN: inf * 0


@kernel
def rate_kernel(rule: Any, state: Any, at_us: int, value: float) -> bool:
    """Return whether a sample is too far from the last plausible one; some that agree with each other are believed."""
    if state["seen"] != 0 and not moved_kernel(rule, state["known_us"], state["known"], at_us, value):
        agrees = moved_kernel(rule, state["at_us"], state["value"], at_us, value)
        state["agree"] = state["agree"] + 1 if agrees else 1
        if state["agree"] < AGREE:
            return True
    state["known_us"] = at_us
    state["known"] = value
    state["agree"] = 0
    return False


@kernel
def flat_kernel(rule: Any, state: Any, at_us: int, value: float) -> int:
    """Return 0, SUSPECT or FAIL by how long the value has not changed."""
    if state["seen"] == 0 or abs(value - state["same"]) > rule["step"]:
        state["same"] = value
        state["since_us"] = at_us
        state["n"] = 0
    state["n"] += 1
    lasted_us = at_us - state["since_us"]
    if state["n"] < rule["flat_n"]:
        return 0
    if rule["fail_us"] > 0 and lasted_us >= rule["fail_us"]:
        return FAIL
    return SUSPECT if rule["flat_us"] > 0 and lasted_us >= rule["flat_us"] else 0


@kernel
def pair_kernel(pair: Any, other: Any, at_us: int, value: float) -> bool:
    """Return whether a sample differs from the other channel for too long; an old or bad one says nothing."""
    sound = other["seen"] != 0 and (other["flag"] < SUSPECT or other["test"] == NEIGHBOR)
    if not sound or abs(at_us - other["at_us"]) > pair["within_us"]:
        return False
    if abs(value - other["value"]) <= pair["most"]:
        pair["apart"] = 0
        return False
    if pair["apart"] == 0 or abs(at_us - pair["at_us"]) > pair["within_us"] + pair["for_us"]:
        pair["apart"] = 1  # what was not compared for so long may have agreed meanwhile
        pair["since_us"] = at_us
    pair["at_us"] = at_us
    return bool(at_us - pair["since_us"] >= pair["for_us"])


@kernel
def neighbor_kernel(pairs: Records, states: Records, channel: int, at_us: int, value: float) -> bool:
    """Return whether any pair of a channel disagrees."""
    apart = False
    for i in range(pairs.size):
        if pairs[i]["a"] == channel:
            apart |= pair_kernel(pairs[i], states[pairs[i]["b"]], at_us, value)
        elif pairs[i]["b"] == channel:
            apart |= pair_kernel(pairs[i], states[pairs[i]["a"]], at_us, value)
    return apart


@kernel
def check_kernel(
    rules: Records, states: Records, pairs: Records, index: I64, at_us: I64, value: F64, quality: U8,
    flag: U8, test: U8,
) -> None:  # fmt: skip
    """Fill flag and test, each (n,), and move the channels `index` along.

    What the board called bad moves nothing but flag and test. A sample older than its channel's newest is held
    against the span alone and moves nothing.
    """
    for i in range(index.size):
        rule = rules[index[i]]
        state = states[index[i]]
        flag[i], test[i] = sensor_kernel(value[i], quality[i])
        late = state["seen"] != 0 and at_us[i] < state["at_us"]
        if flag[i] < FAIL:
            if not rule["lower"] <= value[i] <= rule["upper"]:
                flag[i], test[i] = SUSPECT, GROSS_RANGE
            if not late:
                if rate_kernel(rule, state, at_us[i], value[i]) and flag[i] < SUSPECT:
                    flag[i], test[i] = SUSPECT, RATE_OF_CHANGE
                flat = flat_kernel(rule, state, at_us[i], value[i])
                if flat > flag[i]:
                    flag[i], test[i] = flat, FLAT_LINE
                if flag[i] < SUSPECT and neighbor_kernel(pairs, states, index[i], at_us[i], value[i]):
                    flag[i], test[i] = SUSPECT, NEIGHBOR
                state["seen"] = 1
                state["at_us"] = at_us[i]
                state["value"] = value[i]
        if not late:
            state["flag"] = flag[i]
            state["test"] = test[i]
