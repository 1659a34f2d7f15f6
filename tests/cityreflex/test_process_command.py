"""`city process` against a real city: list, explain, check, and new process files without loss."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import tomlkit
from click.testing import CliRunner, Result

from cityreflex import known_streams
from cityreflex.client import Client
from cityreflex.commands import process_text
from cityreflex.commands.datastream import datastream
from cityreflex.commands.process import process
from cityreflex.exits import CONFIG, CityError
from processes import templates
from processes.fitting import UNSEEN, Stream
from tests.waiting import until

sys.path.insert(0, str(Path(__file__).parents[1] / "aggregator"))
from city_process import CityFolder

FLOOD = tomlkit.parse((Path(templates.__file__).parent / "flood" / "site.toml").read_text()).unwrap()


def city(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(process, [*words, "--dir", str(folder)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sites").mkdir()
    write(tmp_path)
    CityFolder(tmp_path, processes={"files": ["sites/flood.toml"]})
    return tmp_path


def write(folder: Path, **changes: Any) -> None:
    (folder / "sites" / "flood.toml").write_text(tomlkit.dumps({**FLOOD, **changes}))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, Any]]:
    (tmp_path / "sites").mkdir()
    write(tmp_path)
    with CityFolder(tmp_path, processes={"files": ["sites/flood.toml"]}).running() as service:
        yield tmp_path, service


@pytest.mark.system
def test_a_running_city_tells_of_its_processes_and_takes_new_ones(running: tuple[Path, Any]) -> None:
    folder, service = running
    done = city(folder, "list")
    assert done.exit_code == 0 and "flood" in done.output and "waiting" in done.output
    done = city(folder, "explain", "flood")
    assert done.exit_code == 0 and "nothing within lateness_s" in done.output
    missing = city(folder, "explain", "gate")
    assert isinstance(missing.exception, CityError) and "there are: flood" in str(missing.exception)
    done = city(folder, "check", str(folder / "sites" / "flood.toml"))
    assert done.exit_code == 6 and "WRONG edge-1/river-1.water_level" in done.output

    write(folder, every_s=60)
    os.kill(service.pid, signal.SIGHUP)
    until(lambda: json.loads(city(folder, "list", "--json").output)[0]["every_s"] == 60, "SIGHUP is obeyed")
    write(folder, every_s="often")
    done = city(folder, "reload")
    assert isinstance(done.exception, CityError) and done.exception.code == CONFIG
    assert "nothing was changed" in str(done.exception) and "every_s" in str(done.exception)
    assert json.loads(city(folder, "list", "--json").output)[0]["every_s"] == 60
    write(folder, every_s=30)
    assert "began again: flood" in city(folder, "reload").output


def test_what_is_explained_fits_80_columns_and_names_what_matters() -> None:
    newest = {"t_utc_us": 0, "age_s": 12.0, "value": 1.25, "sigma": 0.01, "quality": 1, "quality_name": "good"}
    row = {"port": "level", "datastream": "edge-1/river-1.water_level", "unit": "m", "newest": newest, "used": 3,
           "note": ""}  # fmt: skip
    silent = {**row, "newest": None, "note": "nothing within lateness_s"}
    found = {
        "instance": "flood", "template": "flood", "state": "running", "mode": "act", "every_s": 300.0, "reason": "",
        "step_utc_us": 1_700_000_000_000_000, "amended": True, "too_late": 3, "lateness_s": 600.0,
        "inputs": [row, silent],
        "estimates": [{"name": "level_forecast", "valid_utc_us": 1_700_010_800_000_000, "mean": 1.5, "q05": 1.2,
                       "q95": 1.9}],
        "alarms": [{"key": "threshold_exceedance", "severity": 3, "probability": 0.5}],
        "proposals": [{"port": "gate", "setpoint": 0.5, "actuator": "gate-1/opening",
                       "reason": "P(level > 1.6 m within 3 h) = 0.50 at opening 0.5, 0.61 if left at 0.20",
                       "became": "held back: the city does not hold the lease of this actuator",
                       "newest_task": "0123456789ab gate-1/opening 0.5, waiting: risk high wants 2 people"}],
    }  # fmt: skip
    assert "at each arrival" in process_text.explained({**found, "every_s": 0.0})
    text = process_text.explained(found)
    assert max(map(len, text.splitlines())) <= 80
    for part in ("1.25 +- 0.01 m, good, 12 s old", "made again", "in 10800 s", "severity 3", "because P(level",
                 "held back: the city", "nothing within", "newest task: 0123456789ab"):  # fmt: skip
        assert part in text, part


def test_without_a_city_the_command_says_how_to_start_one(folder: Path) -> None:
    done = city(folder, "list")
    assert isinstance(done.exception, CityError) and done.exception.hint


class Services:
    """A city where nothing runs, with an edge node where something does."""

    @staticmethod
    def get(client: Client, page: str, **query: Any) -> Any:
        edge = {"edge": "edge-1", "health": {"processes": [{"instance": "classroom_air"}]}}
        return {"processes": [], "status": {"edges": [edge]}}[page]

    @staticmethod
    def post(client: Client, page: str, body: Any = None) -> Any:
        httpx.Response(404, json={"detail": "Not Found"}, request=httpx.Request("POST", "http://edge/")).raise_for_status()


def test_what_runs_at_edge_nodes_alone_is_named_and_how_to_ask_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(Client, "get", Services.get)
    monkeypatch.setattr(Client, "post", Services.post)
    done = city(tmp_path, "list")
    assert done.exit_code == 0
    assert f"on edge-1: classroom_air; ask it: city process list --at unix:{tmp_path}/edge/api.sock" in done.stderr
    done = city(tmp_path, "reload")
    assert isinstance(done.exception, CityError) and "SIGHUP" in done.exception.hint


def test_bindings_are_told_as_right_wrong_or_unknown() -> None:
    row = {"port": "fan", "role": "respond", "property": "fan_speed", "unit": "1", "many": False, "fits": [],
           "others": 1}  # fmt: skip
    bound = [{"name": "room-1/fan", "fits": True, "why": UNSEEN}, {"name": "x/y", "fits": False, "why": ""}]
    near = [{"name": "room-1/fan", "why": UNSEEN}, {"name": "room-2/fan", "why": UNSEEN}]
    text = process_text.checked([{**row, "bound": bound, "near": near}])
    assert f"  ok    room-1/fan: {UNSEEN}" in text and "  WRONG x/y: it is not there" in text
    assert f"  maybe room-2/fan: {UNSEEN}" in text and "1 other is of another property" in text
    assert "nothing fits for sure" in process_text.checked([{**row, "bound": [], "near": near}])


def test_datastreams_are_listed_with_property_and_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    senses = [Stream("room-1/co2", "mole_fraction_of_carbon_dioxide_in_air", "[ppm]")]
    responds = [Stream("room-1/fan", "", ""), Stream("gate-1/opening", "gate_opening_fraction", "1", None, "gate-1/at")]
    monkeypatch.setattr(known_streams, "find", lambda where: (senses, responds))
    out = CliRunner().invoke(datastream, ["list"]).output
    assert "room-1/co2\n  mole_fraction_of_carbon_dioxide_in_air in [ppm]\n" in out
    assert "actuator without feedback" in out and "shown by gate-1/at: gate_opening_fraction in 1" in out
    assert "gate-1" not in CliRunner().invoke(datastream, ["list", "room-*"]).output
    assert [row["role"] for row in json.loads(CliRunner().invoke(datastream, ["list", "--json"]).output)] == [
        "sense", "respond", "respond",
    ]  # fmt: skip
    assert "no datastream of nix" in CliRunner().invoke(datastream, ["list", "nix"]).output
