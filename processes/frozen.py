"""A runner as bytes and back, for a restart: msgpack of plain arrays, nothing executable in it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from processes.alarms import Standing
from processes.errors import FrozenError
from processes.runner import Runner, Snapshot
from processes.samples import ROW

VERSION = 1


def freeze(runners: Mapping[str, Runner]) -> bytes:
    """Return the runners' states, samples within lateness, alarms and counters as bytes."""
    body = {name: _put_runner(runner) for name, runner in runners.items() if runner.history}
    packed: bytes = msgpack.packb({"version": VERSION, "runners": body})
    return packed


def thaw(data: bytes, runners: Mapping[str, Runner]) -> list[str]:
    """Bring runners back to where they were; return the names of those that were.

    A runner whose process file changed since starts afresh. Raises: FrozenError if the bytes make no sense.
    """
    try:
        whole = msgpack.unpackb(data)
        if whole["version"] != VERSION:
            raise FrozenError(f"frozen state has version {whole['version']}, this engine reads {VERSION}")
        mine = {
            n: b for n, b in whole["runners"].items() if n in runners and b["made_by"] == _digest(runners[n])
        }
        ready = {name: _Parts(body) for name, body in mine.items()}
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise FrozenError(f"frozen engine state cannot be read: {error}") from error
    for name, parts in ready.items():
        parts.into(runners[name])
    return sorted(ready)


def _digest(runner: Runner) -> str:
    text = f"{runner.instance.config.model_dump_json()}{runner.instance.seed}"
    return hashlib.sha256(text.encode()).hexdigest()


def _put_runner(runner: Runner) -> dict[str, Any]:
    return {
        "made_by": _digest(runner),
        "reached": runner.reached_utc_us,
        "dirty": runner.dirty_utc_us,
        "acks": runner.acks,
        "counters": runner.counters,
        "tracks": {port: track.all_rows().tobytes() for port, track in runner.tracks.items()},
        "history": [_put_snapshot(s) for s in runner.history],
    }


def _put_snapshot(snapshot: Snapshot) -> list[Any]:
    state = {name: [a.dtype.str, list(a.shape), a.tobytes()] for name, a in snapshot.state.items()}
    return [snapshot.step_utc_us, state, [list(s) for s in snapshot.book.values()]]


def _get_array(dtype: str, shape: list[int], data: bytes) -> npt.NDArray[Any]:
    return np.frombuffer(data, np.dtype(dtype)).reshape(shape)


def _get_snapshot(step_utc_us: int, state: dict[str, Any], book: list[Any]) -> Snapshot:
    standing = [Standing(*s) for s in book]
    return Snapshot(step_utc_us, {k: _get_array(*v) for k, v in state.items()}, {s.key: s for s in standing})


class _Parts:
    """All parts of one runner, read before any is put in place."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.history = [_get_snapshot(*s) for s in body["history"]]
        self.tracks = {port: np.frombuffer(rows, ROW) for port, rows in body["tracks"].items()}
        self.reached, self.dirty = int(body["reached"]), body["dirty"]
        self.acks, self.counters = dict(body["acks"]), dict(body["counters"])

    def into(self, runner: Runner) -> None:
        runner.history, runner.reached_utc_us, runner.dirty_utc_us = self.history, self.reached, self.dirty
        runner.acks, runner.counters, runner.fault = self.acks, self.counters, ""
        for port, rows in self.tracks.items():
            runner.tracks[port].rows = rows
