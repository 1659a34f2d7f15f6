"""Checks of decoded fields, so that every refusal names the field, what was expected and found. CPython."""

import math
from collections.abc import Iterable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from .errors import FrameError, LimitError

MAX_U32 = 0xFFFFFFFF
MAX_I64 = 2**63 - 1
MAX_NAME = 64


def refuse(field: str, expected: str, found: Any) -> FrameError:
    """Return the error to raise for one field; long values are cut."""
    text = repr(found)
    return FrameError(f"{field}: expected {expected}, found {text[:60]}{'...' if len(text) > 60 else ''}")


def integer(field: str, value: Any, low: int = 0, high: int = MAX_I64) -> int:
    """Return `value` if it is an integer in [low, high]."""
    if type(value) is not int or not low <= value <= high:
        raise refuse(field, f"an integer from {low} to {high}", value)
    return value


def number(field: str, value: Any) -> float:
    """Return `value` as float if it is a finite number."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise refuse(field, "a finite number", value)
    return float(value)


def position(field: str, value: Any) -> float:
    """Return `value` if it is a number; NaN means that no feedback was read."""
    if type(value) not in (int, float) or math.isinf(value):
        raise refuse(field, "a number or NaN", value)
    return float(value)


def text(field: str, value: Any, longest: int = MAX_NAME, shortest: int = 0) -> str:
    """Return `value` if it is text of at least `shortest` and at most `longest` characters."""
    if type(value) is not str or not shortest <= len(value) <= longest:
        raise refuse(field, f"text of {shortest} to {longest} characters", value)
    return value


def name(field: str, value: Any) -> str:
    """Return `value` if it is text of 1 to 64 characters."""
    return text(field, value, MAX_NAME, 1)


def binary(field: str, value: Any, size: int = -1, longest: int = MAX_U32) -> bytes:
    """Return `value` if it is bytes, `size` long when given, else at most `longest`."""
    if type(value) is not bytes or (size >= 0 and len(value) != size) or len(value) > longest:
        raise refuse(field, f"{size} bytes" if size >= 0 else f"up to {longest} bytes", value)
    return value


def boolean(field: str, value: Any) -> bool:
    """Return `value` if it is true or false."""
    if type(value) is not bool:
        raise refuse(field, "true or false", value)
    return value


def array(field: str, value: Any, longest: int, size: int = -1) -> list[Any]:
    """Return `value` if it is a list, `size` long when given, else at most `longest`."""
    if type(value) is not list or not (len(value) == size if size >= 0 else len(value) <= longest):
        raise refuse(field, f"an array of {size if size >= 0 else f'up to {longest}'} items", value)
    return value


def mapping(field: str, value: Any, longest: int = 256) -> dict[str, Any]:
    """Return `value` if it is a map of at most `longest` pairs whose keys are text."""
    if type(value) is not dict or len(value) > longest or any(type(key) is not str for key in value):
        raise refuse(field, f"a map of up to {longest} named values", value)
    return value


def span(field: str, value: Any, high: int = MAX_U32) -> tuple[int, int]:
    """Return `value` as (first, end) if it is a half-open range."""
    first, end = array(field, value, 2, 2)
    integer(field, end, 0, high)
    return integer(field, first, 0, end), end


def stamps(field: str, value: Any) -> dict[str, int]:
    """Return `value` if it is a map of hop name to time in nanoseconds, at most 16 hops."""
    for hop, time_ns in mapping(field, value, 16).items():
        name(field, hop)
        integer(f"{field}.{hop}", time_ns)
    return dict(value)


def _unique(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the pairs as a dict with text keys; msgpack would let the last of two equal keys win."""
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if type(key) is not str:
            raise FrameError("msgpack: a map key is not text")
        if key in found:
            raise FrameError(f"msgpack: duplicate key {key!r}")
        found[key] = value
    return found


def _no_ext(code: int, _: bytes) -> Any:
    """Refuse ext types; `max_ext_len` alone lets empty ones through."""
    raise FrameError(f"msgpack: ext type {code} is not in our subset")


def _bounded(value: Any, max_depth: int, max_items: int) -> None:
    """Refuse values nested deeper or larger than agreed; walks without recursion."""
    containers, items = [value], 0
    for _ in range(max_depth):
        level = [child for parent in containers for child in _children(parent)]
        items += len(level)
        if items > max_items:
            raise LimitError(f"msgpack: more than {max_items} values")
        containers = [child for child in level if type(child) in (list, dict)]
        if not containers:
            return
    raise LimitError(f"msgpack: nested deeper than {max_depth}")


def _children(value: Any) -> Iterable[Any]:
    """Return what a container holds; nothing for anything else."""
    if type(value) is list:
        return value
    return value.values() if type(value) is dict else ()


def unpack(data: bytes, max_bytes: int, max_depth: int = 8, max_items: int = 8192) -> Any:
    """Return the one msgpack value in `data`.

    Raises:
        LimitError: longer, deeper or more values than the limits.
        FrameError: malformed, trailing bytes, keys that are duplicate or no text, ext types.
    """
    if len(data) > max_bytes:
        raise LimitError(f"msgpack: {len(data)} bytes, at most {max_bytes} allowed")
    try:
        value = msgpack.unpackb(
            data,
            object_pairs_hook=_unique,
            ext_hook=_no_ext,
            strict_map_key=False,
            max_ext_len=0,
            max_array_len=max_items,
            max_map_len=max_items,
        )
    except FrameError:
        raise
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise FrameError(f"msgpack: {error or type(error).__name__}") from error
    _bounded(value, max_depth, max_items)
    return value
