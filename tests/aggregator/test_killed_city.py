"""The city is killed at each commit of an order's life, before it or after: executed at most once, told as it was."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from guarded_city import GATE, Town, states

from aggregator.store.store import Store, Writes
from aggregator.tasks.book import TaskRecord
from aggregator.tasks.people import People
from aggregator.turns import Turns
from edge_node.reaction.effects import Effect, Latch
from protocol import city_link, tasks
from protocol import task_codes as codes
from service.risk import LOW, Rule

TWO = Rule("high", approvals=2)
NOT_LEFT = {codes.PROPOSED, codes.WAITING, codes.AUTHORISED, codes.EXPIRED, codes.REFUSED}
SHOWN = {codes.DONE, codes.OBSERVED}


class Killed(BaseException):
    """Here the process ends."""


class Dying:
    """A store whose process ends at its `at`-th commit of tasks: `before` anything is on disk, or once all is."""

    def __init__(self, store: Store, at: int, before: bool) -> None:
        self.store, self.at, self.before, self.commits = store, at, before, 0

    async def commit(self, writes: Writes) -> None:
        self.commits += bool(writes.tasks)
        mine = bool(writes.tasks) and self.commits == self.at
        if mine and self.before:
            raise Killed
        await self.store.commit(writes)
        if mine:
            raise Killed


class Life(Town):
    """A town whose city takes real turns over its own disk, and whose people get answers once they are durable."""

    def __init__(self, kit: Any, folder: Path, rule: Rule, at: int, before: bool) -> None:
        self.loop, self.folder, self.executed = asyncio.new_event_loop(), folder, Counter[bytes]()
        self.answered: dict[bytes, int] = {}
        self.dying: Any = Dying(Store(folder / "city"), at, before)
        self.turned: Any = None
        super().__init__(kit, self.dying.store, rule)

    def _turn(self, said: list[Any]) -> list[Any]:
        if self.turned is not self.city:
            self.turned, self.turns = self.city, Turns(self.city, self.dying, self._leaves, lambda: self.moment)
        self.out: list[Any] = []
        received = [self.kit.received("edge-1", *city_link.encode(message)) for message in said]
        try:
            self.loop.run_until_complete(self.turns.turn(received))
        except Killed:
            self._take(self.out)  # what had left before it died arrives all the same
            raise
        return self.out

    def _leaves(self, _: bytes, parts: list[bytes]) -> bool:
        self.out.append(("edge-1", city_link.decode(parts)))
        return True

    def _act(self, task: tasks.Task) -> None:
        self.executed[task.task_id] += 1
        super()._act(task)

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Latch):
                self.executed.update(report.task_id for report in effect.after)
        super()._do(effects)

    def person(self, asks: Callable[[People], TaskRecord]) -> TaskRecord:
        """A person asks; the answer is there once it is durable."""
        record = asks(self.people)
        self.loop.run_until_complete(self.dying.commit(Writes(tasks=[record])))
        self.answered[record.task.task_id] = record.state
        return record

    def asks(self) -> TaskRecord:
        return self.person(lambda _: self.ask())

    def begin_again(self) -> None:
        """Start from a copy of what the disk holds at this moment."""
        self.dying.store.close()
        self.dying = Dying(Store(self.folder / "left"), 0, False)
        self.store = self.dying.store
        self.kill()

    def known(self) -> dict[bytes, TaskRecord]:
        return self.city.dispatcher.book.by_id

    def close(self) -> None:
        self.dying.store.close()
        self.loop.close()


def plain(life: Life) -> None:
    life.asks()
    life.run(1500)


def approved(life: Life) -> None:
    record = life.asks()
    life.run(300)
    life.person(lambda people: people.approve("ben", record.task.task_id, life.moment))
    life.run(1500)


def given_up(life: Life) -> None:
    record = life.asks()
    life.run(300)
    life.person(lambda people: people.cancel("anna", record.task.task_id, "a boat", life.moment))
    life.run(500)


def taken_back(life: Life) -> None:
    record = life.asks()
    life.run(1000)
    life.person(lambda people: people.cancel("anna", record.task.task_id, "a boat", life.moment))
    life.run(500)


def tripped(life: Life) -> None:
    for verb, nonce in ((tasks.TRIP, "t"), (tasks.RESET, "r")):
        life.person(lambda people, v=verb, n=nonce: people.latch("anna", v, GATE, "a boat", n, life.moment))
        life.run(600)


LIVES = [
    (plain, LOW, 4), (approved, TWO, 6), (plain, Rule(hazardous=True), 4), (given_up, TWO, 4), (taken_back, LOW, 5),
    (tripped, LOW, 6),
]  # fmt: skip


def die(kit: Any, folder: Path, script: Callable[[Life], None], rule: Rule, at: int, before: bool) -> tuple[Life, bool]:
    """Return a life in which the city was killed at a commit and began again, and whether it came to that."""
    life = Life(kit, folder, rule, at, before)
    try:
        script(life)
    except Killed:
        shutil.copytree(folder / "city", folder / "left")
        life.begin_again()
        return life, True
    return life, False


def check_after_the_start(life: Life, when: str) -> None:
    """What is told right after the start is not better known than it is."""
    known = life.known()
    for order in (order for order in life.orders if order.verb not in (tasks.SELECT, tasks.CANCEL)):
        state = known[order.task_id].state
        assert state not in NOT_LEFT, f"{when}: it had left, and is told to be {codes.STATES[state]}"
    for task_id, state in life.answered.items():
        assert task_id in known, f"{when}: a person was told of it, and it is forgotten"
        assert state != codes.CANCELLED or known[task_id].state == codes.CANCELLED, f"{when}: it was taken back"
    for record in known.values():
        assert record.state != codes.DISPATCHED, f"{when}: nobody knows whether it left"
        assert record.state not in SHOWN or life.executed[record.task.task_id], f"{when}: {states(record)}"


def check_in_the_end(life: Life, when: str) -> None:
    """Executed at most once, and known by what its guard says."""
    assert all(n == 1 for n in life.executed.values()), f"{when}: executed {sorted(life.executed.values())} times"
    assert set(life.executed) <= set(life.known()), f"{when}: executed, and not known"
    for task_id, record in life.known().items():
        ended = states(record)[-1]
        if life.executed[task_id]:
            assert record.state in {*SHOWN, codes.CANCELLED}, f"{when}: executed, and told to be {ended}"
        else:
            assert record.state not in SHOWN, f"{when}: told to be {ended}, and nothing moved"
            assert not record.is_open or record.state == codes.WAITING, f"{when}: still {ended}"


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(("script", "rule", "commits"), LIVES, ids=lambda one: getattr(one, "__name__", ""))
def test_killed_at_each_commit(
    kit: Any, tmp_path: Path, script: Callable[[Life], None], rule: Rule, commits: int, before: bool
) -> None:
    at, killed = 0, True
    while killed:
        at += 1
        life, killed = die(kit, tmp_path / str(at), script, rule, at, before)
        when = f"{'before' if before else 'after'} commit {at}"
        if killed:
            check_after_the_start(life, when)
            life.run(9000)
        check_in_the_end(life, when)
        life.close()
    assert at - 1 == commits, "as many as there are"
