"""`city process new` and `city process test`: copied in one command, tried without touching anything."""

import json
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from click.testing import CliRunner, Result

from cityreflex import known_streams
from cityreflex.commands.process import process
from cityreflex.exits import CONFIG, FAILED, NOT_FOUND, CityError
from processes import templates
from processes.fitting import Stream

FLOOD = Path(templates.__file__).parent / "flood" / "site.toml"
LEVEL, RAIN = "water_surface_height_above_reference_datum", "thickness_of_rainfall_amount"
GATE = "gate_opening_fraction"


def site(name: str) -> list[Stream]:
    return [
        Stream(f"{name}-river/water_level", LEVEL, "m"),
        Stream(f"edge-1/{name}-river.water_level", LEVEL, "m"),
        Stream(f"edge-1/{name}-river.water_level.sigma", f"{LEVEL} standard_error", "m", "x"),
        Stream(f"{name}-mast/rainfall_amount", RAIN, "mm"),
        Stream(f"{name}-gate/opening_feedback", GATE, "1"),
    ]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    senses = [*site("mill"), *site("town"), Stream("town-roof/rainfall_amount", RAIN, "mm")]
    responds = [Stream(f"{name}-gate/opening", GATE, "1", None, f"{name}-gate/opening_feedback")
                for name in ("mill", "town")]  # fmt: skip
    monkeypatch.setattr(known_streams, "find", lambda where: (senses, responds))


def city(*words: str) -> Result:
    return CliRunner().invoke(process, list(words))


def test_a_template_is_copied_to_a_site_in_one_command(tmp_path: Path) -> None:
    dest = tmp_path / "sites" / "mill.toml"
    done = city("new", "flood", str(dest), "--things", "mill-*", "--set", "threshold_m=1.2")
    assert done.exit_code == 0, done.exception
    made = tomlkit.parse(dest.read_text()).unwrap()
    assert made["senses"] == {
        "level": "edge-1/mill-river.water_level", "rain": ["mill-mast/rainfall_amount"],
        "opening": "mill-gate/opening_feedback",
    }  # fmt: skip
    assert made["responds"]["gate"] == {
        "actuator": "mill-gate/opening", "observe": "mill-gate/opening_feedback", "within_s": 20,
    }  # fmt: skip
    assert (made["mode"], made["site"]["threshold_m"], made["site"]["area_km2"]) == ("advise", 1.2, 29.0)
    assert "# An example" not in dest.read_text()
    assert "# at the threshold" in dest.read_text() and list(dest.parent.iterdir()) == [dest]


def test_a_file_that_runs_is_copied_and_ports_that_take_many_get_all(tmp_path: Path) -> None:
    city("new", "flood", str(tmp_path / "mill.toml"), "--things", "mill-*")
    dest = tmp_path / "town.toml"
    done = city("new", str(tmp_path / "mill.toml"), str(dest), "--things", "town-*", "--mode", "act", "--json")
    found = json.loads(done.output)
    assert found["bound"]["rain"] == ["town-mast/rainfall_amount", "town-roof/rainfall_amount"]
    assert found["mode"] == tomlkit.parse(dest.read_text())["mode"] == "act"


def test_an_actuator_without_feedback_is_bound_if_it_is_called_alike_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    senses = [Stream("room-2/co2", "mole_fraction_of_carbon_dioxide_in_air", "[ppm]"),
              Stream("room-2/door_open", "door_open", "1")]  # fmt: skip
    responds = [Stream("room-2/fan", "", ""), Stream("room-2/lamp", "", "")]
    monkeypatch.setattr(known_streams, "find", lambda where: (senses, responds))
    for name, words, actuator in (("a", [], "room-2/fan"), ("b", ["--bind", "fan=room-2/lamp"], "room-2/lamp")):
        dest = tmp_path / f"{name}.toml"
        done = city("new", "classroom_air", str(dest), "--things", "room-2", *words)
        assert done.exit_code == 0, done.exception
        assert tomlkit.parse(dest.read_text()).unwrap()["responds"]["fan"]["actuator"] == actuator


def test_what_is_new_says_how_to_name_it_and_whether_its_name_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(known_streams, "instances", lambda where: {"flood"})
    where = ("--things", "mill-*", "--dir", str(tmp_path / "run"))
    done = city("new", "flood", str(tmp_path / "sites" / "flood_mill.toml"), *where)
    assert 'name it, "../sites/flood_mill.toml", under [processes] files' in done.output
    assert "runs here already" not in done.output
    done = city("new", "flood", str(tmp_path / "mill" / "flood.toml"), *where)
    assert "flood runs here already, and a process is named by its file" in done.output


def test_what_fits_elsewhere_is_named(tmp_path: Path) -> None:
    done = city("new", "flood", str(tmp_path / "x.toml"), "--things", "farm-*")
    assert isinstance(done.exception, CityError)
    assert "elsewhere there is mill-river/water_level" in done.exception.hint


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mill.toml").write_text("mine")
    done = city("new", "flood", str(tmp_path / "mill.toml"), "--things", "mill-*")
    assert isinstance(done.exception, CityError) and done.exception.code == FAILED
    assert (tmp_path / "mill.toml").read_text() == "mine"


