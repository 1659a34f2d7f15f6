from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable import DiskFullError
from edge_node.journal import rows as journal_rows
from edge_node.journal.quota import DROP, DROP_OLDEST, NOTHING, REFUSE, RELEASE, ROOM, Limits, Measured, Quota
from edge_node.journal.rows import OWN_GAPS, counts
from edge_node.journal.sweep import BATCHES
from protocol.ranges import Ranges

from .journal_desk import BOOT, Desk, reopened

H = 3600
SMALL = 1 << 20


def opened(path: Path, **limits: object) -> Desk:
    return Desk(path / "journal.db", Limits(**limits))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = opened(tmp_path)
    yield made
    made.committer.close()


def retained(desk: Desk) -> list[int]:
    query = "SELECT first FROM batches WHERE acked_s IS NOT NULL ORDER BY first"
    return [first for (first,) in desk.committer.read(lambda c: c.execute(query).fetchall())]


def acked(desk: Desk, first: int, end: int) -> None:
    desk.journal.city_has("river-1", BOOT, [(first, end)], [])
    desk.settle()


def test_what_the_city_acked_is_kept_for_its_time_of_running(desk: Desk) -> None:
    desk.tick(0)
    desk.take(0, 10)
    desk.settle()
    acked(desk, 0, 10)
    desk.tick(10 * H)
    desk.take(10, 10)
    desk.settle()
    acked(desk, 10, 20)
    desk.tick(48 * H)
    assert retained(desk) == [0, 10] and not desk.pending()
    desk.tick(48 * H + 2)
    assert retained(desk) == [10] and desk.journal.retained_batches == 1
    desk.tick(58 * H + 2)
    assert retained(desk) == [] and desk.journal.retained_batches == 0


def test_the_time_to_keep_goes_on_after_a_restart_and_not_while_the_node_is_off(desk: Desk) -> None:
    desk.tick(1000 * H)
    desk.take(0, 10)
    desk.settle()
    acked(desk, 0, 10)
    desk.tick(1040 * H)
    again = reopened(desk)
    again.tick(5 * H)  # another boot of the host: its clock began again
    again.tick(13 * H - 60)
    assert retained(again) == [0]
    again.tick(13 * H + 2)
    assert retained(again) == []
    again.committer.close()


def test_many_that_expire_at_once_go_a_few_at_a_time(desk: Desk) -> None:
    desk.tick(0)
    for at in range(3 * BATCHES):
        desk.take(at, 1)
    desk.settle()
    acked(desk, 0, 3 * BATCHES)
    now_s, left = 49.0 * H, []
    while retained(desk):
        desk.tick(now_s)
        left.append(len(retained(desk)))
        now_s += 0.02
    assert left == [2 * BATCHES, BATCHES, 0], "and without a pause in between"


def fill(desk: Desk, batches: int, begin: int = 0, n: int = 64) -> int:
    for at in range(begin, begin + batches):
        desk.take(at * n, n)
    desk.settle()
    return begin + batches


def test_over_the_quota_what_the_city_has_goes_first(tmp_path: Path) -> None:
    desk = opened(tmp_path, max_bytes=SMALL)
    fill(desk, 2000)
    acked(desk, 0, 600 * 64)
    for now in range(100):
        desk.tick(now * 0.02)
    assert desk.journal.dropped > 0 and desk.journal.retained_batches == 0
    assert desk.journal.keeper.quota.measured.used_bytes <= SMALL
    lost = desk.journal.streams.of("river-1", BOOT).dropped.to_list()
    assert lost[0][0] == 600 * 64, "of what the city has nothing is lost"
    desk.committer.close()


def test_dropping_the_oldest_is_declared_in_the_same_transaction(tmp_path: Path) -> None:
    desk = opened(tmp_path, max_bytes=SMALL)
    fill(desk, 2000)
    for now in range(3):
        desk.tick(now * 0.02)
    again = reopened(desk)
    stream = again.journal.streams.of("river-1", BOOT)
    gaps = list(again.journal.gaps.values())
    assert {(g.cause, g.declared_by) for g in gaps} == {("quota", "edge-1")}
    assert all(g.gap_id >= OWN_GAPS and g.gap_id < 1 << 63 for g in gaps)
    assert [(0, stream.dropped.total())] == stream.dropped.to_list() and stream.dropped.total() > 0
    assert stream.balance().unexplained == 0
    assert stream.balance().declared_lost == again.journal.dropped == stream.dropped.total()
    assert again.pending()[0].first == stream.dropped.total()
    again.committer.close()


def test_an_outage_makes_one_growing_gap_and_a_told_one_never_changes(tmp_path: Path) -> None:
    desk, begin, now = opened(tmp_path, max_bytes=SMALL), 0, 0.0
    for _ in range(6):
        begin = fill(desk, 800, begin)
        for _ in range(20):
            desk.tick(now := now + 1)
    gaps = list(desk.journal.gaps.values())
    assert len(gaps) == 1 and gaps[0].first == 0
    desk.journal.told(gaps[0])
    begin = fill(desk, 1600, begin)
    for _ in range(20):
        desk.tick(now := now + 1)
    after = list(desk.journal.gaps.values())
    assert after[0] == gaps[0] and len(after) == 2 and after[1].first == gaps[0].end
    desk.committer.close()


def test_what_is_under_way_to_the_city_is_not_dropped(tmp_path: Path) -> None:
    desk = opened(tmp_path, max_bytes=SMALL)
    fill(desk, 2000)
    flying = {p.row for p in desk.pending()[:50]}
    for now in range(60):
        desk.tick(now * 0.02, flying)
    assert {p.row for p in desk.pending()} >= flying and desk.journal.dropped > 0
    desk.committer.close()


