"""One cause, one incident: nodes, boards and sensors, and all that they take along."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.alarms import rows as kept
from aggregator.alarms import view
from aggregator.alarms.acts import Act
from aggregator.alarms.api import add_alarm_pages
from aggregator.alarms.causes import root_of
from aggregator.alarms.incidents import REOPEN_US, Cause, Incidents
from aggregator.alarms.watch import look_once, look_round
from aggregator.operators.gate import Gate, install
from aggregator.pages.status import status
from aggregator.store.store import Store
from cityreflex.commands.alarm_text import alarm_lines
from processes.alarms.actions import Action

from .conftest import T_US

S = 1_000_000
NODE = Cause("edge_offline", "edge-1", "edge-1 is offline", 5 * S, frozenset({"thing:river-1"}))


class Desk:
    """A city, its store and its pages, at a time that the test moves."""

    def __init__(self, kit: Any, store: Store, **changes: Any) -> None:
        self.kit, self.store, self.at_us = kit, store, T_US
        self.city = kit.city(store, **changes)
        api = FastAPI()
        add_alarm_pages(api, self, lambda rows: None)  # type: ignore[arg-type]
        install(api, Gate(owner_on_socket=True))
        self.web = TestClient(api)

    def now(self) -> Any:
        return self.city.now(self.at_us)

    def hear(self, *messages: Any, after_s: float = 1.0) -> None:
        self.at_us += round(after_s * S)
        self.kit.give(self.city, self.at_us, *messages)
        look_round(self.city, self.now())

    def beat(self, link: str = "up", faults: Any = (), **more: Any) -> Any:
        board = {"thing": "river-1", "link": link, "port": "/dev/ttyACM0", "hint": "", "faults": list(faults)}
        return self.kit.heartbeat(self.at_us, 1, boards=[board], **more)

    def quiet(self, seconds: float) -> None:
        """Let the whole world but edge-2 be silent, while process time goes on."""
        self.at_us += round(seconds * S)
        self.city.advance(self.now())
        look_round(self.city, self.now())

    def mine(self) -> list[Any]:
        return [i for i in self.city.incidents.open() if i.place != "edge-2"]


@pytest.fixture
def desk(kit: Any, store: Store) -> Desk:
    made = Desk(kit, store, every_s=1)
    made.hear(kit.info())
    made.hear(made.beat())
    assert made.mine() == []
    return made


def test_who_was_never_heard_is_starting_for_half_a_minute_and_then_offline(kit: Any, store: Store) -> None:
    begun = Desk(kit, store, every_s=1)
    begun.quiet(29)
    told = status(begun.city, begun.now())
    assert [(row["online"], row["starting"]) for row in told["edges"]] == [(False, True)] * 2
    assert not told["incidents"] and not begun.city.incidents.open()
    begun.quiet(2)
    told = status(begun.city, begun.now())
    assert [row["kind"] for row in told["incidents"]] == ["edge_offline"] * 2 and len(begun.city.incidents.open()) == 2
    assert not any(row["starting"] for row in told["edges"])


def test_a_board_that_is_starting_is_no_incident(desk: Desk) -> None:
    desk.hear(desk.beat("starting"))
    assert desk.mine() == []


def test_a_dead_node_is_one_incident_with_all_that_lies_behind_it(desk: Desk) -> None:
    desk.quiet(6)
    (incident,) = desk.mine()
    assert (incident.kind, incident.place, incident.end_utc_us) == ("edge_offline", "edge-1", None)
    assert {"thing:river-1", "datastream:river-1/water_level", "process:opener"} <= set(incident.members)
    before = incident.begin_utc_us
    desk.hear(desk.beat())
    assert desk.mine() == []
    ended = desk.city.incidents.by_id[incident.id]
    assert ended.begin_utc_us == before < (ended.end_utc_us or 0) == desk.now().utc_us


def test_a_dead_board_and_a_dead_sensor_are_told_apart_and_the_wider_cause_has_it(desk: Desk) -> None:
    fault = {"sensor": "level", "chip": "a02yyuw", "bus": "uart1", "what": "silent", "check": "the wire", "since": 77}
    desk.hear(desk.beat(faults=[fault]))
    (sensor,) = desk.mine()
    assert (sensor.kind, sensor.place, sensor.begin_utc_us) == ("sensor_fault", "river-1/level", 77)
    assert "process:opener" in sensor.members and "the wire" in sensor.text
    desk.hear(desk.beat(link="down", faults=[fault]))
    (board,) = desk.mine()
    assert (board.kind, board.place) == ("board_offline", "river-1")
    desk.quiet(6)
    node = next(i for i in desk.mine() if i.kind == "edge_offline")
    assert board.id in {i.id for i in desk.mine()}, "nobody can see whether the board behind a silent node is back"
    desk.hear(desk.beat())
    assert desk.mine() == []
    assert desk.city.incidents.by_id[node.id].end_utc_us is not None


def test_what_an_edge_node_doubts_for_long_is_an_incident_and_a_spike_is_none(desk: Desk) -> None:
    row = {"datastream": "river-1/water_level", "test": "flat_line", "since": 77, "what": "1 m for 6 h"}
    row["check"] = "touch it"
    spike = {**row, "datastream": "river-1/opening_feedback", "test": "rate_of_change"}
    desk.hear(desk.beat(quality={"rows": [row, spike]}))
    (doubt,) = desk.mine()
    assert (doubt.kind, doubt.place, doubt.begin_utc_us) == ("sensor_doubt", "river-1/water_level", 77)
    assert doubt.text == "river-1/water_level is doubted by edge-1 (flat_line): touch it" and doubt.members == ()
    desk.hear(desk.beat(quality={"rows": [{**row, "what": "1 m for 7 h"}]}))
    assert desk.mine() == [doubt], "what changes all the time is not kept"
    desk.quiet(6)
    assert doubt in desk.mine(), "nobody can see what a silent node thinks"
    for nothing in ({"rows": []}, {"rows": 5}, 7, None):
        desk.hear(desk.beat(quality=nothing))
        assert desk.mine() == []


def test_the_alarm_of_a_process_that_is_blind_belongs_to_the_incident(kit: Any, store: Store) -> None:
    desk = Desk(kit, store, every_s=1)
    desk.hear(kit.info())
    desk.hear(desk.beat())
    engine = desk.city.host.engine
    engine.arrive("river-1/water_level", [desk.now().utc_us], [1.0], [0.1], [1])
    desk.hear(desk.beat())
    (alarm,) = view.rows(desk.city)
    assert alarm["incident"] is None
    shown = status(desk.city, desk.now())
    assert alarm_lines(shown) == ["alarm opener/flood: returned, high"]
    desk.quiet(6)
    (alarm,) = view.rows(desk.city)
    (incident,) = desk.mine()
    assert alarm["incident"] == incident.id
    told = [line for line in alarm_lines(status(desk.city, desk.now())) if "edge-1" in line]
    assert len(told) == 1 and "1 thing, 2 datastreams" in told[0]
    assert "alarm opener/flood, process opener" in told[0]


def test_a_fused_datastream_comes_from_the_board_in_its_name(desk: Desk) -> None:
    edge = type(desk.kit)(desk.kit.templates, thing="edge-1")
    desk.hear(edge.info())
    assert root_of(desk.city, "edge-1/river-1.water_level") == ("edge-1", "river-1", "level")
    assert root_of(desk.city, "river-1/feedback") == ("edge-1", "river-1", "level")
    assert root_of(desk.city, "nobody/x") == ("", "nobody", "")


def test_incidents_outlive_a_restart_and_are_listed_newest_first(desk: Desk) -> None:
    desk.quiet(31)
    asyncio.run(look_once(desk))  # type: ignore[arg-type]
    asyncio.run(look_once(desk))  # type: ignore[arg-type]
    again = Desk(desk.kit, desk.store)
    assert again.city.incidents.open() == desk.city.incidents.open() != []
    again.hear()
    assert [i.id for i in again.city.incidents.open()] == [i.id for i in desk.city.incidents.open()], "not heard yet"
    rows = again.web.get("/incidents").json()
    assert [row["place"] for row in rows] == ["edge-1", "edge-2"]
    again.at_us = desk.at_us
    again.hear(again.beat())
    assert [row["place"] for row in again.web.get("/incidents?only_open=true").json()] == ["edge-2"]
    assert len(again.web.get("/incidents?limit=1").json()) == 1


def test_a_cause_that_comes_back_within_a_minute_is_the_same_incident() -> None:
    incidents = Incidents()
    incidents.look([NODE], [], 10 * S)
    (first,) = incidents.open()
    incidents.look([], [], 20 * S)
    incidents.look([NODE._replace(since_utc_us=30 * S)], [], 30 * S)
    assert [(i.id, i.times, i.begin_utc_us) for i in incidents.open()] == [(first.id, 2, 5 * S)]
    incidents.look([], [], 40 * S)
    incidents.look([NODE._replace(since_utc_us=200 * S)], [], 41 * S + REOPEN_US)
    assert first.id not in {i.id for i in incidents.open()}


def test_the_table_keeps_all_that_are_open(store: Store) -> None:
    incidents = Incidents()
    for at in range(600):
        incidents.look([NODE._replace(place=f"edge-{at}", since_utc_us=at * S)], [], at * S)
    changed = incidents.take_changed()
    assert incidents.take_changed() == []
    incidents.unsaved(changed)
    asyncio.run(store.work(lambda connection: kept.put_incidents(connection, incidents.take_changed())))
    found = store.committer.read(kept.incidents)
    assert [i.place for i in found if i.end_utc_us is None] == ["edge-599"] and len(found) == 501


PLACES = st.frozensets(st.sampled_from(["a", "b", "c"]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(PLACES, PLACES, st.integers(0, 90)), max_size=20))
def test_what_is_broken_has_exactly_one_open_incident(looks: list[tuple[frozenset[str], frozenset[str], int]]) -> None:
    incidents, now = Incidents(), 0
    before: set[str] = set()
    for broken, unseen, pause_s in looks:
        now += pause_s * S
        incidents.look([Cause("x", place, "", now) for place in broken], [("x", place) for place in unseen], now)
        places = [i.place for i in incidents.open()]
        assert len(places) == len(set(places))
        assert set(places) == broken | (before & unseen)
        before = set(places)
        assert all((i.end_utc_us or i.begin_utc_us) >= i.begin_utc_us for i in incidents.by_id.values())


def test_an_incident_says_where_who_knew_and_how_it_ended(desk: Desk) -> None:
    flood, began = desk.beat(), T_US
    desk.hear(flood)
    desk.quiet(6)
    (row,) = [row for row in desk.web.get("/incidents").json() if row["place"] == "edge-1"]
    assert (row["edges"], row["acts"], row["ended"], row["end_utc_us"]) == (["edge-1"], [], "", None)
    assert desk.web.get(f"/incidents/{row['id']}").json() == row
    member = next(name for name in row["members"] if name.startswith("process:"))
    incident = desk.city.incidents.by_id[row["id"]]
    alarmed = incident._replace(members=(*incident.members, "alarm:opener/flood"))
    desk.city.incidents.by_id[row["id"]] = alarmed
    at = desk.city.now(desk.at_us).utc_us
    for who, key, when in (("ann", "flood", at), ("ben", "flood", began), ("cleo", "other", at)):
        desk.city.host.acts.add(Act("opener", Action(who, "ack", key, when, 0, who, "seen")))
    desk.hear(flood)
    told = desk.web.get(f"/incidents/{row['id']}").json()
    assert member in told["members"] and told["alarms"][0]["key"] == "flood"
    assert [(act["by"], act["kind"], act["reason"]) for act in told["acts"]] == [("ann", "ack", "seen")]
    assert told["ended"] == "the edge node was heard again" and told["end_utc_us"] > told["begin_utc_us"]
    missing = desk.web.get("/incidents/none")
    assert missing.status_code == 404 and missing.json()["detail"]["reason"] == "unknown_incident"
