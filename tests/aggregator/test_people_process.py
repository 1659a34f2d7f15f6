"""People on both ends of a real aggregator: a report, an alarm, a CAP file, its answer, an acknowledgement, a shelf."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import httpx
import pytest
import tomlkit

from cityreflex import exits
from tests.waiting import until

from .cap_check import CAP, problems
from .city_process import CityFolder
from .conftest import TEMPLATE

PROCESS = {
    "template": "opener", "runs_on": "both", "every_s": 1, "senses": {"level": "people/water_depth"},
    "responds": {"public": {"notify": "wardens", "event": "Flood", "area": {"desc": "Mill", "circle": [51.5, 0, 1]}}},
    "alarms": {"flood": {"off_delay_s": 600, "text": "Mill Lane is under water"}},
}  # fmt: skip


@pytest.fixture
def town(tmp_path: Path) -> CityFolder:
    """A city that nobody but people reports to: a process, a channel to people, and what they may report."""
    (tmp_path / "templates" / "opener").mkdir(parents=True)
    (tmp_path / "templates" / "opener" / "process.py").write_text(TEMPLATE)
    (tmp_path / "flood.toml").write_text(tomlkit.dumps(PROCESS))
    service = {"name": "How deep?", "property": "water_depth", "unit": "m", "upper": 3.0, "asks": True, "quality": 2}
    channel = {"file": "cap", "sender": "city@example.org", "restriction": "wardens", "ack_within_s": 1}
    return CityFolder(
        tmp_path, clock={"trust": "host"}, processes={"files": ["flood.toml"], "templates": ["templates"]},
        notify={"wardens": channel}, reports={"services": {"water_depth": service}},
    )  # fmt: skip


def report(town: CityFolder) -> Any:
    transport = httpx.HTTPTransport(uds=str(town.folder / "city/api.sock"))
    form = {"service_code": "water_depth", "lat": "51.5", "long": "0", "attribute[value]": "1.5"}
    with httpx.Client(transport=transport, base_url="http://city", timeout=90) as client:
        return client.post("/requests.json", data=form).raise_for_status().json()[0]


def audited(town: CityFolder) -> list[str]:
    lines = (town.folder / "city/audit.jsonl").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


def states(town: CityFolder) -> list[str]:
    code, rows, err = town.ask("alarm", "list")
    assert code == exits.OK, err
    return [row["state"] for row in rows]


@pytest.mark.system
def test_from_a_report_to_people_and_back(town: CityFolder) -> None:
    with town.running():
        assert town.ask("alarm", "list")[1] == []
        until(lambda: town.get("/estimates")[0]["state"] == "running", "the process runs")
        report(town)
        until(lambda: states(town) == ["unacknowledged"], "the alarm is there")
        until(lambda: list(town.folder.glob("cap/*.xml")), "people are told")
        (message,) = town.folder.glob("cap/*.xml")
        assert problems(message.read_bytes()) == []
        assert ET.fromstring(message.read_bytes()).findtext(f"{CAP}info/{CAP}headline") == "Mill Lane is under water"
        kinds = lambda: [row["kind"] for row in town.get("/incidents?only_open=true")]  # noqa: E731
        until(lambda: "notify_unanswered" in kinds(), "nobody has answered")
        message.with_suffix(".ack").write_text("warden Kim\n")
        until(lambda: "notify_unanswered" not in kinds(), "somebody has")
        code, row, err = town.ask("alarm", "ack", "flood/flood")
        assert (code, row["state"]) == (exits.OK, "acknowledged"), err
        assert town.ask("alarm", "ack", "flood/flood")[0] == exits.REFUSED
        assert town.ask("alarm", "ack", "flood/nothing")[0] == exits.NOT_FOUND
        words = ("alarm", "shelve", "flood/flood", "--for", "1h", "--reason", "we know")
        assert town.ask(*words)[1]["shelf"]["reason"] == "we know"
    with town.running():
        until(lambda: states(town) == ["shelved"], "the shelf outlived a kill")
        until(lambda: len(list(town.folder.glob("cap/*.xml"))) == 2, "people are told that it is over")
        code, found, err = town.ask("ledger")
        assert code == exits.OK, err
        (people,) = [row for row in found["accounts"] if row["thing"] == "people"]
        assert (people["sent"], people["stored"], people["unexplained"]) == (1, 1, 0)
        events = lambda: [event for event in audited(town) if event.startswith(("alarm", "notify"))]  # noqa: E731
        told = ["notify_sent", "notify_acknowledged", "alarm_ack", "alarm_shelve", "notify_sent"]
        until(lambda: len(events()) >= len(told), "the audit log has it all")
        assert events()[:5] == told
        assert set(events()[5:]) <= {"notify_sent"}, "a kill between delivery and its record makes it go out again"
