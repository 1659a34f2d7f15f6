"""After a restore: the epoch in every hello and task, and which samples and gaps the city still has."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.backup.reconcile import MAX_ASKS, PARTS_PER_TURN, Reconcile, stored_parts
from aggregator.errors import PeerError
from aggregator.store.store import Store, Writes
from protocol import city_link
from protocol.city_link import CityHello, EdgeHello, GapRecord, Stored, StoredAsk
from protocol.ranges import Ranges

US = 1_000_000
T = 1000 * US


def set_epoch(store: Store, epoch: int) -> None:
    store.committer.run(lambda c: c.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (epoch,)) and None)
    store.epoch = epoch


def stored(sends: list[Any]) -> list[Stored]:
    return [message for _, message in sends if isinstance(message, Stored)]


def test_the_epoch_is_durable_and_told(kit: Any, store: Store) -> None:
    assert Store(store.folder).epoch == 0
    set_epoch(store, 77)
    again = Store(store.folder)
    assert again.epoch == 77
    city = kit.city(again)
    (hello,) = [m for _, m in kit.give(city, T, EdgeHello(2, "edge-1", "eb-1", 5)) if isinstance(m, CityHello)]
    assert (hello.epoch, hello.start) == (77, "start-1")
    again.close()


async def commit(kit: Any, store: Store, city: Any, *messages: Any) -> None:
    now = city.now(T)
    group = city.take([kit.received("edge-1", *city_link.encode(m)) for m in messages], now)
    await store.commit(Writes(group))
    city.committed(group, now)


def test_an_edge_learns_what_is_durably_here(kit: Any, store: Store) -> None:
    set_epoch(store, 5)
    city = kit.city(store)
    gap = GapRecord(kit.thing, kit.boot, 9, 70, 80, "overflow", kit.thing)
    asyncio.run(commit(kit, store, city, kit.info(), kit.batch(0, 10), kit.batch(20, 5), gap))
    ask = StoredAsk(kit.thing, kit.boot)
    assert stored(kit.give(city, T, ask)) == [Stored(kit.thing, kit.boot, 5, [(0, 10), (20, 25)], [9], 0, 1)]
    assert stored(kit.give(city, T, StoredAsk(kit.thing, "0000000b-7")))[0].ranges == []
    assert not stored(kit.give(city, T, ask, edge="edge-2"))
    assert city.refused == {"foreign_thing": 1}


@given(spans=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 3)), max_size=900), gaps=st.integers(0, 3000))
def test_parts_together_are_the_whole(spans: Any, gaps: int) -> None:
    ranges = Ranges((a, a + n) for a, n in spans)
    parts = list(stored_parts(("t", "b"), 3, ranges, list(range(gaps))))
    assert [(p.part, p.parts) for p in parts] == [(at, len(parts)) for at in range(len(parts))]
    assert [span for p in parts for span in p.ranges] == ranges.to_list()
    assert [gap for p in parts for gap in p.gaps] == list(range(gaps))
    assert all(city_link.decode(city_link.encode(p)) == p for p in parts)


def test_answers_are_paced_and_questions_bounded() -> None:
    many = Ranges((at * 2, at * 2 + 1) for at in range(256 * 40))
    reconcile = Reconcile(1, lambda _: (many, []))
    for at in range(MAX_ASKS):
        reconcile.ask("edge-1", ("t", f"b-{at}"))
        reconcile.ask("edge-1", ("t", f"b-{at}"))
    with pytest.raises(PeerError, match="at once"):
        reconcile.ask("edge-1", ("t", "one more"))
    told = []
    while parts := reconcile.due(["edge-1", "edge-2"]):
        assert len(parts) <= PARTS_PER_TURN
        told += [(part.boot, part.part) for _, part in parts]
    assert told == [(f"b-{at}", part) for at in range(MAX_ASKS) for part in range(40)]
    reconcile.ask("edge-1", ("t", "b"))
    reconcile.lost("edge-1")
    assert reconcile.due(["edge-1"]) == []
