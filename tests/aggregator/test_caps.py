"""A hostile node is an enrolled one: whatever it invents, each cap is reached, refused by name, and others go on."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from aggregator.caps.caps import Caps, Load
from aggregator.caps.limits import LimitsSection
from aggregator.pages import status
from aggregator.store.store import Store, Writes
from protocol import city_link, tasks
from protocol import task_codes as codes
from protocol.city_link import Ack, CityHeartbeat, CityHello, EdgeHello, GapRecord, LeaseState, TaskReport, Wait
from protocol.epoch import believable

US = 1_000_000
T = 1000 * US
MIB = 1 << 20


def limited(kit: Any, store: Store, **limits: Any) -> Any:
    city = kit.city(store)
    city.caps = Caps.of(LimitsSection(**limits))
    city.ingest.quota = city.caps.quota
    return city


def acks(sends: list[Any]) -> int:
    return sum(isinstance(message, Ack) for _, message in sends)


@pytest.mark.parametrize(
    ("limits", "make", "reason", "allowed"),
    [
        ({"things_per_edge": 3}, lambda kit, at: replace(kit.batch(0, 1), thing=f"t-{at}"), "too_many_things", 3),
        ({"things_per_edge": 3}, lambda kit, at: replace(kit.info(), thing=f"t-{at}"), "too_many_things", 3),
        ({"streams_per_edge": 5}, lambda kit, at: replace(kit.batch(0, 1), boot=f"0000000a-{at}"),
         "too_many_streams", 5),
        ({"streams_per_edge": 5}, lambda kit, at: replace(kit.info(), boot=f"0000000a-{at}"), "too_many_streams", 5),
        ({"spans_per_edge": 4}, lambda kit, at: kit.batch(at * 2, 1), "too_many_spans", 4),
        ({"gaps_per_edge": 6}, lambda kit, at: GapRecord(kit.thing, kit.boot, at, 0, 5, "power", kit.thing),
         "too_many_gaps", 6),
        ({"gaps_per_edge": 6}, lambda kit, at: GapRecord(kit.thing, kit.boot, 1, 0, at + 1, "power", kit.thing),
         "too_many_gaps", 6),
    ],
)  # fmt: skip
def test_what_a_node_may_invent_is_bounded(
    kit: Any, store: Store, limits: Any, make: Any, reason: str, allowed: int
) -> None:
    city = limited(kit, store, **limits)
    for at in range(20):
        kit.give(city, T, make(kit, at))
    assert city.refused[reason] == 20 - allowed
    kit.give(city, T, replace(kit.batch(0, 10), thing="mine"), edge="edge-2")
    assert ("mine", kit.boot) in city.ingest.stored, "the others do not notice"


def test_links_begin_anew_when_memory_grows_above_its_cap_and_again_only_if_it_grows_on() -> None:
    caps = Caps.of(LimitsSection(memory_mb=100))
    seen = []
    for resident in (90, 100, 101, 150, 150, 213, 215, 120, 180, 185, 400, 90, 100, 160):
        caps.take_load(Load(1 << 40, resident * MIB))
        seen.append((resident, caps.takes_relief()))
    assert [resident for resident, relief in seen if relief] == [101, 215, 185, 160]
    assert caps.relieved == 4


def test_what_fills_a_hole_is_welcome_at_the_limit_of_holes(kit: Any, store: Store) -> None:
    city = limited(kit, store, spans_per_edge=4)
    kit.give(city, T, *(kit.batch(at * 2, 1) for at in range(5)))
    assert city.ingest.stored[kit.thing, kit.boot].count() == 4
    kit.give(city, T, kit.batch(1, 1), kit.batch(20, 1))
    assert city.ingest.stored[kit.thing, kit.boot].to_list() == [(0, 3), (4, 5), (6, 7), (20, 21)]


def test_manifests_of_ever_new_content_are_bounded_and_leave_nothing_behind(kit: Any, store: Store) -> None:
    city = limited(kit, store)
    for at in range(200):
        info = kit.info()
        info.manifest["channels"][0]["name"] = f"c-{at}"
        kit.give(city, T, info, kit.batch(at, 1))
    assert len(city.registry.channels) == 2
    assert len(city.host.latest.by_id) <= 2
    big = kit.info()
    big.manifest["board"] = "x" * 60
    city.caps.quota.manifest_bytes["edge-1"] = (16 << 20) - 10
    kit.give(city, T, big)
    assert city.refused == {"too_many_manifest_bytes": 1}


def test_the_same_manifest_of_many_boots_is_kept_once(kit: Any, store: Store) -> None:
    city = limited(kit, store)
    for at in range(50):
        kit.give(city, T, replace(kit.info(), boot=f"0000000a-{at}"))
    assert len({id(manifest) for manifest in city.registry.things[kit.thing].by_boot.values()}) == 1
    assert city.caps.quota.manifest_bytes["edge-1"] < 2000


def test_open_tasks_and_leases_of_a_node_are_bounded(kit: Any, store: Store) -> None:
    city = limited(kit, store, open_tasks_per_edge=4)
    kit.give(city, T, kit.info())
    for at in range(10):
        task = tasks.Task(bytes([at]) * 16, "river-1/opening", 0.9, 1000, "i", 1, "edge-1", "eb-1", 1, 7)
        kit.give(city, T, TaskReport(task.task_id, codes.ACCEPTED, 0, "", 0.1, {}, task=tasks.encode(task)))
        kit.give(city, T, LeaseState(f"river-1/opening-{at}", "edge", 1, 9 * US))
    assert len(city.dispatcher.book.open_records()) == 4
    assert city.refused == {"too_many_tasks": 6, "unknown_actuator": 10}
    assert not city.dispatcher.leases


def test_accounts_of_endless_boots_are_bounded(kit: Any, store: Store) -> None:
    city = limited(kit, store, streams_per_edge=10)
    beat = kit.heartbeat(5, 10)
    many = [{**beat.accounts[0], "boot": f"0000000a-{at}"} for at in range(40)]
    kit.give(city, T, kit.info(), replace(beat, accounts=many))
    assert len(city.accounts.by_key) == 10
    assert city.refused["too_many_streams"] == 30


def test_counts_go_on_after_a_restart(kit: Any, store: Store) -> None:
    city = kit.city(store)
    gap = GapRecord(kit.thing, kit.boot, 1, 5, 7, "power", kit.thing)
    now = city.now(T)
    messages = [kit.info(), kit.batch(0, 5), kit.batch(10, 5), gap]
    group = city.take([kit.received("edge-1", *city_link.encode(m)) for m in messages], now)
    asyncio.run(store.commit(Writes(group, city.introduced)))
    quota = kit.city(store).caps.quota
    counts = quota.streams["edge-1"], quota.spans["edge-1"], quota.gaps["edge-1"], quota.things["edge-1"]
    assert counts == (1, 2, 1, {"river-1"})


def test_a_full_disk_or_memory_pauses_and_is_told(kit: Any, store: Store) -> None:
    city = limited(kit, store, min_free_mb=100, memory_mb=500)
    for load, word in ((Load(99 * MIB, MIB), "disk"), (Load(200 * MIB, 501 * MIB), "memory")):
        city.caps.take_load(load)
        sends = kit.give(city, T, EdgeHello(2, "edge-1", "eb-1", 5), kit.batch(0, 10))
        assert acks(sends) == 0
        assert [m.credit for _, m in sends if isinstance(m, CityHello)] == [0]
        assert not city.ingest.stored
        assert word in status.health(city, city.now(T), zap_alive=True)["reasons"][0]
        assert word in status.status(city, city.now(T))["alarms"][0]
    city.caps.take_load(Load(200 * MIB, MIB))
    sends = kit.give(city, T + US, kit.batch(0, 10))
    assert acks(sends) == 1
    assert [m.credit for _, m in sends if isinstance(m, CityHeartbeat)] == [256]
    assert status.health(city, city.now(T), zap_alive=True)["ok"]


def test_who_has_to_wait_hears_nothing_else_and_has_no_effect(kit: Any, store: Store) -> None:
    city = limited(kit, store, hello_burst=1, hello_per_s=1)
    kit.give(city, T, EdgeHello(2, "edge-1", "eb-1", 5))
    sends = kit.give(city, T + 1000, EdgeHello(2, "edge-2", "eb-2", 5), replace(kit.batch(0, 4), thing="mine"),
                     edge="edge-2")  # fmt: skip
    told = [message for edge, message in sends if edge == "edge-2"]
    assert [type(message) for message in told] == [Wait]
    assert 900 < told[0].after_ms <= 1000
    assert ("mine", kit.boot) not in city.ingest.stored
    assert city.link("edge-2") is not None
    sends = kit.give(city, T + 1000 + told[0].after_ms * 1000, EdgeHello(2, "edge-2", "eb-2", 5), edge="edge-2")
    assert next(type(m) for edge, m in sends if edge == "edge-2") is CityHello


def test_a_flood_is_bounded_counted_and_does_not_reach_the_others(kit: Any, store: Store) -> None:
    city = limited(kit, store, credit_per_edge=8)
    kit.give(city, T, EdgeHello(2, "edge-1", "eb-1", 5))
    kit.give(city, T, EdgeHello(2, "edge-2", "eb-2", 5), edge="edge-2")
    kit.give(city, T, *(kit.batch(at * 10, 10) for at in range(100)))
    stored = city.ingest.stored[kit.thing, kit.boot].total() // 10
    assert stored <= 8 + 4
    assert city.refused["over_credit"] == 100 - stored
    kit.give(city, T, replace(kit.batch(0, 10), thing="mine"), edge="edge-2")
    assert ("mine", kit.boot) in city.ingest.stored


def test_an_edge_that_knows_a_later_epoch_is_an_alarm(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, EdgeHello(2, "edge-1", "eb-1", 5, 1, 77))
    assert "city restore" in status.health(city, city.now(T), zap_alive=True)["reasons"][0]
    kit.give(city, T, EdgeHello(2, "edge-1", "eb-1", 5, 1, 0))
    assert not city.later_epochs, "it knows none any more"


def test_an_absurd_epoch_of_an_edge_is_refused_and_no_alarm(kit: Any, store: Store) -> None:
    city = kit.city(store)
    for epoch in (2**63 - 1, believable(0) + 1):
        kit.give(city, T, EdgeHello(2, "edge-1", "eb-1", 5, 1, epoch))
    assert city.refused == {"absurd_epoch": 2} and not city.later_epochs
    kit.give(city, T, EdgeHello(2, "edge-1", "eb-1", 5, 1, believable(0)))
    assert city.later_epochs == {"edge-1": believable(0)}


def test_contradictions_are_kept_up_to_a_limit_and_counted_beyond(kit: Any, store: Store) -> None:
    city = kit.city(store)
    for at in range(9):
        now = city.now(T + at)
        batch = kit.batch(0, 10, value=float(at))
        group = city.take([kit.received("edge-1", *city_link.encode(batch))], now)
        asyncio.run(store.commit(Writes(group, quarantine_bytes=360)))
        city.committed(group, now)
    assert (city.ingest.conflicts, store.conflicts()) == (1, 3), "one range, told once"
