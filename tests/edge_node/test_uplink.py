from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.city.pacing import MAX_RESEND_US
from edge_node.city.presence import SILENT_US
from edge_node.city.uplink import MAX_AGAIN, MAX_LIVE, PAGE, Ask, Uplink


@dataclass(frozen=True)
class Batch:
    row: int
    thing: str = "river-1"
    boot: str = "b-1"


class Desk:
    """An uplink on a model journal: `pending` are the rows the city has not acked."""

    def __init__(self, backlog: int = 0) -> None:
        self.pending = set(range(backlog))
        self.uplink: Uplink[Batch] = Uplink(backlog, lambda: 0.0)

    def connect(self, start: str = "start-1", now_us: int = 0) -> "Desk":
        assert self.uplink.presence.greeted(start, now_us)
        self.uplink.begin()
        return self

    def journaled(self, *rows: int) -> None:
        for row in rows:
            self.pending.add(row)
            self.uplink.journaled(Batch(row))

    def due(self, now_us: int, limit: int = 10_000) -> list[int]:
        while (ask := self.uplink.wants()) is not None:
            self.uplink.page(*self._page(ask))
            if not self.uplink.wants():
                break
        return [item.row for item in self.uplink.due(self.wanted, now_us, limit)]

    def _page(self, ask: Ask) -> tuple[list[Batch], int]:
        rows = sorted(row for row in self.pending if ask.after <= row < ask.before)[: ask.limit]
        return [Batch(row) for row in rows], rows[-1] + 1 if len(rows) == ask.limit else ask.before

    def wanted(self, item: Batch) -> bool:
        return item.row in self.pending

    def ack(self, now_us: int, *rows: int) -> None:
        self.pending -= set(rows)
        self.uplink.acked("river-1", "b-1", self.wanted, now_us)


def test_nothing_is_sent_before_the_city_says_hello() -> None:
    desk = Desk(2)
    assert desk.due(0) == []
    desk.connect(now_us=20)
    assert desk.due(30) == [0, 1]


def test_live_goes_first_and_backlog_beside_it() -> None:
    desk = Desk(1000).connect()
    desk.journaled(*range(1000, 1100))
    first = desk.due(0)
    assert first[:100] == list(range(1000, 1100))
    assert first[100:] == list(range(8)), "as much backlog as an unknown link may bear"


def test_credit_bounds_what_flies_and_zero_is_a_pause() -> None:
    desk = Desk().connect()
    desk.journaled(*range(100))
    desk.uplink.pace.credit = 10
    assert len(desk.due(0)) == 10 and desk.due(1) == []
    desk.ack(2, 0, 1)
    assert desk.due(3) == [10, 11]
    desk.uplink.pace.credit = 0
    desk.ack(4, 2, 3, 4)
    assert desk.due(5) == []
    desk.uplink.pace.credit = 8
    assert desk.due(6) == [12]


def test_backlog_never_takes_the_places_that_are_kept_for_live_data() -> None:
    desk = Desk(5000).connect()
    desk.uplink.pace.credit, desk.uplink.pace.window = 40, 1e9
    assert len(desk.due(0)) == 30
    desk.journaled(*range(5000, 5020))
    assert desk.due(1) == list(range(5000, 5010))


def test_a_busy_link_of_live_data_still_leaves_one_place_to_the_backlog() -> None:
    desk = Desk(100).connect()
    desk.uplink.pace.credit = 4
    desk.journaled(*range(100, 200))
    assert desk.due(0) == [100, 101, 102, 0]
    desk.ack(1, 0)
    assert desk.due(2) == [1]


def test_a_reconnection_sends_everything_unacked_again_in_order() -> None:
    desk = Desk(3).connect()
    desk.journaled(3)
    desk.due(0)
    desk.ack(1, 1)
    desk.uplink.presence.tick(SILENT_US + 1)
    assert not desk.uplink.connected
    desk.journaled(4)
    assert desk.uplink.presence.heard(SILENT_US + 2)
    desk.uplink.begin()
    assert desk.due(SILENT_US + 3) == [0, 2, 3, 4]
    assert desk.uplink.resent == 3


