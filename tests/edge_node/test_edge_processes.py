"""The node's processes ask the guard: at once if they run only here, after the city fell silent otherwise."""

from pathlib import Path

import pytest

from edge_node.processes_host import ProcessesHost
from edge_node.reaction.guard import Guard, Save
from processes.instance import make_instance
from protocol import task_codes as codes
from protocol.city_clock import CityClock
from protocol.city_link import AlarmAct, Clock
from protocol.tasks import new_keys
from service.host_clock import HostClock
from service.risk import Rule

from .scripted_board import records_of, river_manifest

START = 1_000_000_000
UTC = 1_790_000_000_000_000
TEMPLATE = """
from pydantic import BaseModel
from processes.contract import Outcome, Port, Proposal
PORTS = {"level": Port("water_surface_height", "m", "sense", False), "gate": Port("o", "1", "respond", False)}
class Site(BaseModel):
    pass
def start(site, seed):
    return {}
def step(site, state, now_utc_us, seen):
    n = seen["level"].value.size
    return Outcome(state, (), (), (Proposal("gate", 0.9, 4000, "test"),) if n else ())
"""


def host(tmp_path: Path, runs_on: str) -> ProcessesHost:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "process.py").write_text(TEMPLATE)
    instance = make_instance(
        "p",
        {
            "template": "open", "runs_on": runs_on, "every_s": 1, "senses": {"level": "river-1/water_level"},
            "responds": {"gate": {"actuator": "river-1/opening", "observe": "river-1/seen", "within_s": 7}},
        },
        [tmp_path],
    )  # fmt: skip
    guard = Guard("edge-1", "b-1", new_keys()[1], first_fence=9)
    guard.announce(river_manifest())
    guard.board("river-1", codes.OK)
    return ProcessesHost.of([instance], guard, HostClock(CityClock(1.0, START, UTC)), START)


def tasks_after(made: ProcessesHost, second: float) -> list[Save]:
    """Let one sample arrive and the process step at START + second."""
    now_us = START + round(second * 1e6)
    clock = Clock(0, UTC, 1.0, 1.0, True)
    records = records_of([(0, 1, now_us - START - 300_000, 1.0)])
    made.arrived("river-1", "0badcafe-1", 41, river_manifest(), clock, records)
    return [effect for effect in made.advance(now_us) if isinstance(effect, Save)]


def test_a_process_of_this_node_alone_acts_at_once(tmp_path: Path) -> None:
    made = host(tmp_path, "edge")
    (save,) = tasks_after(made, 1.0)
    task = save.entry.task
    assert save.intent and task.setpoint == 0.9 and task.causes == [("river-1", "0badcafe-1", 41)]
    assert task.stamps["sample"] == pytest.approx((START + 700_000) * 1000, abs=2000)
    assert (save.entry.observe, save.entry.within_us) == ("river-1/seen", 7_000_000)


def test_a_cause_from_before_the_host_started_leaves_no_stamp(tmp_path: Path) -> None:
    made = host(tmp_path, "edge")
    made.city = HostClock(CityClock(1.0, 100_000, UTC))  # boottime began anew 100 ms ago, the sample is 300 ms old
    clock = Clock(0, UTC - 300_000, 1.0, 1.0, True)
    made.arrived("river-1", "0badcafe-1", 41, river_manifest(), clock, records_of([(0, 1, 0, 1.0)]))
    saves = [effect for effect in made.advance(150_000) if isinstance(effect, Save)]
    assert [save.entry.task.stamps for save in saves] == [{}]


def test_a_hazardous_actuator_is_selected_first(tmp_path: Path) -> None:
    made = host(tmp_path, "edge")
    made.guard.actuators["river-1/opening"].rule = Rule(hazardous=True)
    (save,) = tasks_after(made, 1.0)
    assert save.intent and save.entry.selected


def test_a_process_of_the_node_does_not_act_where_people_are_needed(tmp_path: Path) -> None:
    made = host(tmp_path, "edge")
    made.guard.actuators["river-1/opening"].rule = Rule("high", approvals=2, automation=False)
    (save,) = tasks_after(made, 1.0)
    assert (save.intent, save.entry.code) == (False, codes.APPROVAL_ABSENT)


def test_with_both_the_node_waits_until_the_city_is_silent(tmp_path: Path) -> None:
    made = host(tmp_path, "both")
    assert tasks_after(made, 1.0) == [] and tasks_after(made, 2.0) == []
    assert len(tasks_after(made, 3.0)) == 1
    made.city_heard_us = START + 3_500_000
    made.guard.lease("river-1/opening", "city", START + 3_500_000)
    assert tasks_after(made, 4.0) == [] and tasks_after(made, 6.0) == []
    (save,) = tasks_after(made, 7.0)
    assert save.entry.state == codes.DISPATCHED, "granted by the guard under a new fence"


def test_a_setpoint_in_force_is_not_sent_again_but_one_that_lapsed_is(tmp_path: Path) -> None:
    made = host(tmp_path, "edge")
    (save,) = tasks_after(made, 1.0)
    made.guard.intent_saved(save.entry.task.task_id, START + 1_010_000)
    assert tasks_after(made, 2.0) == []
    made.guard.actuators["river-1/opening"].active = None
    assert len(tasks_after(made, 3.0)) == 1


def test_a_snapshot_of_another_shape_is_left_alone(tmp_path: Path) -> None:
    made = host(tmp_path, "edge")
    tasks_after(made, 1.0)
    assert made.thaw(made.engine.freeze()) == ["p"]
    assert made.thaw(b"broken") == []


def test_what_a_person_did_to_an_alarm_reaches_the_engine_once(tmp_path: Path) -> None:
    made = host(tmp_path, "edge")
    act = AlarmAct("1", "p", "ack", "high", UTC, 0, "anna", "")
    assert [made.acted(act), made.acted(act)] == [True, False]
    assert not made.acted(AlarmAct("2", "p", "dance", "high", UTC, 0, "anna", ""))
    assert not made.acted(AlarmAct("3", "elsewhere", "ack", "high", UTC, 0, "anna", ""))
