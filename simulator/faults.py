"""Faults on demand: one JSON object per line on the Unix socket `<run>/faults.sock`, one line back.

See docs/simulator.md for the list. `send` is the client.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from simulator.board import RUN_PIN
from simulator.pulses import PulseMaker
from simulator.wiring import WiredBoard, WiredChip, unit_number

Fault = dict[str, Any]
MAX_LINE = 65536


class FaultBench:
    """Applies faults to the boards of a run."""

    def __init__(self, boards: dict[str, WiredBoard], world: Any) -> None:
        self._boards = boards
        self._world = world
        self._kinds: dict[str, Callable[[WiredBoard, Fault], None]] = {
            "silent": self._sensor_dead,
            "nack": self._sensor_dead,
            "sda_low": lambda board, fault: self._stick(board, fault, "sda_stuck"),
            "scl_low": lambda board, fault: self._stick(board, fault, "scl_stuck"),
            "cut_link": lambda board, _: self._cut(board, True),
            "noise": self._noise,
            "garbage": self._garbage,
            "unplug": lambda board, _: board.unplug(),
            "plug": lambda board, _: board.plug(),
            "reset_board": lambda board, _: board.board.reset(),
            "run_pin": lambda board, _: board.board.reset(RUN_PIN),
            "power_off": lambda board, _: board.board.power_off(),
            "power_on": lambda board, _: board.power_on(),
        }

    def apply(self, fault: Fault) -> Fault:
        """Do what a fault says; the answer has `ok`, and `error` when it could not be done."""
        try:
            return {"ok": True, **self._apply(fault)}
        except (KeyError, ValueError, TypeError, IndexError) as error:
            return {"ok": False, "error": str(error.args[0] if error.args else error)}

    def _apply(self, fault: Fault) -> Fault:
        kind = fault.get("fault")
        if kind == "status":
            return {"boards": {thing: board.counters() for thing, board in self._boards.items()}}
        if kind == "clear":
            self._clear(fault.get("thing"))
        elif kind == "jam":
            self._world.gate.jammed = bool(fault.get("on", True))
        elif kind in self._kinds:
            self._kinds[kind](self._board(fault), fault)
        else:
            raise ValueError(f"unknown fault {kind!r}: {[*self._kinds, 'jam', 'clear', 'status']}")
        return {}

    def _board(self, fault: Fault) -> WiredBoard:
        thing = fault.get("thing", "")
        if thing not in self._boards:
            raise KeyError(f"no board {thing!r}: {list(self._boards)}")
        return self._boards[thing]

    def _sensor_dead(self, board: WiredBoard, fault: Fault) -> None:
        _set_dead(board.sensor(fault["sensor"]), True)

    def _stick(self, board: WiredBoard, fault: Fault, line: str) -> None:
        setattr(board.io.i2c[unit_number(fault.get("bus", "i2c0"))], line, True)

    def _cut(self, board: WiredBoard, cut: bool) -> None:
        board.link.to_board.cut = board.link.from_board.cut = cut

    def _noise(self, board: WiredBoard, fault: Fault) -> None:
        share = float(fault.get("share", 0.002))
        if not 0 <= share <= 1:
            raise ValueError(f"share must be within 0..1, found {share}")
        board.link.to_board.noise = board.link.from_board.noise = share

    def _garbage(self, board: WiredBoard, fault: Fault) -> None:
        data = bytes.fromhex(fault["hex"])
        if fault.get("to", "host") == "board":
            board.link.send(data)
        else:
            board.link.babble(data)

    def _clear(self, thing: str | None) -> None:
        for name, board in self._boards.items():
            if thing in (None, name):
                _clear_board(board)
        if thing is None and hasattr(self._world, "gate"):
            self._world.gate.jammed = False


def _clear_board(board: WiredBoard) -> None:
    sensors: list[WiredChip | PulseMaker] = [*board.chips, *board.pulses]
    for sensor in sensors:
        _set_dead(sensor, False)
    for bus in board.io.i2c.values():
        bus.sda_stuck = bus.scl_stuck = False
    for line in (board.link.to_board, board.link.from_board):
        line.cut, line.noise = False, 0.0
    board.plug()


def _set_dead(sensor: WiredChip | PulseMaker, dead: bool) -> None:
    if isinstance(sensor, PulseMaker):
        sensor.broken = dead
    elif sensor.place.uart:
        sensor.chip.silent = dead
    else:
        sensor.chip.unplugged = dead


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for a socket path that fits the 108 bytes of a Unix address, however deep the folder lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Bench(Protocol):
    """Whoever applies faults."""

    def apply(self, fault: Fault) -> Fault:
        """Do what a fault says; the answer has `ok`, and `error` when it could not be done."""


async def serve(path: Path, bench: Bench) -> asyncio.Server:
    """A server that applies one fault per line."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(_answer(bench, line)).encode() + b"\n")
            await writer.drain()
        writer.close()

    path.unlink(missing_ok=True)
    with short_path(path) as name:
        server = await asyncio.start_unix_server(client, name, limit=MAX_LINE)
    path.chmod(0o600)
    return server


def _answer(bench: Bench, line: bytes) -> Fault:
    try:
        fault = json.loads(line)
    except ValueError as error:
        return {"ok": False, "error": f"not JSON: {error}"}
    return bench.apply(fault) if isinstance(fault, dict) else {"ok": False, "error": "expected a JSON object"}


def send(path: Path | str, fault: Fault, timeout_s: float = 10.0) -> Fault:
    """The answer to one fault. Raises: OSError when nothing listens at the path."""
    with socket.socket(socket.AF_UNIX) as client, short_path(Path(path)) as name:
        client.settimeout(timeout_s)
        client.connect(name)
        client.sendall(json.dumps(fault).encode() + b"\n")
        with client.makefile("rb") as answers:
            answer: Fault = json.loads(answers.readline())
    return answer
