"""The worlds hold to the depth of the gate; the search is no use if it is blind; each planted bug fits the product."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protocol.tasks import OPERATE
from tests.simtest.mutation import Mutation
from tests.simtest.planted import mutated

from .lone import Lone
from .mutations import MUTATIONS
from .parts import Broken, Parts
from .search import Search
from .worlds import PLANS, world

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_no_interleaving_leads_to_harm(plan: Any) -> None:
    searched = world(plan)
    found = Search(searched).run(plan.depth)
    assert not found.broken, "\n".join([found.text, *found.trace])
    assert found.depth == plan.depth or found.complete
    if isinstance(searched, Lone):
        assert searched.done(), "what it is about never came true"
        return
    boards = searched.boards.all_facts()
    assert any(any(board.on) for board in boards) and any(board.did for board in boards), "nothing ever moved"


SILENT = (
    ("ask", 0), ("commit",), ("arrive", 0), ("step", 0), ("pass",), ("step", 0), ("tick",), ("pass",), ("step", 0),
    ("tick",), ("ask", 1), ("commit",),
)  # fmt: skip


def test_a_board_that_moved_and_did_not_answer_keeps_the_other_of_its_set_off() -> None:
    """Deeper than the gate searches: what it found once, step by step."""
    acting: Any = world(next(plan for plan in PLANS if plan.name == "set"))
    at = acting.start()
    for action in SILENT:
        at = acting.after(at, action)
    assert [acting.boards.facts(board).on for board in at.boards] == [(True,), (False,)]
    assert not [message for message in at.down if message[0] == "right" and message[2]], "the other is not commanded"


KILLED = (
    ("order", 0), ("commit",), ("crash", False, False), ("hello", 0), ("lease", 0, "operator"), ("make", 1, OPERATE),
    ("order", 1), ("commit",),
)  # fmt: skip


def test_a_minute_of_commands_goes_on_over_a_kill_of_the_node() -> None:
    """Deeper than the gate searches: the second command in the same minute is refused by the next life, too."""
    acting: Any = world(next(plan for plan in PLANS if plan.name == "rate"))
    at = acting.start()
    at = at._replace(orders=at.orders[:1], left=(1, *at.left[1:]))
    for action in KILLED:
        at = acting.after(at, action)
    assert [message[2].rstrip(b"\0") for message in at.down] == [b"task 0"], "the other never leaves"


def search(*words: str, bug: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "EXHAUSTIVE_MUTANT": bug}
    command = [sys.executable, "-m", "tests.exhaustive", "--jobs", "1", *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_planted_bug_is_told_with_its_shortest_trace_and_the_command_that_finds_it_again() -> None:
    bug = "guard: the command leaves before its intent is durable"
    done = search("--world", "order", "--depth", "4", "--json", bug=bug)
    assert done.returncode == 1, done.stdout + done.stderr
    (row,) = json.loads(done.stdout.splitlines()[-1])
    assert row["broken"] == "intent_after_command" and len(row["trace"]) == row["depth"] == 2
    assert "order VIOLATES intent_after_command" in done.stdout
    assert " 2  order 0 arrives at the edge node" in done.stdout
    assert "again: make exhaustive WORLD=order DEPTH=4" in done.stdout


def test_a_world_that_is_not_there_is_named_with_those_that_are() -> None:
    done = search("--world", "elsewhere")
    assert done.returncode == 1 and "no world is named elsewhere; there are line, " in done.stderr


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_bug_of_the_table_fits_the_product_and_names_a_world(mutation: Mutation) -> None:
    for path, source in mutated(*mutation.edits).items():
        compile(source, path, "exec")
    assert mutation.area in {plan.name for plan in PLANS}


def test_there_are_enough_planted_bugs() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) >= 15


class Lamp:
    """A part: two lamps; three presses break it."""

    def __init__(self) -> None:
        self.presses = 0

    def do(self, event: tuple[Any, ...]) -> tuple[Any, ...]:
        self.presses += 1
        if self.presses == 3:
            raise Broken("burnt", "it was pressed three times")
        return (self.presses,)

    def facts(self) -> int:
        return self.presses


class Lamps:
    """A world of two lamps."""

    name = "lamps"

    def __init__(self) -> None:
        self.parts, self.settled = Parts(), 0

    def start(self) -> tuple[Any, ...]:
        number = self.parts.number(Lamp())
        return number, number

    def actions(self, state: tuple[Any, ...]) -> Any:
        yield from (("press", 0), ("press", 1))

    def after(self, state: tuple[Any, ...], action: tuple[Any, ...]) -> tuple[Any, ...]:
        numbers = list(state)
        numbers[action[1]], _ = self.parts.step(state[action[1]], ("press",))
        return tuple(numbers)

    def settle(self, state: tuple[Any, ...]) -> None:
        self.settled += 1

    def words(self, action: tuple[Any, ...]) -> str:
        return f"press {action[1]}"


def test_each_state_is_counted_once_and_each_local_state_is_run_once() -> None:
    lamps = Lamps()
    found = Search(lamps).run(2)
    assert (found.states, found.transitions, found.widths) == (6, 6, [2, 3])
    assert lamps.settled == 5 and len(lamps.parts) == 3


def test_the_shortest_way_to_what_is_wrong_is_told() -> None:
    found = Search(Lamps()).run(9)
    assert (found.broken, found.depth, found.trace) == ("burnt", 3, ["press 0"] * 3)


def test_memory_is_bounded() -> None:
    found = Search(Lamps(), max_states=3).run(9)
    assert found.states <= 6 and not found.complete and not found.broken
