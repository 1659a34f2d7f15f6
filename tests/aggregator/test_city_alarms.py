"""Alarms at the city: what stands, what people do to it, and that edge nodes hear of it exactly as often as needed."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aggregator.alarms.acts import MAX_ACTS, Act
from aggregator.alarms.api import add_alarm_pages
from aggregator.city import City
from aggregator.operators.gate import Gate, install
from aggregator.operators.people import Zones, of_roles
from aggregator.store.store import Store, Writes
from processes.alarms.actions import Action
from processes.engine import Engine
from protocol import city_link
from protocol.city_link import AlarmAct

from .conftest import T_US

S = 1_000_000
HOUR = 3600.0
PEOPLE = {"anna": of_roles("anna", {"river": "operator"}), "zoe": of_roles("zoe", {"sea": "operator"}),
          "vic": of_roles("vic", {"*": "viewer"})}  # fmt: skip


class Desk:
    """A city with its pages, on a store of its own."""

    def __init__(self, kit: Any, store: Store, **changes: Any) -> None:
        self.kit, self.store, self.at_us = kit, store, T_US
        self.city: City = kit.city(store, **changes)
        self.audit: list[dict[str, Any]] = []
        self.web = TestClient(self._api())

    def now(self) -> Any:
        return self.city.now(self.at_us)

    def _api(self) -> FastAPI:
        api = FastAPI()
        add_alarm_pages(api, self, self.audit.extend)  # type: ignore[arg-type]
        zones = Zones({"river": ("river-*",), "sea": ("sea-*",)})
        install(api, Gate(person_of=PEOPLE.get, zones=zones, owner_on_socket=True))
        return api

    def hear(self, *messages: Any, edge: str = "edge-1") -> list[Any]:
        self.at_us += S
        return list(self.kit.give(self.city, self.at_us, *messages, edge=edge))

    def level(self, first: int, n: int = 1) -> list[Any]:
        """Let samples arrive that make the process report its alarm."""
        clock = type(self.kit.clock)(-first * 100_000, self.city.clock.event_utc_us(self.at_us), 1.0, 1.0, True)
        return self.hear(replace(self.kit.batch(first, n), clock=clock))

    def post(self, what: str, who: str = "", key: str = "flood", instance: str = "opener", **body: Any) -> Any:
        self.at_us += 1
        headers = {"Authorization": f"Bearer {who}"} if who else {}
        return self.web.post(f"/alarms/{instance}/{key}/{what}", json=body, headers=headers)

    def states(self) -> list[tuple[str, str]]:
        return [(row["key"], row["state"]) for row in self.web.get("/alarms").json()]


@pytest.fixture
def desk(kit: Any, store: Store) -> Desk:
    made = Desk(kit, store)
    made.hear(kit.info())
    made.level(0)
    return made


def acts(sent: list[Any]) -> list[AlarmAct]:
    return [message for _, message in sent if isinstance(message, AlarmAct)]


def running(kit: Any, boottime_us: int, *instances: str, **more: Any) -> Any:
    return kit.heartbeat(boottime_us, 1, processes=[{"instance": name, **more} for name in instances])


def test_an_alarm_is_listed_acknowledged_shelved_and_unshelved(desk: Desk) -> None:
    (row,) = desk.web.get("/alarms").json()
    assert (row["instance"], row["key"], row["state"], row["severity"], row["where"]) == (
        "opener", "flood", "unacknowledged", 3, "city")  # fmt: skip
    told = desk.post("ack", reason="seen it")
    assert told.status_code == 200 and (told.json()["state"], told.json()["acked_by"]) == ("acknowledged", "local")
    assert desk.post("ack").json()["detail"]["reason"] == "wrong_state"
    shelved = desk.post("shelve", for_s=HOUR, reason="the gauge is being cleaned").json()
    assert shelved["shelf"]["until_utc_us"] - shelved["shelf"]["since_utc_us"] == HOUR * S
    assert desk.states() == [("flood", "shelved")]
    assert desk.post("unshelve").json()["state"] == "unacknowledged"
    assert [(line["event"], line["who"], line["key"], line["reason"]) for line in desk.audit] == [
        ("alarm_ack", "local", "flood", "seen it"),
        ("alarm_shelve", "local", "flood", "the gauge is being cleaned"), ("alarm_unshelve", "local", "flood", ""),
    ]  # fmt: skip


def test_filters(desk: Desk) -> None:
    for query, n in (("state=shelved", 0), ("state=unacknowledged", 1), ("min_severity=4", 0), ("instance=x", 0),
                     ("instance=opener&min_severity=3", 1), ("limit=0", 0), ("offset=1", 0)):  # fmt: skip
        assert len(desk.web.get(f"/alarms?{query}").json()) == n, query


@pytest.mark.parametrize(
    ("what", "body", "status", "reason"),
    [("ack", {"key": "none"}, 404, "unknown_alarm"), ("ack", {"instance": "none"}, 404, "unknown_instance"),
     ("unshelve", {}, 409, "wrong_state"), ("shelve", {"for_s": 9 * HOUR, "reason": "long"}, 409, "too_long")],
)  # fmt: skip
def test_what_is_refused_says_why_and_leaves_no_trace(
    desk: Desk, what: str, body: dict[str, Any], status: int, reason: str
) -> None:
    told = desk.post(what, **body)
    assert (told.status_code, told.json()["detail"]["reason"]) == (status, reason)
    assert (desk.audit, desk.states()) == ([], [("flood", "unacknowledged")])


def test_a_shelf_needs_a_reason_and_an_end(desk: Desk) -> None:
    for body in ({"for_s": HOUR}, {"reason": "because"}, {"for_s": HOUR, "reason": ""}, {"for_s": -1, "reason": "no"}):
        assert desk.post("shelve", **body).status_code == 422


def test_only_who_may_acknowledge_in_the_zone_of_its_actuator_may(desk: Desk) -> None:
    assert [desk.post("ack", who).status_code for who in ("nobody", "vic", "zoe", "anna")] == [401, 403, 403, 200]
    assert desk.audit[0]["who"] == "anna"


def test_edge_nodes_that_run_it_are_told_once_for_each_connection(desk: Desk) -> None:
    kit = desk.kit
    desk.hear(running(kit, 5, "opener"))
    desk.hear(city_link.EdgeHello(2, "edge-2", "b", 1))
    desk.post("ack")
    sent = desk.hear(running(kit, 6, "opener"))
    assert [edge for edge, message in sent if isinstance(message, AlarmAct)] == ["edge-1"]
    (act,) = acts(sent)
    assert (act.instance, act.what, act.key, act.who) == ("opener", "ack", "flood", "local")
    assert acts(desk.hear(running(kit, 7, "opener"))) == []
    desk.city.unsent("edge-1")
    assert acts(desk.hear()) == []
    assert acts(desk.hear(running(kit, 8, "opener"))) == [act]


def test_acts_outlive_the_city_and_do_not_count_twice(desk: Desk) -> None:
    asyncio.run(desk.store.commit(Writes(frozen=desk.city.host.engine.freeze())))
    desk.post("shelve", for_s=HOUR, reason="the gauge is being cleaned")
    again = Desk(desk.kit, desk.store)
    again.at_us = desk.at_us
    assert again.states() == [("flood", "shelved")]
    again.hear(desk.kit.info())
    assert [act.what for act in acts(again.hear(running(desk.kit, 9, "opener")))] == ["shelve"]
    again.post("unshelve")
    asyncio.run(desk.store.commit(Writes(frozen=again.city.host.engine.freeze())))
    assert Desk(desk.kit, desk.store).states() == [("flood", "unacknowledged")]


def test_an_edge_node_that_hears_the_act_has_the_same_alarm(desk: Desk) -> None:
    edge = Engine([desk.kit.instance()], "edge")
    for engine in (desk.city.host.engine, edge):
        engine.arrive("river-1/water_level", [desk.now().utc_us], [1.0], [0.1], [1])
        engine.advance(desk.now().utc_us)
    desk.hear(running(desk.kit, 5, "opener"))
    desk.post("shelve", for_s=HOUR, reason="the gauge is being cleaned")
    (act,) = acts(desk.hear())
    act = city_link.decode(city_link.encode(act))
    what = act.act_id, act.what, act.key, act.at_utc_us, act.until_utc_us, act.who, act.reason
    assert [edge.act(act.instance, *what), edge.act(act.instance, *what)] == [True, False]
    ours = [(n, s.key, s.state, s.shelf) for n, s in desk.city.host.engine.alarms()]
    assert [(n, s.key, s.state, s.shelf) for n, s in edge.alarms()] == ours and ours[0][2] == "shelved"


def test_alarms_of_a_process_that_only_an_edge_node_runs(kit: Any, store: Store) -> None:
    desk = Desk(kit, store, runs_on="edge")
    alarm = {"key": "flood", "state": "unacknowledged", "severity": 3, "probability": 0.7, "holds": True,
             "raised_utc_us": 5, "shelve_max_s": 60.0}  # fmt: skip
    said = {**alarm, "shelf": 7, "text": ["x"], "acked_by": {}, "acked_utc_us": "never", "html": "<b>"}
    strange = [{**alarm, "state": "on fire"}, {"key": 5}, "x", {**alarm, "severity": "3"}]
    desk.hear(kit.info(), running(kit, 5, "opener", alarms=[said, *strange]))
    (row,) = desk.web.get("/alarms").json()
    assert (row["shelf"], row["text"], row["acked_by"], row["acked_utc_us"], "html" in row) == (None, "", "", None, 0)
    assert (row["where"], row["edges"], row["state"]) == ("edge-1", ["edge-1"], "unacknowledged")
    assert desk.post("shelve", for_s=61, reason="too long").json()["detail"]["reason"] == "too_long"
    assert desk.post("shelve", for_s=60, reason="being mended").status_code == 200
    assert [act.what for act in acts(desk.hear())] == ["shelve"]
    assert desk.post("ack", key="x").status_code == 404


def test_a_full_disk_does_nothing_and_says_so(desk: Desk) -> None:
    def full(rows: Any) -> None:
        raise OSError(28, "No space left on device")

    api = FastAPI()
    parts = SimpleNamespace(city=desk.city, store=desk.store, now=desk.now)
    add_alarm_pages(api, parts, full)  # type: ignore[arg-type]
    install(api, Gate(owner_on_socket=True))
    told = TestClient(api).post("/alarms/opener/flood/ack", json={})
    assert (told.status_code, told.json()["detail"]["reason"]) == (507, "not_saved")
    assert desk.states() == [("flood", "unacknowledged")]


def test_only_the_newest_acts_are_kept(desk: Desk) -> None:
    from aggregator.alarms import rows  # noqa: PLC0415

    def fill(connection: Any) -> None:
        for at in range(MAX_ACTS + 5):
            rows.put(connection, Act("opener", Action(str(at), "ack", "flood", at, 0, "ann", "")))

    asyncio.run(desk.store.work(fill))
    kept = desk.store.committer.read(rows.newest)
    assert [act.action.id for act in kept] == [str(at) for at in range(5, MAX_ACTS + 5)]
