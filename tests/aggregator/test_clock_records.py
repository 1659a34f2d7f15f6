"""Better clocks for stored samples: what the city makes of clock records, in memory, on disk, sealed, outside."""

import asyncio
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.clocks import retiming
from aggregator.clocks.table import ClockTable
from aggregator.store import compactor, reader
from aggregator.store.store import Store, Writes
from protocol import city_link, columns
from protocol.city_link import Ack, Clock, ClockRecord

US = 1_000_000
T = 1000 * US
UTC = 1_700_000_000_000_000
LOST = Clock(0, 5 * US, 1.0, 1e12, False)
KEY = ("river-1", "0000000a-1")


def record(number: int, first_us: int, end_us: int, utc_us: int, synced: bool = True) -> ClockRecord:
    return ClockRecord(*KEY, number, first_us, end_us, Clock(0, utc_us, 1.0, 100.0, synced))


def store_all(store: Store, kit: Any, city: Any, *messages: Any) -> list[Any]:
    """Let messages arrive and commit them for real; return the acks."""
    now = city.now(T)
    group = city.take([kit.received("edge-1", *city_link.encode(m)) for m in messages], now)
    introduced, city.introduced = city.introduced, []
    asyncio.run(store.commit(Writes(group, introduced, city.accounts.take_changed())))
    sends = city.committed(group, now)
    city.think(now)
    return [m for _, m in sends if isinstance(m, Ack)]


def times(store: Store) -> list[tuple[int, int | None]]:
    """Return (seq, event time) of every sample, as queries see it."""
    with reader.samples(store.folder) as query:
        return query.execute("SELECT seq, t_utc_us FROM samples ORDER BY seq").fetchall()


@settings(max_examples=200, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.booleans()), max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_the_newest_record_that_covers_a_stamp_holds_whatever_the_order_of_arrival(spans: Any, order: Any) -> None:
    records = [record(n, a, a + size, n * 1000, synced) for n, (a, size, synced) in enumerate(spans, 1)]
    arriving = records[:]
    order.shuffle(arriving)
    table = ClockTable(arriving[:4])
    table.pieces(KEY)
    for late in arriving[4:]:
        table.add(late)
    stamps = np.arange(0, 64, dtype=np.int64)
    found, known = table.times(KEY, stamps, Clock(0, 7, 1.0, 1.0, True))
    for stamp in stamps.tolist():
        over = [r for r in records if r.first_us <= stamp < r.end_us]
        clock = over[-1].clock if over else Clock(0, 7, 1.0, 1.0, True)
        assert (found[stamp], known[stamp]) == (clock.ref_utc_us + stamp, clock.synced)
    pieces = table.pieces(KEY)
    assert all(a.end_us <= b.first_us for a, b in pairwise(pieces))


def test_samples_without_time_are_shown_flagged_and_get_their_time_from_a_record(kit: Any, store: Store) -> None:
    city = kit.city(store)
    store_all(store, kit, city, kit.info(), replace(kit.batch(0, 5, 1.5), clock=LOST))
    (row,) = city.host.latest.rows(city.registry, UTC + 3 * US, 1.0, T + 2 * US)
    assert (row["synced"], row["t_utc_us"], row["age_s"], row["value"]) == (False, None, 2.0, 1.5)
    assert times(store) == [(n, None) for n in range(5)]
    assert (
        city.host.feed.unsynced_batches == 1 and not city.host.engine.runners["opener"].tracks["level"].all_rows().size
    )

    (ack,) = store_all(store, kit, city, record(1, 0, 10**9, UTC))
    assert ack.clocks == [1] and not ack.ranges
    (row,) = city.host.latest.rows(city.registry, UTC + 3 * US, 1.0, T)
    assert (row["synced"], row["t_utc_us"]) == (True, UTC + 400_000)
    assert times(store) == [(n, UTC + n * 100_000) for n in range(5)]
    assert kit.city(store).host.latest.by_id["river-1/water_level"].t_utc_us == UTC + 400_000


@pytest.mark.parametrize("sealed", [False, True])
def test_a_late_record_amends_what_the_processes_saw(kit: Any, store: Store, sealed: bool) -> None:
    """Three samples two weeks ahead, three without time: the engine gets all six at their right time, once."""
    city, off_us = kit.city(store, every_s=1), 14 * 86_400 * US
    city.advance(city.now(T - 60 * US))
    first = UTC + T - 30 * US
    ahead = replace(kit.batch(0, 3), clock=Clock(0, first + off_us, 1.0, 9.0, True))
    store_all(store, kit, city, kit.info(), ahead, replace(kit.batch(3, 3), clock=LOST))
    if sealed:
        asyncio.run(compactor.seal_once(store, city.registry, 0))
    store_all(store, kit, city, record(1, 0, 10**9, first))
    assert city.host.latest.by_id["river-1/water_level"].t_utc_us == first + 500_000
    changes = city.take_better()
    manifest = city.registry.manifest(*KEY)
    parts = retiming.stamped(store.folder, KEY, *retiming.span(changes), manifest)
    moved = city.host.moved(retiming.moves(KEY, parts, changes, city.host.clocks, manifest))
    assert moved == 6 and city.take_better() == []
    track = city.host.engine.runners["opener"].tracks["level"]
    assert track.all_rows()["t"].tolist() == [first + n * 100_000 for n in range(6)]


