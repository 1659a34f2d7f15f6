"""A world of one board and its line: genuine commands in any order, late, often or never, forged ones, lost power.

The host knows the board's nonce as of its last hello, and gives each command the next counter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from edge_node.boards.commands import BoardCommands, CommandCounter

from .acting import CALM_STEPS
from .board import BoardPart
from .hands import FIRST_STAMP_US, KEY, STEP_US, nonce_bytes, task_id
from .parts import Broken, Parts
from .plans import forged
from .search import Action

LEASE_MS = 2000
START_US = 1_500_000


class Command(NamedTuple):
    """What the host may want: of an output, a setpoint (None: its lease renewed), for how long."""

    index: int
    setpoint: float | None
    lease_ms: int


class Sent(NamedTuple):
    """A command on the line."""

    body: bytes
    task: bytes
    counter: int
    deadline_us: int


class On(NamedTuple):
    """A state. `known`: nonce and start that the host knows; `made`: which commands were made."""

    t: int
    board: int
    known: tuple[int, int]
    sent: tuple[Sent, ...]
    made: tuple[int, ...]
    left: int
    stepped: bool = False


@dataclass(frozen=True)
class LinePlan:
    """A board with its outputs, and what the host may want, each once."""

    name: str
    text: str
    names: tuple[str, ...]
    commands: tuple[Command, ...]
    steps: int
    restarts: int = 0
    silence: bool = False
    depth: int = 8


@cache
def sent(command: Command, number: int, counter: int, known: tuple[int, int], t: int) -> Sent:
    """Return a command as the edge node writes it."""
    commands = BoardCommands(KEY, CommandCounter(counter, counter + 1))
    nonce, until_us = nonce_bytes(known[0]), t * STEP_US + START_US
    if command.setpoint is None:
        return Sent(commands.lease(nonce, command.index, command.lease_ms), b"", counter, 0)
    local_us = until_us - known[1] * STEP_US + FIRST_STAMP_US
    body = commands.task(nonce, task_id(number), command.index, command.setpoint, local_us, command.lease_ms)
    return Sent(body, task_id(number), counter, until_us)


class Line:
    """The world of a plan."""

    def __init__(self, plan: LinePlan) -> None:
        self.plan, self.name = plan, plan.name
        self.boards, self.edges = Parts(), Parts()
        self._calm: set[tuple[int, int]] = set()

    def start(self) -> On:
        """Return the first state: the board has said hello."""
        lease_ms = 9000 if self.plan.silence else LEASE_MS
        board = self.boards.number(BoardPart("board", list(self.plan.names), lease_ms))
        on = self._hello(On(0, board, (0, 0), (), (), self.plan.restarts))
        return self._step(on)

    def actions(self, on: On) -> Iterator[Action]:
        """Return what may happen now."""
        facts = self.boards.facts(on.board)
        yield from (("arrive", n) for n in range(len(on.sent)))
        if not facts.idle and not on.stepped:
            yield ("step",)
            return
        if on.t < self.plan.steps:
            yield ("pass",)
        yield from (("make", n) for n in range(len(self.plan.commands)) if n not in on.made)
        yield from (("forged", n) for n, message in enumerate(on.sent) if message.task)
        if on.left:
            yield ("restart",)
        if facts.nonce != on.known[0]:
            yield ("hello",)

    def after(self, on: On, action: Action) -> On:
        """Return the state after an action. Raises: Broken."""
        return getattr(self, f"_{action[0]}")(on, *action[1:])

    def _board(self, on: On, name: str, *words: Any) -> On:
        number, _ = self.boards.step(on.board, (name, on.t, *words))
        return on._replace(board=number, stepped=name == "step")

    def _pass(self, on: On) -> On:
        return on._replace(t=on.t + 1, stepped=False)

    def _step(self, on: On) -> On:
        return self._board(on, "step")

    def _make(self, on: On, n: int) -> On:
        message = sent(self.plan.commands[n], n, len(on.made), on.known, on.t)
        return on._replace(sent=(*on.sent, message), made=(*on.made, n))

    def _arrive(self, on: On, n: int) -> On:
        message = on.sent[n]
        return self._board(on, "command", message.body, message.task, message.counter, message.deadline_us)

    def _forged(self, on: On, n: int) -> On:
        message = on.sent[n]
        return self._board(on, "command", forged(message.body), message.task, message.counter, message.deadline_us)

    def _restart(self, on: On) -> On:
        return self._board(on._replace(left=on.left - 1), "restart", on.t)

    def _hello(self, on: On) -> On:
        on = self._board(on, "hello")
        facts = self.boards.facts(on.board)
        return on._replace(known=(facts.nonce, facts.zero))

    def settle(self, on: On) -> None:
        """Nothing arrives any more: by the end of its lease every output is off. Raises: Broken."""
        passed = []
        for _ in range(CALM_STEPS):
            key = on.t, on.board
            if key in self._calm or not any(self.boards.facts(on.board).on):
                break
            passed.append(key)
            on = self._step(self._pass(on))
        else:
            raise Broken("not_at_rest", f"nothing came for {CALM_STEPS} s and an output is on")
        self._calm.update(passed)

    def words(self, action: Action) -> str:
        """Return what happens, for people."""
        kind, *words = action
        if kind == "make":
            command = self.plan.commands[words[0]]
            name = self.plan.names[command.index]
            renews = command.setpoint is None
            what = f"renews the lease of {name}" if renews else f"commands {name} to {command.setpoint:g}"
            return f"the host {what} for {command.lease_ms} ms (task {words[0]})"
        texts = {
            "pass": "a second passes", "step": "the board does what is due",
            "arrive": "command {0} on the line arrives",
            "forged": "a forged copy of command {0} arrives", "restart": "the board loses power and starts",
            "hello": "the board says hello",
        }  # fmt: skip
        return texts[kind].format(*words)
