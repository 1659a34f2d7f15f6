"""The hands of a guard for one event: the real `Reaction`, over a journal and ports that only take notes."""

from dataclasses import dataclass
from math import nan
from typing import Any, NamedTuple

import msgpack

from edge_node.boards.commands import BoardCommands
from edge_node.reaction.effects import Latch
from edge_node.reaction.reaction import LATCH, Reaction
from protocol.city_link import LeaseState, TaskReport
from protocol.task_codes import SELECTED

STEP_US = 1_000_000
KEY = bytes(range(32))
SEAL = 4
FIRST_STAMP_US = (1 << 30) - STEP_US


class Row(NamedTuple):
    """What is to be written: a task's state or a latch; `told` is who waits for it: a task's intent, or reports."""

    kind: str
    key: Any
    value: Any
    told: Any


@dataclass
class Known:
    """What the node knows of a board: its nonce (-1: never heard), when it started, whether the link is up."""

    nonce: int = -1
    zero: int = 0
    up: bool = False


class Hands:
    """The real hands of the guard for one event, and the surroundings that they need."""

    def __init__(self, part: Any, t: int) -> None:
        self.part, self.t, self.now_us = part, t, t * STEP_US - part.zero
        self.out: list[tuple[Any, ...]] = []
        self.guard, self.counter, self.journal, self.hops = part.guard, part.counter, self, self
        self.boards = {thing: Port(self, thing, known) for thing, known in part.boards.items()}
        self.reaction = Reacting(self, self._tell)  # type: ignore[arg-type]
        self.reaction._bodies = part.bodies

    def react(self, effects: Any) -> None:
        """Carry out what the guard wants."""
        self.reaction.carry_out(effects)

    def now(self) -> int:
        """The node's boottime."""
        return self.now_us

    def submit(self, work: Any, done: Any, failed: Any = None) -> None:
        """Note what is to be written."""
        caught = Caught()
        work(caught)
        latch = self.reaction.latching
        if latch is not None:
            text = caught.words[1][:-SEAL].decode()
            self.part.pending.append(Row("latch", caught.words[0].removeprefix(LATCH), text, latch.after))
            return
        task, state, _, stored = caught.words
        payload, requester, state, code, _, _, stamps, *signature = msgpack.unpackb(stored[:-SEAL])
        counted = any(rule.max_per_min for rule in self.guard.rules.values())
        blob = msgpack.packb([payload, requester, state, code, "", nan, ages(stamps) if counted else {}, *signature])
        self.part.pending.append(Row("task", bytes(task), blob, done is not None))

    def add(self, *_: Any) -> None:
        """No latency is counted."""

    def _tell(self, message: Any) -> bool:
        if isinstance(message, LeaseState):
            self.part.tells(message)
            self.out.append(("lease", message.actuator, message.holder, message.fence, message.until_us))
        elif isinstance(message, TaskReport):
            self.part.says(bytes(message.task_id), message.state)
            if message.state == SELECTED:
                self.part.ruling.selects(self.part.selecting, self.now_us)
            self.out.append(("report", bytes(message.task_id), message.state, message.code, bytes(message.task)))
        return True


class Reacting(Reaction):
    """The real hands; `latching` says which latch is being submitted."""

    latching: Latch | None = None

    def _latch(self, latch: Latch) -> None:
        self.latching = latch
        super()._latch(latch)
        self.latching = None


class Caught:
    """Catches the row that the journal's statement would write; it is its own cursor, too."""

    words: tuple[Any, ...] = ()
    lastrowid = 1

    def execute(self, _: str, words: tuple[Any, ...]) -> "Caught":
        """Keep the first statement's values."""
        self.words = self.words or words
        return self


class Port:
    """A board as the hands see it."""

    def __init__(self, hands: Hands, thing: str, known: Known) -> None:
        self._hands, self._thing, self._known = hands, thing, known
        self.commands = BoardCommands(KEY, hands.part.counter)
        self.session = self.clock = self
        self.hello = None if known.nonce < 0 else self
        self.up = known.up

    @property
    def nonce(self) -> bytes:
        """The nonce that the board said last."""
        return nonce_bytes(self._known.nonce)

    def to_board_us(self, edge_us: int) -> int:
        """Convert by what the board said last."""
        return max(0, edge_us + self._hands.part.zero - self._known.zero * STEP_US + FIRST_STAMP_US)

    def send(self, body: bytes) -> None:
        """A command leaves."""
        self._hands.part.leaves(self._hands, self._thing, bytes(body))

    def flush(self) -> None:
        """It has left."""


def ages(stamps: dict[str, int]) -> dict[str, int]:
    """Return those stamps of a task that say when its command left."""
    return {name: stamps[name] for name in ("edge_rx", "edge_tx") if name in stamps}


def nonce_bytes(number: int) -> bytes:
    """Return the nonce of a board's n-th boot."""
    return b"nonce %02d" % number


def task_id(number: int) -> bytes:
    """Return the id of the n-th task."""
    return (b"task %d" % number).ljust(16, b"\0")


def plain(task: bytes) -> str:
    return task.rstrip(b"\0").decode()
