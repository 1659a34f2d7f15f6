"""`city process` against a real city: list, explain, check, and new process files without loss."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from click.testing import CliRunner, Result

from cityreflex.commands import process_text
from cityreflex.commands.process import process
from cityreflex.exits import CONFIG, CityError
from processes import templates
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
                       "became": "held back: the city does not hold the lease of this actuator"}],
    }  # fmt: skip
    text = process_text.explained(found)
    assert max(map(len, text.splitlines())) <= 80
    for part in ("1.25 +- 0.01 m, good, 12 s old", "made again", "in 10800 s", "severity 3", "because P(level",
                 "held back: the city", "nothing within"):  # fmt: skip
        assert part in text, part


def test_without_a_city_the_command_says_how_to_start_one(folder: Path) -> None:
    done = city(folder, "list")
    assert isinstance(done.exception, CityError) and done.exception.hint
