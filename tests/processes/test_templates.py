"""Process files and templates: errors that teach, and a third template from a folder of its own."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from processes import templates
from processes.engine import Engine
from processes.errors import ConfigError, TemplateError
from processes.instance import make_instance, read_instance

S = 1_000_000
T0 = 1_700_000_000 * S
FLOOD = tomllib.loads((Path(templates.__file__).parent / "flood" / "site.toml").read_text())

LAMP = '''
"""A lamp that is on when it is dark."""
from pydantic import BaseModel
from processes.contract import Outcome, Port, Proposal
from .words import why

class Site(BaseModel):
    dark_lux: float = 20.0

PORTS = {
    "light": Port("surface_downwelling_illuminance", "lx", "sense", False),
    "lamp": Port("lamp", "1", "respond", False),
}

def start(site, seed):
    return {}

def step(site, state, now_utc_us, seen):
    light = seen["light"].value
    dark = bool(light.size and light[-1] < site.dark_lux)
    return Outcome(state, (), (), (Proposal("lamp", float(dark), 60_000, why(dark)),))
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lamp = tmp_path / "lamp"
    lamp.mkdir()
    (lamp / "__init__.py").write_text("")
    (lamp / "words.py").write_text("def why(dark):\n    return 'dark' if dark else 'bright'\n")
    (lamp / "process.py").write_text(LAMP)
    return tmp_path


def flood(**changes: Any) -> dict[str, Any]:
    return FLOOD | changes


def test_a_third_template_runs_from_its_own_folder(folder: Path) -> None:
    file = folder / "street.toml"
    file.write_text(
        'template = "lamp"\nevery_s = 60\n[senses]\nlight = "mast-1/light"\n'
        '[responds]\nlamp = { actuator = "lamp-1/on" }\n'
    )
    engine = Engine([read_instance(file, [folder])], "city")
    engine.advance(T0)
    engine.arrive("mast-1/light", [T0 + S], [3.0], [0.1], [1])
    decision = engine.advance(T0 + 60 * S)[-1]
    assert decision.instance == "street"
    assert decision.actuators == {"lamp": "lamp-1/on"}
    assert decision.outcome.proposals[0][:2] == ("lamp", 1.0)
    assert decision.outcome.proposals[0].reason == "dark"


def test_names_lists_built_in_and_extra_templates(folder: Path) -> None:
    assert templates.names([folder]) == ["classroom_air", "flood", "lamp"]


@pytest.mark.parametrize("name", ["flood", "classroom_air"])
def test_every_template_comes_with_an_example_that_loads(name: str) -> None:
    example = Path(templates.__file__).parent / name / "site.toml"
    assert read_instance(example).template.name == name
    assert (example.parent / "README.md").exists()


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in FLOOD.items() if k != key}


TAUGHT = [
    (flood(template="flod"), ("template",), "did you mean 'flood'.*Known: classroom_air, flood"),
    (flood(template="../etc"), ("template",), "does not exist"),
    (flood(senses=FLOOD["senses"] | {"levle": "a/b"}), ("senses", "levle"), "did you mean 'level'"),
    (flood(senses={"level": "a/b"}), ("senses",), "senses.opening is missing.*gate_opening_fraction in 1"),
    (flood(senses=FLOOD["senses"] | {"level": ["a/b", "c/d"]}), ("senses", "level"), "takes one datastream"),
    (flood(responds={"gates": {"actuator": "a/b"}}), ("responds", "gates"), "did you mean 'gate'"),
    (flood(responds={"level": {"actuator": "a/b"}}), ("responds", "level"), "known: gate"),
    (flood(site=FLOOD["site"] | {"threshold": 2}), ("site", "threshold"), "did you mean 'threshold_m'"),
    (flood(site=FLOOD["site"] | {"area_km2": -1}), ("site", "area_km2"), "expected a number above 0"),
    (flood(site={}), ("site", "area_km2"), "missing"),
    (flood(runs_on="moon"), ("runs_on",), "edge"),
    (flood(evry_s=3), ("evry_s",), "did you mean 'every_s'"),
    (without("senses"), ("senses",), "missing"),
]


@pytest.mark.parametrize(("data", "key", "message"), TAUGHT)
def test_a_wrong_process_file_teaches(data: dict[str, Any], key: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make_instance("flood", data)
    assert caught.value.key == key


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "flood.toml"
    file.write_text("template = ")
    with pytest.raises(ConfigError, match=r"flood\.toml"):
        read_instance(file)


@pytest.mark.parametrize(
    ("cut", "message"),
    [("def step", "lacks step"), ("class Site(BaseModel):", "Site must be a pydantic BaseModel")],
)
def test_an_unfit_template_is_named(folder: Path, cut: str, message: str) -> None:
    source = LAMP.replace(cut, cut.replace("step", "stop").replace("(BaseModel)", ""))
    (folder / "lamp" / "process.py").write_text(source)
    with pytest.raises(TemplateError, match=message):
        templates.load("lamp", [folder])


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('PORTS = {', 'np.zeros(1)\nPORTS = {', r"lamp/process\.py:10: NameError: name 'np' is not defined"),
        ("def start(", "def start((", r"lamp/process\.py:15: SyntaxError: "),
        ("from .words import why", "from .word import why", r"lamp/process\.py:5: ModuleNotFoundError: .*word"),
        ("PORTS = {", "PORTS = 1\nports = {", "PORTS must be a mapping"),
    ],
)
def test_a_template_that_raises_is_told_with_file_and_line(
    folder: Path, right: str, wrong: str, message: str
) -> None:
    (folder / "lamp" / "process.py").write_text(LAMP.replace(right, wrong))
    with pytest.raises(TemplateError, match=message):
        templates.load("lamp", [folder])


def test_an_error_in_a_file_of_the_template_names_that_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "lamp" / "words.py").write_text("why = 1 / 0\n")
    monkeypatch.chdir(folder)
    for root in (folder, Path()):
        with pytest.raises(TemplateError, match=r"lamp/words\.py:1: ZeroDivisionError: division by zero"):
            templates.load("lamp", [root])


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two process files are named flood"):
        Engine([make_instance("flood", FLOOD), make_instance("flood", FLOOD)], "edge")


def test_a_proposal_out_of_contract_faults_the_instance(folder: Path) -> None:
    (folder / "lamp" / "process.py").write_text(LAMP.replace("float(dark)", "float('nan')"))
    data = {"template": "lamp", "senses": {"light": "a/b"}}
    engine = Engine([make_instance("lamp", data, [folder])], "edge")
    assert engine.advance(T0) == []
    assert "finite setpoint" in engine.health()[0]["reason"]


def test_an_unknown_datastream_is_nobodys() -> None:
    engine = Engine([make_instance("flood", FLOOD)], "edge")
    engine.arrive("mast-9/rain", [T0], [1.0], [0.1], [1])
    assert engine.datastreams == {
        "edge-1/river-1.water_level",
        "mast-1/rainfall_amount",
        "gate-1/opening_feedback",
    }
    assert not any(track.all_rows().size for r in engine.runners.values() for track in r.tracks.values())


PUBLIC = {"notify": "wardens", "event": "Flood", "area": {"desc": "Mill Lane", "circle": [51.5, -0.1, 1.0]}}


def flood(**changes: Any) -> Any:
    responds = {**FLOOD["responds"], **changes.pop("responds", {})}
    return make_instance("flood", {**FLOOD, **changes, "responds": responds})


def test_people_are_told_apart_from_actuators_and_survive_a_dump() -> None:
    made = flood(responds={"public": PUBLIC})
    assert (list(made.config.responds), list(made.config.people)) == (["gate"], ["public"])
    assert make_instance("flood", made.config.model_dump(mode="json")).config == made.config


@pytest.mark.parametrize(
    ("name", "row", "changes", "text"),
    [("public", {**PUBLIC, "evnt": 1}, {}, "responds.public.evnt is not known here; did you mean 'event'?"),
     ("public", {**PUBLIC, "alarms": ["x"]}, {}, "'x' is no alarm of the template; known: beyond_control"),
     ("gate", PUBLIC, {}, "responds.gate is a port of the template"),
     ("public", PUBLIC, {"runs_on": "edge"}, "only the city tells people"),
     ("public", {**PUBLIC, "area": {"desc": "x", "circle": [91, 0, 1]}}, {}, "expected a latitude, then a longitude"),
     ("public", {**PUBLIC, "area": {"desc": "x", "polygon": [[1, 2], [3, 4], [1, 2]]}}, {}, "polygon of 2 corners")],
)  # fmt: skip
def test_a_wrong_notify_port_teaches(name: str, row: Any, changes: Any, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        flood(responds={name: row}, **changes)
    assert text in str(caught.value) and caught.value.key[:2] == ("responds", name)
