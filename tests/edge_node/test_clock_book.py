"""When a better clock is worth a record, what it covers, and that records and what waits for them are durable."""

from pathlib import Path

import pytest

from durable import Committer
from edge_node.clocks.board_clock import BoardClock
from edge_node.clocks.book import MAX_USES, ClockBook, OwnClock, event_clock, utc
from edge_node.clocks.lines import Line
from edge_node.clocks.log import ClockLog
from edge_node.journal import rows as journal_rows
from edge_node.journal.journal import Journal
from protocol.city_link import Clock, ClockRecord
from service.host_clock import RELEASED_UTC_US, HostClock, Look

from .board_clocks import START_US, Crystal, Way, trips

KEY = ("river-1", "0000000a-1")
UTC = RELEASED_UTC_US + 100 * 86_400_000_000
US = 1_000_000
SHIFT = 1000


def looked(host: HostClock, boottime_us: int, synced: bool, off_us: int = 0) -> None:
    host.look(Look(boottime_us, UTC + boottime_us + off_us, synced))


def own_book(synced: bool = False) -> ClockBook:
    host = HostClock()
    looked(host, US, synced, 0 if synced else -UTC)
    book = ClockBook(host)
    book.places(KEY, OwnClock(SHIFT))
    return book


def store(book: ClockBook, first_us: int, last_us: int) -> Clock:
    clock = event_clock(OwnClock(SHIFT).line(first_us, last_us), book.host)
    book.used(KEY, first_us, last_us, clock)
    return clock


def test_once_utc_is_known_all_that_had_none_gets_one_record() -> None:
    book = own_book()
    for s in range(1, 100):
        assert not store(book, s * US, s * US + 500_000).synced
    assert book.review() == []
    looked(book.host, 100 * US, True)
    (record,) = book.review()
    assert (record.number, record.first_us, record.end_us) == (1, US, 99 * US + 500_001)
    assert record.clock.synced and utc(record.clock, 50 * US) == UTC + 50 * US - SHIFT
    assert book.review() == [] and not list(book.unsynced())


def test_a_record_that_turns_out_wrong_is_superseded_by_a_higher_number() -> None:
    book, weeks = own_book(), 14 * 86_400 * US
    store(book, 5 * US, 6 * US)
    looked(book.host, 7 * US, True, weeks)
    (first,) = book.review()
    for s in range(8, 30):
        looked(book.host, s * US, True)
    (second,) = book.review()
    assert (first.number, second.number) == (1, 2)
    assert utc(first.clock, 5 * US) - utc(second.clock, 5 * US) == weeks


def test_a_clock_that_is_right_gets_no_record() -> None:
    book = own_book(synced=True)
    for s in range(1, 1000):
        looked(book.host, s * US, True)
        store(book, s * US, s * US + 900_000)
    assert book.review() == [] and book.records == 0


def test_backlog_of_hours_alone_gets_a_record_when_the_board_is_known_better() -> None:
    """A board that ran four hours before this node first heard it, 300 ppm off: the early guess is off by seconds."""
    crystal, host = Crystal(300), HostClock()
    looked(host, START_US, True)
    book, clock, begun = ClockBook(host), BoardClock("b"), START_US + 4 * 3600 * US
    book.places(KEY, clock)
    made = list(trips(crystal, Way(jitter_us=500), 1, n=60, start_us=begun))
    old = crystal.stamp(START_US), crystal.stamp(START_US + 60 * US)
    for trip in made[:4]:
        clock.add(trip)
    line = clock.line(*old)
    assert line is not None
    book.used(KEY, *old, event_clock(line, host))
    wrong_us = abs(utc(event_clock(line, host), old[0]) - UTC - START_US)
    for trip in made[4:]:
        clock.add(trip)
    looked(host, begun + 60 * US, True)
    records = book.review()
    right_us = abs(utc(records[-1].clock, old[0]) - UTC - START_US)
    assert wrong_us > 1_000_000 > 5 * right_us and right_us <= 3 * records[-1].clock.sigma_us
    assert records[0].first_us == old[0] and records[-1].end_us == old[1] + 1


def test_uses_are_bounded_and_what_waits_for_its_time_stays() -> None:
    book = own_book()
    store(book, US, 2 * US)
    looked(book.host, 3 * US, True)
    book.review()
    book.unsettled(KEY, 10**12, 10**12 + 5)
    for n in range(2 * MAX_USES):
        book.used(KEY, n * 1000 * US, n * 1000 * US + 5, Clock(0, n * 10**9, 1.0, 1.0, True))
    assert len(book._uses[KEY]) <= MAX_USES
    assert [use.first_us for _, use in book.unsynced()] == [10**12]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def opened(path: Path) -> Journal:
    made = Committer(path, schema=journal_rows.SCHEMA, migrations=journal_rows.MIGRATIONS)
    return Journal(made, lambda call: call())


def test_records_stay_until_the_city_has_them_and_numbers_go_on(path: Path) -> None:
    journal, book = opened(path), own_book()
    log = ClockLog(journal, book)
    log.used(KEY, book.used(KEY, 5 * US, 6 * US, Clock(0, 0, 1.0, 1e12, False)))
    looked(book.host, 7 * US, True)
    log.add(book.review())
    journal.close()

    journal, book = opened(path), own_book(synced=True)
    log = ClockLog(journal, book)
    assert [name[2] for name in log.unacked] == [1] and not list(book.unsynced()), "what got its time waits no more"
    assert isinstance(next(iter(log.unacked.values())), ClockRecord)
    log.city_has(*KEY, [1, 99])
    assert not log.unacked
    book.unsettled(KEY, US, 2 * US)
    log.add(book.review())
    journal.run(lambda c: None)
    assert [name[2] for name in log.unacked] == [2]
    log.city_lost(1)
    journal.run(lambda c: None)
    assert sorted(name[2] for name in log.unacked) == [1, 2]
    journal.close()


def test_what_waits_for_its_time_outlives_a_restart_of_the_node(path: Path) -> None:
    """The board runs on under the same boot: once UTC is known, its stamps from before the restart get theirs."""
    journal, book = opened(path), own_book()
    log = ClockLog(journal, book)
    for s in range(100):
        log.used(KEY, book.used(KEY, s * US, s * US + 9, Clock(0, 0, 1.0, 1e12, False)))
    journal.close()

    journal, book = opened(path), ClockBook(HostClock())
    log = ClockLog(journal, book)
    looked(book.host, US, True)
    assert book.review() == [], "until the board says its time again"
    book.places(KEY, OwnClock(7 * US))
    log.add(book.review())
    journal.run(lambda c: None)
    (record,) = log.unacked.values()
    assert record.first_us == 0 and record.end_us > 99 * US and utc(record.clock, 7 * US) == UTC
    journal.close()


def test_a_line_far_out_is_no_time(path: Path) -> None:
    host = HostClock()
    looked(host, US, True)
    assert not event_clock(Line(5, 100.0, 1.0, 11 * US), host).synced
    assert event_clock(Line(5, 100.0, 1.0, 9 * US), host).synced
