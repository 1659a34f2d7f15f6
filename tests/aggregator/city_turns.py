"""Turns of a city core with a real store, for tests."""

import asyncio
from typing import Any

from aggregator.store import compactor
from aggregator.store.store import Store, Writes
from protocol import city_link
from protocol.city_link import Ack

T = 1_000_000_000


def turn(city: Any, store: Store, kit: Any, *messages: Any) -> list[Ack]:
    """One turn with a real commit; the acks."""
    now = city.now(T)
    group = city.take([kit.received("edge-1", *city_link.encode(m)) for m in messages], now)
    introduced, city.introduced = city.introduced, []
    asyncio.run(store.commit(Writes(group, introduced)))
    return [message for _, message in city.committed(group, now) if isinstance(message, Ack)]


def sealed_city(kit: Any, store: Store) -> Any:
    """A city that sealed 100 samples of 10 commits, and has 20 hot ones."""
    city = kit.city(store)
    turn(city, store, kit, kit.info())
    for at in range(12):
        turn(city, store, kit, kit.batch(at * 10, 10, 1.0 + at))
    asyncio.run(compactor.seal_once(store, city.registry, 2))
    return city


def acked(acks: list[Ack]) -> list[tuple[int, int]]:
    return [span for ack in acks for span in ack.ranges]