def test_a_record_that_moves_nothing_much_moves_nothing(kit: Any, store: Store) -> None:
    city = kit.city(store)
    store_all(store, kit, city, kit.info(), kit.batch(0, 3))
    store_all(store, kit, city, record(1, 0, 10**9, UTC + 3000))
    changes, manifest = city.take_better(), city.registry.manifest(*KEY)
    parts = retiming.stamped(store.folder, KEY, *retiming.span(changes), manifest)
    assert list(retiming.moves(KEY, parts, changes, city.host.clocks, manifest)) == []


def test_sealed_files_show_better_times_and_outsiders_are_told(kit: Any, store: Store) -> None:
    city = kit.city(store)
    store_all(store, kit, city, kit.info(), kit.batch(0, 3), replace(kit.batch(3, 3), clock=LOST))
    asyncio.run(compactor.seal_once(store, city.registry, 0))
    store_all(
        store, kit, city, kit.batch(6, 3), record(1, 0, 450_000, UTC + 1000), record(2, 200_000, 300_000, UTC - US)
    )
    expected = [UTC + 1000, UTC + 101_000, UTC + 200_000 - US, UTC + 301_000, UTC + 401_000, None]
    assert [t for _, t in times(store)][:6] == expected
    again = Store(store.folder)
    assert kit.city(again).host.clocks.pieces(KEY) == city.host.clocks.pieces(KEY)
    again.close()
    compactor.renew_catalogue(store)
    told = json.loads((store.folder / "sealed" / "manifest.json").read_text())
    assert [(c["first_us"], c["end_us"], c["ref_utc_us"]) for c in told["clocks"]] == [
        (0, 200_000, UTC + 1000), (200_000, 300_000, UTC - US), (300_000, 450_000, UTC + 1000),
    ]  # fmt: skip
    asyncio.run(compactor.seal_once(store, city.registry, 0))
    assert [t for _, t in times(store)] == [*expected, *(UTC + n * 100_000 for n in (6, 7, 8))]


def test_a_value_shown_from_the_future_does_not_hide_live_data_after_a_record(kit: Any, store: Store) -> None:
    city = kit.city(store)
    ahead = replace(kit.batch(0, 3), clock=Clock(0, UTC + 14 * 86_400 * US, 1.0, 9.0, True))
    store_all(store, kit, city, kit.info(), ahead)
    asyncio.run(compactor.seal_once(store, city.registry, 0))
    store_all(store, kit, city, record(1, 0, 300_000, UTC), kit.batch(3, 3, 2.0))
    asyncio.run(compactor.seal_once(store, city.registry, 0))
    for shown in (city, kit.city(store)):
        seen = shown.host.latest.by_id["river-1/water_level"]
        assert (seen.t_utc_us, seen.value) == (UTC + 500_000, 2.0)


def test_records_are_refused_from_strangers_and_contradicting_ones_are_counted(kit: Any, store: Store) -> None:
    city = kit.city(store)
    store_all(store, kit, city, kit.info(), record(1, 0, 10, UTC), record(1, 0, 10, UTC), record(1, 0, 10, UTC + 5))
    kit.give(city, T, record(2, 0, 10, UTC), edge="edge-2")
    assert city.refused == {"foreign_thing": 1}
    assert len(store.clock_records()) == 1 and store.clock_records()[0].clock.ref_utc_us == UTC


def test_a_stamp_keeps_its_place_in_the_records(kit: Any, tmp_path: Path, store: Store) -> None:
    """Sealed rows go back into records exactly: channel, quality, stamp, value."""
    city = kit.city(store)
    batch = kit.batch(0, 4, 1.25)
    store_all(store, kit, city, kit.info(), batch)
    manifest = city.registry.manifest(*KEY)
    hot = retiming.stamped(store.folder, KEY, 0, 10**9, manifest)
    asyncio.run(compactor.seal_once(store, city.registry, 0))
    sealed = retiming.stamped(store.folder, KEY, 0, 10**9, manifest)
    assert hot[0].records == sealed[0].records == columns.decode(batch.records).tobytes()
    assert hot[0].times.tolist() == sealed[0].times.tolist()
