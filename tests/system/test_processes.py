"""Two other processes go through the same loop: a classroom's fan, and one from a temporary folder."""

from pathlib import Path
from typing import Any

import pytest
import tomlkit
from running_city import RunningCity

pytestmark = pytest.mark.system

TEMPLATE = '''
"""Counts the times a door was found open."""

import numpy as np
from pydantic import BaseModel

from processes.contract import Alarm, Estimate, Outcome, Port

PORTS = {"door": Port("door_open", "1", "sense", False)}


class Site(BaseModel):
    limit: int


def start(site, seed):
    return {"opened": np.zeros(1)}


def step(site, state, now_utc_us, seen):
    opened = float(state["opened"][0] + (seen["door"].value > 0.5).sum())
    alarms = (Alarm("often", 1, 1.0),) if opened > site.limit else ()
    estimate = Estimate("opened", now_utc_us, opened, 0.0, opened, opened)
    return Outcome({"opened": np.array([opened])}, (estimate,), alarms, ())
'''

SITE = """
template = "door_count"
runs_on = "edge"
every_s = 10
[senses]
door = "room-1/door_open"
[site]
limit = 1000
"""


def add_process(folder: Path, templates: Path) -> None:
    """Write the template and its site, and name both in edge.toml: configuration only."""
    (templates / "door_count").mkdir(parents=True)
    (templates / "door_count" / "process.py").write_text(TEMPLATE)
    (folder / "sites" / "doors.toml").write_text(SITE)
    path = folder / "edge.toml"
    config = tomlkit.parse(path.read_text())
    processes: Any = config["processes"]
    processes["files"].append("sites/doors.toml")
    processes["templates"] = [str(templates)]
    path.write_text(tomlkit.dumps(config))


def estimates(city: RunningCity, instance: str) -> dict[str, float]:
    """Return the edge's newest estimates of a process by name."""
    rows = [row for row in city.edge_page("estimates") if row["instance"] == instance]
    assert len(rows) == 1, rows
    return {row["name"]: row["mean"] for row in rows[0]["estimates"]}


def fan_on(city: RunningCity) -> dict[str, Any] | None:
    """Return the first task that asks for more than half of the fan."""
    return next((row for row in city.tasks() if row["actuator"] == "room-1/fan" and row["setpoint"] > 0.5), None)


def test_a_classroom_and_a_stranger_run_on_the_same_edge(tmp_path: Path) -> None:
    options = ("--speed", "30", "--seed", "7", "--start-in", "8")
    with RunningCity(tmp_path / "run", *options, scenario="classroom") as city:
        city.start("sim")
        city.until((city.folder / "faults.sock").exists, "the simulator is up")
        add_process(city.folder, tmp_path / "templates")
        city.start("aggregator")
        city.start("edge")
        city.until(city.linked, "the classroom's board is linked")
        fan = city.until(lambda: fan_on(city), "a task that switches the fan on", 200)
        assert fan["requester"] == "edge"
        city.until(lambda: city.truth()[-1]["fan"] > 0.5, "the fan really runs")
        city.until(lambda: "opened" in estimates(city, "doors"), "the third process estimates")
        assert city.settle()["declared_lost"] == 0