def test_what_the_socket_refused_keeps_its_order() -> None:
    desk = Desk(3).connect()
    items = desk.uplink.due(desk.wanted, 0, 0) or None
    assert items is None
    sent = desk.due(0)
    desk.uplink.unsent([Batch(row) for row in sent[1:]])
    assert list(desk.uplink.flying) == [0] and desk.due(1) == [1, 2]


def test_a_batch_that_is_never_acked_comes_again_and_blocks_nobody() -> None:
    desk, now, sent = Desk(200).connect(), 0, []
    for _ in range(400):
        now += 1_000_000
        for row in desk.due(now):
            sent.append(row)
            if row != 7:
                desk.ack(now + 1, row)
    assert desk.pending == {7}
    assert sent.count(7) > 5 and max(map(sent.count, set(sent) - {7})) == 1


def test_rows_that_became_pending_again_are_sent_from_there_on() -> None:
    desk = Desk(500).connect()
    desk.uplink.pace.window = 400.0
    desk.ack(1, *desk.due(0))
    assert 3 not in desk.pending
    desk.pending |= {3, 4}
    desk.uplink.rewind(3)
    assert desk.due(2)[:2] == [3, 4]


def test_memory_holds_a_window_of_any_backlog() -> None:
    """Bounded: live ones in memory, pages, what flies, what is to be sent again."""
    desk = Desk(5_000).connect()
    desk.uplink.pace.credit = 256
    for now in range(20):
        desk.due(now * 1_000_000)
        desk.journaled(*range(5_000 + now * 500, 5_500 + now * 500))
        assert desk.uplink.waiting + len(desk.uplink.flying) <= MAX_LIVE + 2 * PAGE + MAX_AGAIN + 2 * 256
    assert desk.uplink.spilled > 0
    got: set[int] = set()
    for now in range(20_000_000, 900_000_000, 100_000):
        rows = desk.due(now)
        got |= set(rows)
        desk.ack(now + 1000, *rows)
        if not desk.pending:
            break
    assert not desk.pending and got >= set(range(15_000)), "what was pushed out of memory is sent from disk"


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.integers(1, 5)),
        st.tuples(st.just("send"), st.integers(1, 20)),
        st.tuples(st.just("ack"), st.integers(0, 10**6)),
        st.tuples(st.just("lose"), st.integers(0, 10**6)),
        st.tuples(st.just("refuse"), st.integers(1, 10)),
        st.tuples(st.just("reconnect"), st.integers(2, 10**6)),
        st.tuples(st.just("credit"), st.integers(0, 40)),
        st.tuples(st.just("forget"), st.integers(0, 10**6)),
        st.tuples(st.just("restore"), st.integers(0, 10**6)),
    ),
    max_size=80,
)


@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_with_any_order_of_loss_duplicate_acks_and_reconnections_all_arrive(actions: list) -> None:
    """A model city that gets what is sent (unless lost), acks in any order, some twice, and is restored."""
    desk, there, now, row = Desk(40).connect(), [], 0, 40
    acked: list[int] = []
    for action, number in actions:
        now += 100_000
        if action == "new":
            desk.journaled(*range(row, row + number))
            row += number
        elif action == "send":
            there += desk.due(now, number)
        elif action == "ack" and there:
            acked.append(there[number % len(there)])
            desk.ack(now, acked[-1])
        elif action == "lose" and there:
            there.pop(number % len(there))
        elif action == "refuse":
            desk.uplink.unsent([Batch(row) for row in desk.due(now, number)])
        elif action == "reconnect":
            desk.connect(f"start-{number}-{now}", now)
        elif action == "credit":
            desk.uplink.pace.credit = number
        elif action == "forget" and desk.pending:
            gone = sorted(desk.pending)[number % len(desk.pending)]
            desk.pending.discard(gone)
            desk.uplink.forget([gone])
        elif action == "restore" and acked:
            back = acked.pop(number % len(acked))
            desk.connect(f"restored-{now}", now)
            desk.pending.add(back)
            desk.uplink.rewind(back)
        assert len(desk.uplink.flying) <= max(256, desk.uplink.pace.credit)
        assert desk.uplink._backlog_flying == sum(not f.live for f in desk.uplink.flying.values())
    desk.uplink.pace.credit = 256
    for _ in range(200):
        now += MAX_RESEND_US + 1
        desk.uplink.presence.heard(now)
        desk.ack(now, *desk.due(now))
        if not desk.pending:
            break
    assert not desk.pending


