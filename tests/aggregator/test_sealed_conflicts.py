"""What comes again after it was sealed is compared with Parquet before it is acked; a contradiction is an alarm."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from city_turns import T, acked, sealed_city, turn
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.pages import status
from aggregator.store import compactor, housekeeping, sealed_check
from aggregator.store.doubts import OVERHEAD, Doubts, Piece
from aggregator.store.store import Store
from protocol import columns


def test_the_same_content_is_acked_after_the_comparison(kit: Any, store: Store) -> None:
    city = sealed_city(kit, store)
    assert acked(turn(city, store, kit, kit.batch(30, 10, 4.0))) == []
    assert asyncio.run(housekeeping.compare_once(store, city)) == 1
    assert acked(turn(city, store, kit)) == [(30, 40)]
    assert city.ingest.conflicts == 0


@pytest.mark.parametrize("what", ["value", "quality", "stamp", "channel"])
def test_other_content_is_an_alarm_kept_and_acked(kit: Any, store: Store, what: str) -> None:
    city = sealed_city(kit, store)
    rows = columns.decode(kit.records(30, 10, 4.0)).copy()
    if what == "stamp":
        rows["t_lo"][5] += 1
    else:
        rows[what][5] = {"value": 4.5, "quality": 3, "channel": 1}[what]
    turn(city, store, kit, replace(kit.batch(30, 10), records=rows.tobytes()))
    asyncio.run(housekeeping.compare_once(store, city))
    assert acked(turn(city, store, kit)) == [(30, 40)]
    assert (city.ingest.conflicts, store.conflicts()) == (1, 1)
    assert "contradict" in status.health(city, city.now(T), zap_alive=True)["reasons"][0]
    kept = store.committer.read(lambda c: c.execute("SELECT stored FROM quarantine").fetchone()[0])
    assert kept == rows.tobytes()
    asyncio.run(housekeeping.compare_once(store, city))
    assert store.received()[kit.thing, kit.boot].to_list() == [(0, 120)]


def test_a_batch_over_hot_sealed_and_new_samples(kit: Any, store: Store) -> None:
    city = sealed_city(kit, store)
    records = b"".join(kit.records(at * 10, 10, 1.0 + at) for at in range(9, 13))
    batch = replace(kit.batch(90, 40), records=records)
    assert acked(turn(city, store, kit, batch)) == [(100, 130)]
    asyncio.run(housekeeping.compare_once(store, city))
    assert acked(turn(city, store, kit)) == [(90, 100)]
    assert (city.ingest.conflicts, city.ingest.stored[kit.thing, kit.boot].total()) == (0, 130)


def test_nan_and_minus_zero_are_compared_by_their_bits(kit: Any, store: Store) -> None:
    city = kit.city(store)
    rows = columns.decode(kit.records(0, 3)).copy()
    rows["value"] = [np.nan, -0.0, np.inf]
    batch = replace(kit.batch(0, 3), records=rows.tobytes())
    turn(city, store, kit, kit.info(), batch)
    asyncio.run(compactor.seal_once(store, city.registry, 0))
    turn(city, store, kit, batch)
    asyncio.run(housekeeping.compare_once(store, city))
    assert city.ingest.conflicts == 0
    rows["value"][1] = 0.0
    turn(city, store, kit, replace(batch, records=rows.tobytes()))
    asyncio.run(housekeeping.compare_once(store, city))
    assert city.ingest.conflicts == 1


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 40), st.booleans()), min_size=1, max_size=8),
    seals=st.lists(st.integers(0, 9), max_size=3),
)
def test_any_cut_is_judged_as_its_samples_are(kit: Any, tmp_path_factory: Any, cuts: Any, seals: list[int]) -> None:
    store = Store(tmp_path_factory.mktemp("s"))
    compactor.clean(store)
    city = kit.city(store)
    turn(city, store, kit, kit.info())
    for at in range(10):
        turn(city, store, kit, kit.batch(at * 10, 10))
        if at in seals:
            asyncio.run(compactor.seal_once(store, city.registry, 0))
    asyncio.run(compactor.seal_once(store, city.registry, 0))
    pieces: dict[Piece, bool] = {}
    for first, length, lies in cuts:
        n = min(length, 100 - first)
        rows = columns.decode(kit.records(first, n)).copy()
        rows["value"][n // 2] += int(lies)
        pieces[Piece("edge-1", kit.thing, kit.boot, first, n, rows.tobytes())] = not lies
    found = compactor.with_snapshot(
        store, lambda c: sealed_check.compare(store.folder, c, pieces, city.registry.manifest)
    )
    assert {piece: verdict.agrees for piece, verdict in found.items()} == pieces
    assert all(verdict.known for verdict in found.values())
    store.close()


def test_the_queue_is_bounded_and_keeps_no_piece_twice() -> None:
    doubts = Doubts(max_bytes=3 * (OVERHEAD + 12))
    pieces = [Piece("e", "t", "b", at, 1, b"x" * 12) for at in range(5)]
    for piece in [*pieces, *pieces]:
        doubts.add(piece)
    assert doubts.waiting() == pieces[:3]
    assert doubts.turned_away == 4
    doubts.done(pieces[:2])
    doubts.add(pieces[4])
    assert doubts.waiting() == [pieces[2], pieces[4]]
