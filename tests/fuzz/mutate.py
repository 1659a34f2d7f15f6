"""Changes one value inside a msgpack: what bytes flipped at random hardly ever do without breaking its frame."""

import random
import struct
from typing import Any

import msgpack

VALUES = [
    None, True, False, 0, 1, -1, 15, 16, 127, 128, 255, 256, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1,
    -(2**63), 0.0, -1.5, 1e300, float("inf"), float("nan"), "", "x", "x" * 64, "x" * 65, "\0", "é", b"", b"\0" * 6,
    b"\0" * 8, b"\0" * 16, b"\0" * 32, b"k" * 40, b"\0" * 64, [], [0, 1], [[0, 1]] * 9, {}, {"a": 1}, [[[[[]]]]],
]  # fmt: skip


def change(data: bytes, at: int, longest: int, seed: int) -> bytes:
    """Return `data` with one value changed in the msgpack that begins at `at`; as it was if there is none."""
    rng = random.Random(seed)
    unpacker = msgpack.Unpacker(strict_map_key=False, max_ext_len=0)
    unpacker.feed(data[at:])
    try:
        value = unpacker.unpack()
        tail = data[at + unpacker.tell() :]
        changed = data[:at] + msgpack.packb(_changed(value, rng), use_single_float=rng.random() < 0.5) + tail
    except (ValueError, TypeError, OverflowError, struct.error, msgpack.UnpackException, RecursionError):
        return data
    return changed if len(changed) <= longest else data


def _changed(value: Any, rng: random.Random) -> Any:
    """Go down at random, then replace, drop, double or add."""
    if isinstance(value, list) and value and rng.random() < 0.85:
        return _changed_list(list(value), rng)
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        return {**value, rng.choice([key, "later"]): _changed(value[key], rng)}
    if isinstance(value, int) and rng.random() < 0.5:
        return value + rng.choice([-1, 1, 256, -256])
    if isinstance(value, bytes | str) and rng.random() < 0.3:
        return value + value[:1]
    return rng.choice(VALUES)


def _changed_list(items: list[Any], rng: random.Random) -> list[Any]:
    at, what = rng.randrange(len(items)), rng.random()
    if what < 0.7:
        items[at] = _changed(items[at], rng)
    elif what < 0.8:
        del items[at]
    elif what < 0.9:
        items.append(rng.choice(VALUES))
    else:
        items += items[at : at + 1] * rng.choice([1, 8, 17])
    return items