@pytest.mark.parametrize(("words", "code", "says"), [
    (["--things", "*"], CONFIG, "port level is ambiguous: edge-1/mill-river.water_level, edge-1/town-river"),
    (["--things", "farm-*"], NOT_FOUND, "port level: nothing of farm-* measures"),
    (["--things", "mill-*", "--bind", "level=mill-mast/rainfall_amount"], CONFIG, "it is not there, or of another"),
    (["--things", "mill-*", "--set", "area_km2=-1"], CONFIG, "area_km2"),
    (["--things", "mill-*", "--set", "area=1"], CONFIG, "area"),
])  # fmt: skip
def test_what_can_not_be_bound_or_is_wrong_writes_nothing(
    tmp_path: Path, words: list[str], code: int, says: str
) -> None:
    done = city("new", "flood", str(tmp_path / "x.toml"), *words)
    assert isinstance(done.exception, CityError) and done.exception.code == code, done.output
    assert says in str(done.exception) and list(tmp_path.iterdir()) == []


def test_a_bound_port_is_taken_as_it_is_told(tmp_path: Path) -> None:
    words = ("--things", "mill-*", "--bind", "level=town-river/water_level")
    assert city("new", "flood", str(tmp_path / "x.toml"), *words).exit_code == 0
    assert tomlkit.parse((tmp_path / "x.toml").read_text())["senses"]["level"] == "town-river/water_level"
    assert "expected PORT=" in city("new", "flood", str(tmp_path / "y.toml"), "--bind", "lvel=x/y").output


def test_a_trial_on_a_simulated_river_opens_the_gate() -> None:
    done = city("test", str(FLOOD), "--scenario", "riverside", "--json")
    assert done.exit_code == 0, done.exception
    found = json.loads(done.output)
    assert max(row["setpoint"] for row in found["tasks"]) == 1.0
    assert {row["key"] for row in found["alarm_events"]} >= {"threshold_exceedance"}
    assert {row["estimate"] for row in found["scores"]} == {"level", "level_forecast"}


def csv(path: Path, *rows: str) -> list[str]:
    path.write_text("\n".join(rows) + "\n")
    return ["test", str(FLOOD), "--csv", str(path)]


def test_a_trial_reads_csv_with_a_column_per_port_or_a_row_per_sample(tmp_path: Path) -> None:
    def at(n: int) -> str:
        return f"2026-01-01T{n // 12:02d}:{n % 12 * 5:02d}:00"

    wide = ["time,level,mast-1/rainfall_amount,opening", *(f"{at(n)},{0.5 + 0.01 * n},{n},0.2" for n in range(40))]
    done = city(*csv(tmp_path / "wide.csv", *wide), "--json")
    assert done.exit_code == 0, done.exception
    found = json.loads(done.output)
    assert set(found["samples"].values()) == {40} and found["steps"] == 40
    long = ["time,datastream,value,quality"]
    for n in range(40):
        long += [f"{at(n)},edge-1/river-1.water_level,{0.5 + 0.01 * n},1", f"{at(n)},mast-1/rainfall_amount,{n},1",
                 f"{at(n)},gate-1/opening_feedback,0.2,1"]  # fmt: skip
    again = json.loads(city(*csv(tmp_path / "long.csv", *long), "--json").output)
    assert again["tasks"] == found["tasks"] and again["estimates"] == found["estimates"]
    text = city(*csv(tmp_path / "wide.csv", *wide)).output
    assert "nothing was sent, nothing was changed" in text and max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(("rows", "code", "says"), [
    (["when,level", "2026-01-01,1"], CONFIG, "expected time"),
    (["time,level", "2026-01-01T00:00,1", "2025-01-01T00:00,1"], CONFIG, "wide.csv:3: time goes back"),
    (["time,level", "23.18,1"], CONFIG, "wide.csv:2: time: found '23.18'; expected ISO 8601"),
    (["time,level", "yesterday,1"], CONFIG, "wide.csv:2"),
    (["time,datastream,value", "2026-01-01,other/stream,1"], NOT_FOUND, "no sample of"),
])  # fmt: skip
def test_a_csv_that_is_wrong_says_where(tmp_path: Path, rows: list[str], code: int, says: str) -> None:
    done = city(*csv(tmp_path / "wide.csv", *rows))
    assert isinstance(done.exception, CityError) and done.exception.code == code
    assert says in f"{done.exception} {done.exception.hint}"


def test_a_scenario_without_the_ports_property_says_what_it_has() -> None:
    done = city("test", str(FLOOD), "--scenario", "classroom")
    assert isinstance(done.exception, CityError) and "nothing for port level" in str(done.exception)


def test_only_one_source_of_data(tmp_path: Path) -> None:
    done = city("test", str(FLOOD), "--scenario", "riverside", "--csv", str(tmp_path / "x.csv"))
    assert done.exit_code == 2 and "give one of" in done.output


def faulty(folder: Path) -> dict[str, Any]:
    (folder / "bad").mkdir()
    (folder / "bad" / "process.py").write_text(
        "from pydantic import BaseModel\nfrom processes.contract import Port\n"
        "class Site(BaseModel):\n    pass\nPORTS = {'level': Port('x', 'm', 'sense', False)}\n"
        "def start(site, seed):\n    return {}\ndef step(site, state, now, seen):\n    raise ValueError('too wet')\n"
    )
    return {"template": "bad", "senses": {"level": "a/level"}}


def test_a_process_that_stops_on_an_error_ends_with_code_1(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(tomlkit.dumps(faulty(tmp_path)))
    rows = ["time,level", "2026-01-01T00:00,1", "2026-01-01T00:01,1"]
    (tmp_path / "x.csv").write_text("\n".join(rows))
    done = city("test", str(tmp_path / "p.toml"), "--csv", str(tmp_path / "x.csv"), "--templates", str(tmp_path))
    assert done.exit_code == 1 and "it stopped: ValueError: too wet" in done.output
