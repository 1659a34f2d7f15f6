"""A turn keeps its order also when the disk is full: nothing is acked or ordered that is not saved."""

import asyncio
from typing import Any

from aggregator.store.store import Store, Writes
from aggregator.turns import Turns
from durable import DiskFullError
from protocol import city_link
from protocol.city_link import Ack, LeaseState, TaskOrder

US = 1_000_000
T = 1000 * US


class Disk:
    """A store that can be full; `saved` lists what was written."""

    def __init__(self, store: Store) -> None:
        self.store, self.full = store, False
        self.tasks: list[bytes] = []

    async def commit(self, writes: Writes) -> None:
        if self.full:
            raise DiskFullError("full")
        self.tasks += [record.task.task_id for record in writes.tasks]
        await self.store.commit(writes)


class Rig:
    """A city that may decide, its turns, and what it sent."""

    def __init__(self, kit: Any, store: Store) -> None:
        self.kit, self.now_us = kit, T
        self.city = kit.city(store)
        self.disk = Disk(store)
        self.sent: list[Any] = []
        self.turns = Turns(self.city, self.disk, self._send, lambda: self.city.now(self.now_us))

    def _send(self, routing_id: bytes, parts: list[bytes]) -> bool:
        self.sent.append(city_link.decode(parts))
        return True

    def turn(self, now_us: int, *messages: Any) -> list[Any]:
        self.now_us, self.sent = now_us, []
        received = [self.kit.received("edge-1", *city_link.encode(message)) for message in messages]
        asyncio.run(self.turns.turn(received))
        return self.sent


def of(sent: list[Any], kind: type) -> list[Any]:
    return [message for message in sent if isinstance(message, kind)]


def test_an_order_that_could_not_be_saved_leaves_only_once_it_is(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    rig.turn(T, kit.info(), kit.heartbeat(5 * US, 0), LeaseState("river-1/opening", "city", 7, 8 * US))
    rig.city.host.engine.arrive("river-1/water_level", [rig.city.clock.event_utc_us(T + 1000)], [1.0], [0.1], [1])
    rig.disk.full = True
    assert of(rig.turn(T + 10_000), TaskOrder) == []
    assert of(rig.turn(T + 600_000), TaskOrder) == [], "sent again before it was saved"
    rig.disk.full = False
    orders = of(rig.turn(T + 1_200_000), TaskOrder)
    assert len(orders) == 1 and len(rig.disk.tasks) == 1


def test_what_could_not_be_stored_is_not_acked_and_its_account_is_saved_later(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    rig.disk.full = True
    assert of(rig.turn(T, kit.info(), kit.heartbeat(5 * US, 1), kit.batch(0, 1)), Ack) == []
    rig.disk.full = False
    assert len(of(rig.turn(T + US, kit.batch(0, 1)), Ack)) == 1
    assert store.accounts()["river-1", kit.boot].sent == 1
    assert [info.thing for _, info, _ in store.things()] == ["river-1"]


def test_the_first_turn_saves_where_the_processes_began(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    assert store.engine() is None
    rig.turn(T, kit.info())
    first = store.engine()
    assert first is not None, "what arrives before the next snapshot would be too old for another start"
    rig.turn(T + US, kit.batch(0, 10))
    assert store.engine() == first
    rig.turn(T + 6 * US)
    newer = store.engine()
    assert newer is not None and newer[0] > first[0]
