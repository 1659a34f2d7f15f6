"""What an edge node does when the city comes back from a backup: asks, resends, takes again, declares; in any order."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.city.reconcile import FIRST_RETRY_US, MAX_RETRY_US, WINDOW, Asks, plan
from edge_node.journal.quota import Limits
from protocol.city_link import GapRecord, Stored
from protocol.ranges import Ranges

from .journal_desk import BOOT, Desk, reopened

KEY = ("river-1", BOOT)
SETS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6).map(Ranges)


@settings(deadline=None)
@given(SETS, SETS, SETS, SETS, SETS, SETS)
def test_each_forgotten_sample_is_sent_again_taken_again_or_declared(
    acked: Ranges, have: Ranges, received: Ranges, explained: Ranges, kept: Ranges, ring: Ranges
) -> None:
    acked = acked.intersection(received)
    made = plan(acked, have, received, explained, kept, ring)
    forgotten = acked.difference(have).difference(explained)
    parts = (made.again, made.recall, made.declare)
    assert made.again.union(made.recall).union(made.declare) == forgotten
    assert sum(part.total() for part in parts) == forgotten.total(), "each once"
    assert not made.again.difference(kept) and not made.declare.intersection(kept)
    assert not made.recall.difference(ring) and not made.declare.intersection(ring)
    assert made.acked == have.intersection(received), "what the city has counts as acked, nothing else does"


def part(at: int, parts: int, ranges: list, gaps: list | None = None, boot: str = BOOT) -> Stored:
    return Stored("river-1", boot, 1, ranges, gaps or [], at, parts)


def test_questions_are_asked_a_few_at_a_time_and_again_until_answered() -> None:
    asks, keys = Asks(), [("river-1", f"b-{i}") for i in range(20)]
    asks.begin(keys)
    assert asks.due(0) == keys[:WINDOW] and asks.due(1) == []
    assert asks.due(FIRST_RETRY_US) == keys[:WINDOW]
    assert asks.due(2 * FIRST_RETRY_US) == [], "later and later"
    assert asks.answer(part(0, 1, [], boot="b-0")) is not None
    asks.done(keys[0])
    assert asks.due(2 * FIRST_RETRY_US + 1) == [keys[WINDOW]] and asks.left == 19
    waits = [now for now in range(0, 10**9, 10**6) if keys[1] in asks.due(now)]
    assert max(b - a for a, b in pairwise(waits)) <= MAX_RETRY_US + 10**6


def test_an_answer_is_whole_only_with_all_parts_of_one_telling() -> None:
    asks = Asks()
    asks.begin([KEY])
    asks.due(0)
    assert asks.answer(part(1, 2, [(5, 6)])) is None, "its first part was lost"
    assert asks.answer(part(0, 2, [(0, 3)], [7])) is None
    assert asks.answer(part(0, 3, [(0, 2)], [7])) is None, "told anew, in other parts"
    assert asks.answer(part(1, 2, [(3, 6)])) is None, "and this belongs to the first telling"
    for at in range(2):
        assert asks.answer(part(at, 3, [(2 * at, 2 * at + 1)], [7])) is None
    ranges, gaps = asks.answer(part(2, 3, [(4, 5)], [8])) or (None, None)
    assert ranges == Ranges([(0, 1), (2, 3), (4, 5)]) and gaps == {7, 8}
    assert asks.answer(part(0, 1, [])) is None, "it was answered"


class City:
    """What a city has of the stream; `restore` takes it back in time."""

    def __init__(self) -> None:
        self.has, self.gaps, self.epoch = Ranges(), {}, 0

    def take(self, desk: Desk, first: int, end: int) -> None:
        """Store what is pending of [first, end) and ack it."""
        for pending in desk.pending():
            spans = Ranges([(pending.first, pending.end)]).clip(first, end).to_list()
            self.has = self.has.union(Ranges(spans))
            desk.journal.city_has(*KEY, spans, [])
        desk.settle()

    def take_gaps(self, desk: Desk) -> None:
        for gap in desk.journal.gaps_to_tell():
            self.gaps[gap.gap_id] = gap
            desk.journal.told(gap)
            desk.journal.city_has(gap.thing, gap.boot, [], [gap.gap_id])
        desk.settle()

    def restore(self, has: Ranges, gaps: dict) -> None:
        self.has, self.gaps, self.epoch = has, gaps, self.epoch + 1

    def raise_epoch(self, desk: Desk) -> None:
        desk.journal.raise_epoch(self.epoch, lambda: None, fail)
        desk.settle()

    def tell(self, desk: Desk) -> list:
        made: list = []
        for key in desk.journal.streams.unreconciled():
            desk.journal.reconcile(key, (self.has.copy(), set(self.gaps)), made.append, fail)
        desk.settle()
        return made


def fail(error: Exception) -> None:
    raise error


@pytest.fixture
def desk(tmp_path: Path):
    made = Desk(tmp_path / "journal.db")
    made.journal.began(*KEY)
    made.tick(0)
    yield made
    made.committer.close()


def taken(desk: Desk, batches: int) -> City:
    for at in range(batches):
        desk.take(at * 10, 10)
    desk.journal.status(*KEY, batches * 10, batches * 10)
    desk.settle()
    city = City()
    city.take(desk, 0, batches * 10)
    return city


def test_what_the_restored_city_lacks_and_is_retained_is_sent_again(desk: Desk) -> None:
    city = taken(desk, 10)
    city.restore(Ranges([(0, 35), (60, 100)]), {})
    city.raise_epoch(desk)
    assert desk.journal.streams.unreconciled() == [KEY] and desk.journal.streams.accounts() == []
    made = city.tell(desk)
    assert made[0].again.to_list() == [(35, 60)] and made[0].first_row is not None
    assert [p.first for p in desk.pending()] == [30, 40, 50]
    assert desk.journal.pending_batches == 3 and desk.journal.retained_batches == 7
    stream = desk.journal.streams.of(*KEY)
    assert stream.pending.to_list() == [(35, 60)] and stream.balance().unexplained == 0
    assert not desk.journal.gaps and not desk.journal.streams.unreconciled()
    city.take(desk, 0, 100)
    assert not desk.pending() and stream.acked.to_list() == [(0, 100)]


def test_what_is_not_retained_any_more_is_declared_by_this_node(desk: Desk) -> None:
    city = taken(desk, 10)
    desk.committer.run(lambda c: c.execute("DELETE FROM batches WHERE first < 50"))
    city.restore(Ranges([(0, 35)]), {})
    city.raise_epoch(desk)
    city.tell(desk)
    gap = next(iter(desk.journal.gaps.values()))
    assert (gap.first, gap.end, gap.cause, gap.declared_by) == (35, 50, "restore", "edge-1")
    stream = desk.journal.streams.of(*KEY)
    assert stream.pending.to_list() == [(50, 100)] and stream.balance().unexplained == 0
    city.take_gaps(desk)
    city.restore(Ranges([(0, 35)]), {})
    city.raise_epoch(desk)
    made = city.tell(desk)
    assert not made[0].declared, "what was declared once is not declared again"
    assert list(desk.journal.gaps.values()) == [gap], "but told again, as this city does not know it"


def test_what_the_board_may_still_hold_is_taken_again_and_declared_only_when_it_is_gone(desk: Desk) -> None:
    city = taken(desk, 10)
    desk.journal.status(*KEY, 70, 110)
    desk.committer.run(lambda c: c.execute("DELETE FROM batches"))
    city.restore(Ranges([(0, 75)]), {})
    city.raise_epoch(desk)
    city.tell(desk)
    stream = desk.journal.streams.of(*KEY)
    assert stream.recall.to_list() == [(75, 100)] and not desk.journal.gaps
    assert stream.balance().unexplained == 0, "it is in the board's ring"
    desk.take(80, 10)
    again = reopened(desk)
    stream = again.journal.streams.of(*KEY)
    assert stream.recall.to_list() == [(75, 80), (90, 100)] and stream.received.covers(80, 90)
    again.journal.status(*KEY, 95, 120)
    again.settle()
    assert [(g.first, g.end) for g in again.journal.gaps.values()] == [(75, 80), (90, 95)]
    again.journal.began("river-1", "0badcafe-2")
    again.settle()
    assert stream.recall == Ranges() and stream.dropped.to_list() == [(75, 80), (90, 100)]
    last = reopened(again)
    assert last.journal.streams.of(*KEY).dropped.to_list() == [(75, 80), (90, 100)]
    last.committer.close()


def test_gaps_that_the_city_forgot_are_told_again(desk: Desk) -> None:
    city = taken(desk, 2)
    for gap_id in (1, 2):
        desk.journal.gap(GapRecord(*KEY, gap_id, 100 * gap_id, 100 * gap_id + 5, "overflow", "river-1"), lambda g: None)
    desk.settle()
    city.take_gaps(desk)
    assert not desk.journal.gaps
    kept = {1: city.gaps[1]}
    city.restore(city.has, kept)
    city.raise_epoch(desk)
    city.tell(desk)
    assert [gap.gap_id for gap in desk.journal.gaps_to_tell()] == [2]
    assert [gap.gap_id for gap in reopened(desk).journal.gaps_to_tell()] == [2]


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_board_declared_lost_though_it_was_taken_over_is_treated_like_the_rest(desk: Desk, kept: bool) -> None:
    """A board that lost power declares every number that it had reserved and not seen acked."""
    city = taken(desk, 10)
    desk.journal.gap(GapRecord(*KEY, 1, 80, 130, "power", "river-1"), lambda g: None)
    desk.settle()
    city.take_gaps(desk)
    if not kept:
        desk.committer.run(lambda c: c.execute("DELETE FROM batches"))
    desk.journal.began("river-1", "0badcafe-2")
    city.restore(Ranges([(0, 50)]), {1: city.gaps[1]})
    city.raise_epoch(desk)
    city.tell(desk)
    assert [p.first for p in desk.pending()] == ([50, 60, 70, 80, 90] if kept else [])
    city.take(desk, 0, 100)
    city.take_gaps(desk)
    stream = desk.journal.streams.of(*KEY)
    assert not stream.pending, "nothing is said to be buffered that never comes"
    assert city.has.to_list() == [(0, 100 if kept else 50)]


def test_what_is_acked_before_the_answer_comes_is_not_sent_again(desk: Desk) -> None:
    """New samples flow at once; an answer that was written before their ack does not undo it."""
    city = taken(desk, 3)
    city.restore(Ranges([(0, 30)]), {})
    city.raise_epoch(desk)
    desk.take(30, 10)
    desk.settle()
    old = city.has.copy()
    city.take(desk, 30, 40)
    desk.journal.reconcile(KEY, (old, set()), lambda made: None, fail)
    desk.journal.city_has(*KEY, [(30, 40)], [])
    desk.settle()
    assert desk.journal.streams.of(*KEY).acked.to_list() == [(0, 40)]
    assert reopened(desk).journal.streams.of(*KEY).acked.covers(0, 30)


def test_the_epoch_and_what_is_in_doubt_survive_a_crash_at_any_point(desk: Desk) -> None:
    city = taken(desk, 10)
    city.restore(Ranges([(0, 50)]), {})
    city.raise_epoch(desk)
    again = reopened(desk)
    assert again.journal.streams.epoch == 1 and again.journal.streams.unreconciled() == [KEY]
    assert again.journal.streams.of("river-1", "new-1").epoch == 1, "a new stream has nothing to ask about"
    city.tell(again)
    last = reopened(again)
    assert not last.journal.streams.unreconciled()
    assert [p.first for p in last.pending()] == [50, 60, 70, 80, 90]
    last.committer.close()


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 40), st.integers(1, 12)),
        st.tuples(st.just("ack"), st.integers(0, 50), st.integers(1, 30)),
        st.tuples(st.just("backup"), st.just(0), st.just(0)),
        st.tuples(st.just("restore"), st.just(0), st.just(0)),
        st.tuples(st.just("raise"), st.just(0), st.just(0)),
        st.tuples(st.just("tell"), st.just(0), st.just(0)),
        st.tuples(st.just("gaps"), st.just(0), st.just(0)),
        st.tuples(st.just("power"), st.integers(0, 50), st.integers(1, 30)),
        st.tuples(st.just("crash"), st.just(0), st.just(0)),
        st.tuples(st.just("expire"), st.integers(0, 50), st.just(0)),
        st.tuples(st.just("tail"), st.integers(0, 60), st.just(0)),
    ),
    max_size=30,
)


def lose(desk: Desk, act: str, first: int, n: int) -> None:
    """The board declares what it may have lost, or the journal no longer keeps what the city acked."""
    if act == "power":
        desk.journal.gap(GapRecord(*KEY, 1 + first, first, first + n, "power", "river-1"), lambda gap: None)
        desk.settle()
    else:
        query = "DELETE FROM batches WHERE acked_s IS NOT NULL AND first < ?"
        desk.committer.run(lambda c: c.execute(query, (first,)))


@settings(max_examples=60, deadline=None)
@given(acts=ACTS)
def test_after_any_restores_and_crashes_every_sample_is_at_the_city_or_explained(
    acts: list, tmp_path_factory: pytest.TempPathFactory
) -> None:
    desk, city, backup, tail = Desk(tmp_path_factory.mktemp("j") / "journal.db", Limits()), City(), (Ranges(), {}), 0
    desk.journal.began(*KEY)
    desk.tick(0)
    for act, first, n in acts:
        if act == "take":
            desk.take(first, n)
            desk.settle()
        elif act == "ack" and desk.journal.streams.epoch == city.epoch:
            city.take(desk, first, first + n)
        elif act == "backup":
            backup = city.has.copy(), dict(city.gaps)
        elif act == "restore":
            city.restore(backup[0].copy(), dict(backup[1]))
        elif act == "raise" or (act == "tell" and desk.journal.streams.epoch < city.epoch):
            city.raise_epoch(desk)
        elif act == "tell":
            city.tell(desk)
        elif act == "gaps" and desk.journal.streams.epoch == city.epoch:
            city.take_gaps(desk)
        elif act in ("power", "expire"):
            lose(desk, act, first, n)
        elif act == "tail":
            tail = max(tail, first)
            desk.journal.status(*KEY, tail, max(tail, desk.journal.streams.of(*KEY).sent))
            desk.settle()
        elif act == "crash":
            desk = reopened(desk)
    desk = reopened(desk)
    if desk.journal.streams.epoch < city.epoch:
        city.raise_epoch(desk)
    city.tell(desk)
    desk.journal.began("river-1", "0badcafe-2")  # the ring is gone: what was in it is explained, too
    desk.settle()
    city.take(desk, 0, 100)
    city.take_gaps(desk)
    stream, lost = desk.journal.streams.of(*KEY), Ranges((g.first, g.end) for g in city.gaps.values())
    known = stream.received.union(stream.dropped)
    assert not known.difference(city.has).difference(lost), "nothing that was taken over is unexplained"
    assert not desk.pending() and not desk.journal.gaps and not stream.pending
    desk.committer.close()