class Link:
    """A link to the city that passes `rate` batches a second in order, and acks each `delay_us` after that."""

    def __init__(self, rate: Callable[[int], float], delay_us: int) -> None:
        self.rate, self.delay_us = rate, delay_us
        self.queue: list[int] = []
        self.at, self.room = 0, 0.0
        self.acks: list[tuple[int, int]] = []

    def tick(self, now_us: int, step_us: int) -> list[int]:
        """Return what the city took in this tick."""
        self.room = min(self.room + self.rate(now_us) * step_us / 1e6, 64.0)
        n = min(int(self.room), len(self.queue) - self.at)
        self.room = self.room - n if n else min(self.room, 1.0)
        taken = self.queue[self.at : self.at + n]
        self.at += n
        return taken


def drained(backlog: int, rate: Callable[[int], float], live_per_s: int, limit_s: int) -> tuple[int, int, int]:
    """Drain a backlog over a link while live data comes; return (s it took, worst lateness in us, most in flight)."""
    step_us = 50_000
    uplink: Uplink[Batch] = Uplink(backlog, lambda: 0.0)
    uplink.presence.greeted("s", 0)
    uplink.begin()
    link, done, acked_to, worst, most, row = Link(rate, 30_000), bytearray(backlog), 0, 0, 0, backlog
    born: dict[int, int] = {}

    def wanted(batch: Batch) -> bool:
        return batch.row in born or (batch.row < backlog and not done[batch.row])

    flown: list[tuple[int, list[int]]] = []
    for now in range(0, limit_s * 1_000_000, step_us):
        uplink.presence.heard(now)
        if now % 1_000_000 == 0:  # boards sample on the second: all live batches of it come at once
            for _ in range(live_per_s):
                born[row] = now
                uplink.journaled(Batch(row))
                row += 1
        while (ask := uplink.wants()) is not None:
            rows = range(ask.after, min(ask.before, ask.after + ask.limit, backlog))
            uplink.page([Batch(r) for r in rows], ask.after + ask.limit if len(rows) == ask.limit else ask.before)
        link.queue += [b.row for b in uplink.due(wanted, now, 128)]
        most = max(most, len(uplink.flying))
        taken = link.tick(now, step_us)
        flown.append((now + link.delay_us, taken))
        while flown and flown[0][0] <= now:
            for r in flown.pop(0)[1]:
                acked_to += r < backlog and not done[r]
                born.pop(r, None)
                if r < backlog:
                    done[r] = 1
                uplink.acked_rows((r,), now)
        oldest = next(iter(born.values()), now)  # born in order, so the first that is left is the oldest
        worst = max(worst, now - oldest)
        if acked_to == backlog:
            return now // 1_000_000, worst, most
    return limit_s, worst, most


DAY = 6 * 86_400


@pytest.mark.slow
def test_a_day_of_backlog_drains_while_live_data_is_never_5_s_late() -> None:
    """6 boards x 10 channels x 1 Hz for a day over a link that carries 200 batches a second."""
    took_s, worst_us, most = drained(DAY, lambda now: 200.0, 12, 4000)
    assert worst_us < 5_000_000, f"live data was {worst_us / 1e6} s late"
    assert took_s < 1.15 * DAY / (200 - 12), "and the link was used"
    assert most <= 256


def test_live_data_stays_in_time_on_a_link_that_barely_carries_it() -> None:
    took_s, worst_us, _ = drained(3000, lambda now: 16.0, 12, 2000)
    assert worst_us < 5_000_000 and took_s < 1500


def test_live_data_stays_in_time_when_the_link_turns_slow_and_fast_again() -> None:
    took_s, worst_us, _ = drained(60_000, lambda now: 20.0 if 10 < now // 1_000_000 % 60 < 20 else 300.0, 12, 2000)
    assert worst_us < 5_000_000 and took_s < 400
