"""The core without sockets: who may say what, hello, clocks, ledger, status, latest, estimates, latency."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.ingest import joined
from aggregator.ledger import view as ledger_view
from aggregator.ledger.view import Accounts
from aggregator.link.sessions import Session
from aggregator.link.zap import DOMAIN, Allowed, judge, reply
from aggregator.pages import latency, status
from aggregator.pages.api import make_api
from aggregator.store.store import Store, Writes
from protocol.city_link import CityHeartbeat, CityHello, EdgeHello, GapRecord, Heartbeat

US = 1_000_000
T = 1000 * US


def table(city: Any, now_us: int = T) -> Any:
    rows = ledger_view.account_rows(*status.ledger_args(city, city.now(now_us)))
    return ledger_view.ledger_table(rows, city.ingest.contradictions.rows())


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [(0, b"2.0", "zap_malformed"), (2, b"other", "zap_domain"), (5, b"NULL", "zap_mechanism"),
     (6, b"x" * 32, "unknown_key"), (6, b"short", "zap_mechanism")],
)  # fmt: skip
def test_the_gate_fails_closed(place: int, value: bytes, reason: str) -> None:
    request = [b"1.0", b"7", DOMAIN, b"127.0.0.1", b"", b"CURVE", b"k" * 32]
    allowed = Allowed({b"k" * 32: "edge-1/ab"})
    assert reply(request, judge(request, allowed)) == [b"1.0", b"7", b"200", b"OK", b"edge-1/ab", b""]
    request[place] = value
    verdict = judge(request, allowed)
    assert (reply(request, verdict)[2], reply(request, verdict)[4], verdict.reason) == (b"400", b"", reason)
    assert judge(request[:3], allowed).reason == "zap_malformed"


def test_an_unknown_connection_is_greeted_once_and_a_hello_is_answered(kit: Any, store: Store) -> None:
    city = kit.city(store)
    first = kit.give(city, T, kit.batch(0, 1))
    assert [m for _, m in first if isinstance(m, CityHello)] == [CityHello(2, city.start)]
    assert not [m for _, m in kit.give(city, T, kit.batch(1, 1)) if isinstance(m, CityHello)]
    hello = EdgeHello(1, "edge-1", "eb-1", 5)
    assert [m for _, m in kit.give(city, T, hello) if isinstance(m, CityHello)]


def test_the_sender_is_who_its_key_says(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, EdgeHello(1, "edge-2", "eb-1", 5), edge="edge-1")
    kit.give(city, T, kit.info(), edge="edge-1")
    kit.give(city, T, kit.batch(0, 4), edge="edge-2")
    assert city.refused == {"impostor": 1, "foreign_thing": 1}
    assert not city.ingest.stored


def test_a_thing_moves_only_from_an_edge_that_is_gone(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.info())
    kit.give(city, T + US, kit.info(), edge="edge-2")
    assert (city.refused, city.registry.moved) == ({"foreign_thing": 1}, 0)
    kit.give(city, T + US, kit.batch(0, 4))
    assert city.ingest.stored[kit.thing, kit.boot].to_list() == [(0, 4)]
    assert status.status(city, city.now(T + US))["refused"] == {"foreign_thing": 1}
    kit.give(city, T + 7 * US, kit.info(), edge="edge-2")
    assert (city.registry.edge_of(kit.thing), city.registry.moved) == ("edge-2", 1)
    city.unsent("edge-2")
    kit.give(city, T + 7 * US, kit.info())
    assert (city.registry.edge_of(kit.thing), city.registry.moved) == ("edge-1", 2)
    assert city.refused == {"foreign_thing": 1}


def test_an_edge_never_speaks_for_another_edges_own_id(kit: Any, store: Store) -> None:
    city = kit.city(store)
    info = replace(kit.info(), thing="edge-1")
    batch = replace(kit.batch(0, 1), thing="edge-1")
    kit.give(city, T + 60 * US, batch, info, edge="edge-2")
    assert city.refused == {"foreign_thing": 2}
    kit.give(city, T + 60 * US, info, batch)
    assert city.registry.edge_of("edge-1") == "edge-1"
    assert ("edge-1", kit.boot) in city.ingest.stored


@settings(deadline=None)  # each example opens a store
@given(parts=st.lists(st.binary(max_size=80), max_size=4))
def test_garbage_is_refused_and_counted(kit: Any, tmp_path_factory: Any, parts: list[bytes]) -> None:
    store = Store(tmp_path_factory.mktemp("g"))
    city = kit.city(store)
    stranger = kit.received("edge-1", b"", b"")._replace(edge="nobody")
    group = city.take([kit.received("edge-1", *parts), stranger], city.now(T))
    assert not group.frames
    assert city.refused == {"malformed": 1, "unknown_key": 1}
    store.close()


def test_the_ledger_balances_with_live_buffered_lost_and_missing(kit: Any, store: Store) -> None:
    city = kit.city(store)
    gap = GapRecord(kit.thing, kit.boot, 1, 70, 80, "overflow", kit.thing)
    kit.give(city, T, kit.info(), kit.batch(0, 50), gap, kit.heartbeat(5, 100, [(50, 70), (80, 100)]))
    kit.give(city, T, kit.batch(100, 20))
    row = table(city)["accounts"][0]
    assert (row["sent"], row["stored"], row["buffered"], row["declared_lost"]) == (100, 50, 40, 10)
    assert table(city)["balanced"]
    kit.give(city, T, kit.heartbeat(5, 130, [(50, 70), (80, 100)]))
    assert table(city)["totals"]["unexplained"] == 10
    assert table(city)["accounts"][0]["unexplained_ranges"] == [[120, 130]]
    assert not table(city)["balanced"]


def test_without_an_account_the_unbroken_part_counts(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.batch(0, 50), kit.batch(60, 10))
    assert table(city)["totals"]["sent"] == table(city)["totals"]["stored"] == 50


def test_what_is_stored_beyond_the_last_account_counts_as_sent(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.info(), kit.heartbeat(5, 30, [(20, 30)]), kit.batch(0, 40), kit.batch(50, 10))
    totals = table(city)["totals"]
    assert (totals["sent"], totals["stored"], totals["buffered"], totals["unexplained"]) == (40, 40, 0, 0)


def test_accounts_outlive_a_restart_and_tell_their_age(kit: Any, store: Store) -> None:
    city = kit.city(store)
    now = city.now(T)
    kit.give(city, T, kit.info(), kit.heartbeat(5, 40, [(0, 40)]))
    asyncio.run(store.commit(Writes(accounts=city.accounts.take_changed())))
    again = kit.city(store)
    row = table(again, T + 10**15)["accounts"][0]
    assert (row["sent"], row["buffered"], row["reported_utc_us"]) == (40, 40, now.utc_us)
    assert row["offline_since_utc_us"] is not None
    assert again.accounts.take_changed() == {}


def test_an_account_counts_only_from_the_edge_that_introduced_the_thing(kit: Any, store: Store) -> None:
    city = kit.city(store)
    beat = kit.heartbeat(5, 4_000_000)
    kit.give(city, T, beat)
    assert (city.refused, city.accounts.by_key) == ({"foreign_account": 1}, {})
    kit.give(city, T, kit.info(), kit.batch(0, 10), kit.heartbeat(5, 10))
    own = {**beat.accounts[0], "thing": "edge-2"}
    other = replace(beat, edge="edge-2", accounts=[*beat.accounts, own])
    kit.give(city, T, other, edge="edge-2")
    assert city.refused == {"foreign_account": 2}
    assert city.sessions.by_edge["edge-2"].boot == "eb-1"
    rows = {row["thing"]: (row["edge"], row["sent"]) for row in table(city)["accounts"]}
    assert rows == {kit.thing: ("edge-1", 10), "edge-2": ("edge-2", 4_000_000)}


def test_unchanged_accounts_are_not_written_again(kit: Any) -> None:
    accounts = Accounts()
    for _ in range(2):
        accounts.take("edge-1", kit.heartbeat(5, 40).accounts, 1)
        changed = accounts.take_changed()
    assert changed == {}


def test_a_silent_edge_is_one_incident_with_its_last_words(kit: Any, store: Store) -> None:
    city = kit.city(store)
    board = {"thing": "river-1", "faults": [{"thing": "river-1", "chip": "a02yyuw", "check": "the wire"}]}
    kit.give(city, T, kit.info(), kit.heartbeat(5, 0, boards=[board]))
    live = status.status(city, city.now(T + US))
    assert live["incidents"] == []
    assert live["faults"] == [{"edge": "edge-1", **board["faults"][0]}]
    assert live["edges"][0]["health_age_s"] == 1.0
    late = status.status(city, city.now(T + 6 * US))
    incident = next(i for i in late["incidents"] if i["edge"] == "edge-1")
    assert (incident["kind"], incident["since_utc_us"]) == ("edge_offline", city.now(T).utc_us)
    since = f"{datetime.fromtimestamp(city.now(T).utc_us / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert incident["text"] == f"edge-1 offline since {since}", "as in city ledger"
    assert late["edges"][0]["health"]["boards"] == [board]
    assert late["faults"] == []


def test_a_revoked_edge_is_told_from_a_silent_one(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.info(), kit.heartbeat(5, 0))
    city.ring.revoke("edge-1")
    late = status.status(city, city.now(T + 6 * US))
    (edge,) = [row for row in late["edges"] if row["edge"] == "edge-1"]
    assert (edge["online"], edge["revoked"]) == (False, True)
    (incident,) = [row for row in late["incidents"] if row.get("edge") == "edge-1"]
    assert incident["text"].endswith("its keys are revoked: to let it in again, city keys enroll edge-1")


def fetch(city: Any, path: str) -> Any:
    return TestClient(make_api(lambda: city, lambda: city.now(T), lambda: True)).get(path)


@pytest.mark.parametrize(
    "value", [b"\xff", {"deep": [b""]}, float("nan"), [float("inf")], {"map": {1: 2}}, [[[[[[[[1]]]]]]]]]
)
def test_health_that_is_no_json_is_refused_and_the_former_stays(kit: Any, store: Store, value: Any) -> None:
    city = kit.city(store)
    good = kit.heartbeat(5, 0, text="x", number=1.5, none=None, flag=True, deep={"a": [{"b": [1]}]})
    kit.give(city, T, kit.info(), good)
    kit.give(city, T, kit.heartbeat(6, 0, odd=value))
    assert sum(city.refused.values()) == 1
    answer = fetch(city, "/status")
    assert answer.status_code == 200
    assert answer.json()["edges"][0]["health"] == good.health


@pytest.mark.parametrize("value", [5, "x", [5], {"a": 5}, [{"faults": 5}], {"a": {"n": "x"}}])
def test_health_of_an_odd_shape_breaks_no_page(kit: Any, store: Store, value: Any) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.info(), kit.heartbeat(5, 0, boards=value, latency=value))
    assert not city.refused
    for path in ("/status", "/latency", "/health", "/ledger"):
        assert fetch(city, path).status_code == 200


def test_latest_shows_value_age_quality_unit_sigma_and_source(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.info(), kit.batch(0, 5, 1.5))
    kit.give(city, T, kit.batch(10, 1, float("nan")))
    now_utc_us = kit.clock.ref_utc_us + 3 * US
    (row,) = city.host.latest.rows(city.registry, now_utc_us, 1.0, T)
    assert row["value"] is None and row["age_s"] == 2.0 and row["unit"] == "m"
    assert (row["quality"], row["quality_name"], row["source"], row["sigma"]) == (
        1,
        "good",
        "measured",
        0.002,
    )
    kit.give(city, T, kit.batch(5, 5, 1.5))
    assert city.host.latest.rows(city.registry, now_utc_us, 1.0, T)[0]["value"] is None


def test_latest_and_engine_state_are_rebuilt_at_start(kit: Any, store: Store) -> None:
    city = kit.city(store)
    city.host.advance(city.now(T).utc_us)
    now = city.now(T)
    kit.give(city, T, kit.info())
    things, city.introduced = city.introduced, []
    city.ingest.take_batch("edge-1", kit.batch(0, 5, 1.5), T)
    group = city.ingest.close_group()
    asyncio.run(store.commit(Writes(group, things, frozen=city.host.engine.freeze())))
    again = kit.city(store)
    assert again.host.latest.by_id["river-1/water_level"].value == 1.5
    assert again.registry.thing_rows()[0]["thing"] == "river-1"
    assert again.ingest.stored == {(kit.thing, kit.boot): again.ingest.stored[kit.thing, kit.boot]}
    assert now.us == T


def test_a_contradicting_piece_is_kept_and_counted_after_a_restart(kit: Any, store: Store) -> None:
    city = kit.city(store)
    for batch in (kit.batch(0, 8), kit.batch(4, 8, 2.0), kit.batch(0, 8)):
        city.ingest.take_batch("edge-1", batch, T)
        group = city.ingest.close_group()
        asyncio.run(store.commit(Writes(group)))
        city.ingest.committed(group)
    query = "SELECT source, key, reason, stored FROM quarantine"
    rows = store.committer.read(lambda connection: connection.execute(query).fetchall())
    key = f"{kit.thing}/{kit.boot}/4+4"
    assert rows == [("batches", key, "conflict", kit.records(4, 4, 2.0))]
    assert city.ingest.conflicts == 1
    store.close()
    opened = Store(store.folder)
    again = kit.city(opened)
    assert again.ingest.conflicts == 1
    assert again.ingest.stored[kit.thing, kit.boot].to_list() == [(0, 12)]
    assert not status.health(again, again.now(T), zap_alive=True)["ok"]
    opened.close()


def test_a_conflict_that_could_not_be_committed_counts_when_it_comes_again(kit: Any, store: Store) -> None:
    city = kit.city(store)
    for _ in range(2):
        city.ingest.take_batch("edge-1", kit.batch(0, 8), T)
        city.ingest.take_batch("edge-1", kit.batch(0, 8, 2.0), T)
        city.ingest.abandoned(city.ingest.close_group())
    assert city.ingest.conflicts == 0


def test_estimates_show_band_alarm_and_probability(kit: Any, store: Store) -> None:
    city = kit.city(store)
    batch = kit.batch(0, 1, 1.0)
    clock = type(kit.clock)(0, city.clock.event_utc_us(T), 1.0, 1.0, True)
    kit.give(city, T, kit.info(), type(batch)(**{**vars(batch), "clock": clock}))
    (row,) = city.host.rows()
    assert row["exceedance_probability"] == 0.75
    assert {"name", "valid_utc_us", "mean", "sigma", "q05", "q95"} == set(row["estimates"][0])
    assert row["alarms"] == [{"key": "flood", "severity": 3, "probability": 0.75}]


def test_frames_of_one_board_are_joined_and_end_with_the_newest_sample(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.info())
    for first in (100, 0, 10):
        city.ingest.take_batch("edge-1", kit.batch(first, 10, 1.5), T)
    frames = [(frame, T) for frame in city.ingest.close_group().frames]
    ((one, stored_us, spans),) = joined(frames)
    assert (one.first + one.n, one.n, stored_us) == (110, 30, T)
    assert spans == [(100, 10), (0, 10), (10, 10)]
    assert one.records == kit.records(100, 10, 1.5) + kit.records(0, 20, 1.5)


def test_clock_offsets_come_from_the_fastest_round_trip() -> None:
    session = Session("edge-1", connected=True)
    for now, echo, edge in ((1000_000, 999_000, 7_999_600), (2_000_000, 1_900_000, 9_030_000)):
        session.beat(Heartbeat("edge-1", "b", edge, echo), now)
    assert session.round_trip_us() == 1000
    assert session.offset_us() == 7_999_600 + 500 - 1_000_000
    session.beat(Heartbeat("edge-1", "b2", 5, 0), 3_000_000)
    assert session.offset_us() is None
    assert session.edge_now_us(3_000_100) == 105
    assert session.edge_now_us(5_100_000) is None


def test_heartbeats_go_out_twice_a_second_with_an_aged_echo(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.heartbeat(5 * US, 0))
    beats = []
    for ms in range(100, 2000, 100):
        beats += [m for _, m in city.think(city.now(T + ms * 1000)) if isinstance(m, CityHeartbeat)]
    assert [b.echo_edge_us - 5 * US for b in beats] == [b.city_us - T for b in beats]
    assert [b.city_us - T for b in beats] == [500_000, 1_000_000, 1_500_000]


def test_hops_of_a_task_are_told_apart_and_merged_with_the_edges() -> None:
    hops = latency.Hops()
    stamps = {"sample": 0, "city_store": 4, "city_tx": 9, "edge_rx": 112, "edge_tx": 115, "board_act": 130}
    latency.task_hops(hops, {k: v * 1_000_000 for k, v in stamps.items()}, 100_000)
    table = latency.merged(hops.summary(), [{"acquire_to_edge": {"n": 3, "p50_ms": 1, "p99_ms": 2}}])
    found = {hop: row["p50_ms"] for hop, row in table.items()}
    assert found == {
        "acquire_to_edge": 1, "city_decide": 5.0, "city_to_edge": 3.0, "edge_guard": 3.0,
        "board_act": 15.0, "sample_to_act": 130.0,
    }  # fmt: skip
    assert list(table) == [hop for hop in latency.HOPS if hop in table]


def test_an_account_never_takes_back_what_was_sent(kit: Any, store: Store) -> None:
    city = kit.city(store)
    kit.give(city, T, kit.info(), kit.batch(0, 10), kit.heartbeat(5, 100, [(10, 50)]))
    kit.give(city, T, kit.heartbeat(6, 10))
    (account,) = city.accounts.by_key.values()
    assert (account.sent, account.buffered) == (100, []), "an edge with an older journal knows less than it said"


def test_what_an_edge_quarantines_is_saved_as_well(kit: Any, store: Store) -> None:
    city = kit.city(store)
    told = {"thing": kit.thing, "boot": kit.boot, "sent": 100, "buffered": []}
    kit.give(city, T, kit.info(), Heartbeat("edge-1", "eb-1", 1, 0, [told], {}))
    city.accounts.take_changed()
    kit.give(city, T, Heartbeat("edge-1", "eb-1", 2, 0, [told], {}))
    assert not city.accounts.take_changed()
    kit.give(city, T, Heartbeat("edge-1", "eb-1", 3, 0, [{**told, "quarantined": [(10, 100)]}], {}))
    assert [account.quarantined for account in city.accounts.take_changed().values()] == [[(10, 100)]]
