"""A runner as bytes and back, for a restart: msgpack of plain arrays, nothing executable in it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from processes.alarms import table
from processes.alarms.actions import Action
from processes.alarms.standing import Shelf, Standing
from processes.errors import FrozenError
from processes.runner import Runner, Snapshot
from processes.samples import ROW

VERSION = 2


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
        if whole["version"] not in (1, VERSION):
            raise FrozenError(f"frozen state has version {whole['version']}, this engine reads 1 to {VERSION}")
        migrated = _from_version_1 if whole["version"] == 1 else dict
        mine = {
            n: b for n, b in whole["runners"].items() if n in runners and b["made_by"] == _digest(runners[n])
        }
        ready = {name: _Parts(migrated(body)) for name, body in mine.items()}
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise FrozenError(f"frozen engine state cannot be read: {error}") from error
    for name, parts in ready.items():
        parts.into(runners[name])
    return sorted(ready)


def _digest(runner: Runner) -> str:
    """Return what a runner's state depends on; how its alarms live may change under way."""
    text = f"{runner.instance.config.model_dump_json(exclude={'alarms', 'people'})}{runner.instance.seed}"
    return hashlib.sha256(text.encode()).hexdigest()


def _put_runner(runner: Runner) -> dict[str, Any]:
    return {
        "made_by": _digest(runner),
        "reached": runner.reached_utc_us,
        "dirty": runner.dirty_utc_us,
        "amended": runner.amended_utc_us,
        "actions": [[place, list(action)] for place, action in runner.actions.placed],
        "known_actions": list(runner.actions.known),
        "counters": runner.counters,
        "tracks": {port: track.all_rows().tobytes() for port, track in runner.tracks.items()},
        "history": [_put_snapshot(s) for s in runner.history],
    }


def _put_snapshot(snapshot: Snapshot) -> list[Any]:
    state = {name: [a.dtype.str, list(a.shape), a.tobytes()] for name, a in snapshot.state.items()}
    return [snapshot.step_utc_us, state, [list(s) for s in snapshot.book.values()]]


def _from_version_1(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body as this version has it; alarms were [key, severity, probability, raised, returned, acked]."""
    acts = [[t, [f"version-1 {key}", "ack", key, t, 0, "", ""]] for key, t in body["acks"].items()]
    history = [[t, state, [_standing_1(*row) for row in book]] for t, state, book in body["history"]]
    return {**body, "history": history, "actions": sorted(acts), "known_actions": [act[0] for _, act in acts]}


def _standing_1(
    key: str, severity: int, probability: float, raised: int, returned: int | None, acked: bool
) -> list[Any]:
    holds = returned is None
    state = (table.ACK if acked else table.UNACK) if holds else table.RETURNED
    since = raised if returned is None else returned
    row = Standing(key, severity, probability, state, raised, returned, condition=holds, since_utc_us=since)
    return list(row._replace(holds=holds))


def _get_standing(row: list[Any]) -> Standing:
    known = Standing(*row)
    shelf = Shelf(*known.shelf) if known.shelf is not None else None
    return known._replace(shelf=shelf, raises=tuple(known.raises))


def _get_array(dtype: str, shape: list[int], data: bytes) -> npt.NDArray[Any]:
    return np.frombuffer(data, np.dtype(dtype)).reshape(shape)


def _get_snapshot(step_utc_us: int, state: dict[str, Any], book: list[Any]) -> Snapshot:
    standing = [_get_standing(s) for s in book]
    return Snapshot(step_utc_us, {k: _get_array(*v) for k, v in state.items()}, {s.key: s for s in standing})


class _Parts:
    """All parts of one runner, read before any is put in place."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.history = [_get_snapshot(*s) for s in body["history"]]
        self.tracks = {port: np.frombuffer(rows, ROW) for port, rows in body["tracks"].items()}
        self.reached, self.dirty = int(body["reached"]), body["dirty"]
        self.amended = int(body.get("amended", 0))  # what 0.1.0 froze lacks it
        self.placed = [(int(place), Action(*action)) for place, action in body["actions"]]
        self.known, self.counters = dict.fromkeys(body["known_actions"]), dict(body["counters"])

    def into(self, runner: Runner) -> None:
        runner.history, runner.reached_utc_us, runner.dirty_utc_us = self.history, self.reached, self.dirty
        runner.amended_utc_us = self.amended
        runner.actions.placed, runner.actions.known = self.placed, self.known
        runner.counters, runner.fault = self.counters, ""
        for port, rows in self.tracks.items():
            runner.tracks[port].rows = rows
        runner.as_told()