def test_by_the_other_policy_nothing_is_dropped_and_the_node_refuses_until_there_is_room(tmp_path: Path) -> None:
    desk = opened(tmp_path, max_bytes=SMALL, when_full=REFUSE)
    fill(desk, 2000)
    desk.tick(0)
    health = desk.journal.health()["quota"]
    assert desk.journal.refusing and health["refusing"] and "boards" in health["problem"]
    assert not desk.journal.gaps and len(desk.pending()) == 2000
    acked(desk, 0, 1500 * 64)
    for now in range(1, 60):
        desk.tick(now)
    assert not desk.journal.refusing and desk.journal.health()["quota"]["problem"] == ""
    assert len(desk.pending()) == 500
    desk.committer.close()


def test_a_full_disk_makes_room_by_the_same_order(tmp_path: Path) -> None:
    """The file cannot grow (as on a full disk): what the city has gives way, then the oldest, and all goes on."""
    desk = opened(tmp_path)
    fill(desk, 600)
    acked(desk, 0, 300 * 64)
    pages = desk.committer.read(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    desk.committer.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages}"))
    begin, now = 600, 0.0
    for _ in range(120):
        begin = fill(desk, 20, begin)
        desk.tick(now := now + 1)
    stream = desk.journal.streams.of("river-1", BOOT)
    assert desk.journal.refused > 0, "some frames met the full disk: they are not acked, the board has them"
    assert stream.dropped.total() > 0 and not stream.dropped.clip(0, 300 * 64)
    assert stream.received.total() > 1500 * 64, "and most found room"
    assert stream.balance().unexplained == 0, "what met the full disk is still with the board"
    desk.committer.close()


MEASURED = st.builds(Measured, st.integers(0, 3 * SMALL), st.integers(0, 2 * ROOM), st.booleans())


@settings(deadline=None)
@given(st.lists(st.tuples(MEASURED, st.booleans()), max_size=30), st.sampled_from([DROP_OLDEST, REFUSE]))
def test_the_policy(measured: list, when_full: str) -> None:
    quota = Quota(Limits(max_bytes=SMALL, when_full=when_full))
    for found, disk_full in measured:
        was_over = quota.over
        step = quota.decide(found, disk_full)
        assert quota.over == (found.used_bytes > SMALL - (SMALL // 50 if was_over else 0))
        if step == DROP:
            assert when_full == DROP_OLDEST and not found.retained, "what the city has gives way first"
        if found.used_bytes > SMALL:
            assert step == RELEASE if found.retained else (step == DROP or quota.refusing)
        if not disk_full and found.used_bytes < SMALL // 2:
            assert step == NOTHING and not quota.refusing and not quota.problem
        assert not (quota.refusing and when_full == DROP_OLDEST)
        assert bool(quota.problem) == (step == DROP or quota.refusing or (
            disk_full and not found.retained and when_full == REFUSE and found.free_bytes < ROOM))  # fmt: skip


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 300)),
        st.tuples(st.just("ack"), st.integers(0, 60_000)),
        st.tuples(st.just("tick"), st.integers(1, 20)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("told"), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(acts=ACTS)
def test_whatever_is_dropped_the_ledger_balances(acts: list, tmp_path_factory: pytest.TempPathFactory) -> None:
    desk = Desk(tmp_path_factory.mktemp("j") / "journal.db", Limits(max_bytes=300_000, retain_h=0.001))
    begin, now, at_city, told = 0, 0.0, Ranges(), {}
    for act, number in acts:
        if act == "take":
            begin = fill(desk, number, begin)
        elif act == "ack":
            spans = desk.journal.streams.of("river-1", BOOT).pending.clip(number, number + 2000).to_list()
            at_city = at_city.union(Ranges(spans))
            desk.journal.city_has("river-1", BOOT, spans, [])
        elif act == "tick":
            for _ in range(number):
                desk.tick(now := now + 1)
        elif act == "told":
            for gap in desk.journal.gaps_to_tell():
                assert told.setdefault(gap.gap_id, gap) == gap, "a gap never changes after it was told"
                desk.journal.told(gap)
        else:
            desk = reopened(desk, Limits(max_bytes=300_000, retain_h=0.001))
        desk.settle()
        stream = desk.journal.streams.of("river-1", BOOT)
        assert stream.balance().unexplained == 0 and stream.acked == at_city
        assert not stream.dropped.intersection(at_city), "what the city had was not declared lost"
        held = Ranges((p.first, p.end) for p in desk.pending())
        assert stream.pending.difference(held) == Ranges(), "what is accounted for as buffered is on disk"
        assert desk.committer.read(counts)[:2] == (desk.journal.pending_batches, desk.journal.retained_batches)
    desk.committer.close()


def test_what_a_full_disk_refused_to_save_is_saved_when_there_is_room_and_the_newest_wins(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    put = journal_rows.put

    def put_if_room(*words: Any) -> None:
        if full:
            raise DiskFullError("no room")
        put(*words)

    monkeypatch.setattr(journal_rows, "put", put_if_room)
    desk.journal.save("things", "river-1 b", b"manifest")
    desk.journal.save("snapshots", "engine", b"old")
    desk.journal.save("snapshots", "engine", b"new")
    desk.tick(1)
    desk.tick(30)
    assert desk.journal.saved("things") == {}
    full = False
    for now in range(40, 60):
        desk.tick(now)
    assert desk.journal.saved("things") == {"river-1 b": b"manifest"}
    assert desk.journal.saved("snapshots") == {"engine": b"new"} and not desk.journal._kept.unsaved
