"""A configuration error names file, line, key, what was found and what was meant. Golden texts."""

from pathlib import Path
from textwrap import dedent

import pytest

from cityreflex import config
from cityreflex.config import ConfigFileError
from cityreflex.exits import CONFIG, NOT_FOUND, CityError
from cityreflex.run_dir import prepare
from firmware.kit import board_file
from simulator import scenario

ROOT = Path(__file__).parent.parent.parent
EDGE = """\
    # an edge node
    [edge]
    id = "edge-1"
    data_dir = "edge"

    [[boards]]
    thing = "river-1"
    port = "dev/river-1"
    bauds = 115200
    key_file = "k"

    [[boards]]
    thing = "gate-1"
    port = "dev/gate-1"
    baud = "fast"
    key_file = "k"

    [city]
    endpoint = "http://x"
    server_public_file = "a"
    public_file = "b"
    secret_file = "c"
    """
FLOOD = """\
    template = "flood"
    runs_on = "both"

    [senses]
    level = "edge-1/river-1.water_level"
    rain = ["mast-1/rainfall_amount"]
    opening = "gate-1/opening_feedback"

    [responds]
    gate = { actuator = "gate-1/opening" }

    [site]
    area_km2 = 29.0
    reach_area_m2 = 75000.0
    gate_width_m = 6.0
    gate_height_m = 1.5
    weir_crest_m = 1.9
    weir_length_m = 20.0
    threshold_m = 1.6
    """


@pytest.fixture
def problems(tmp_path: Path):
    """What `check` says of a file with this text, without the folder."""

    def found(text: str, name: str = "site.toml") -> list[str]:
        path = tmp_path / name
        path.write_text(dedent(text))
        with pytest.raises(ConfigFileError) as caught:
            config.check(path)
        assert caught.value.code == CONFIG
        assert all(problem.file == str(path) for problem in caught.value.problems)
        return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]

    return found


def test_an_edge_file_needs_a_board(problems) -> None:
    text = dedent(EDGE).split("[[boards]]", maxsplit=1)[0]
    assert "edge.toml:1: boards: found none; expected at least one" in problems("boards = []\n" + text, "edge.toml")


def test_edge_file(problems) -> None:
    assert problems(EDGE, "edge.toml") == [
        "edge.toml:9: boards[0].bauds: unknown key; expected one of baud, key_file, port, thing; "
        "did you mean 'baud'?",
        "edge.toml:15: boards[1].baud: found 'fast'; expected a whole number",
        "edge.toml:18: city.verify_key_file: missing; it has no default",
        "edge.toml:19: city.endpoint: found 'http://x'; expected an endpoint such as tcp://HOST:PORT or ipc://PATH",
    ]


@pytest.mark.parametrize(
    ("wrong", "right", "expected"),
    [
        ('"flod"', '"flood"', "1: template: 'flod' does not exist; did you mean 'flood'?"),
        ("levl =", "level =", "5: senses.levl: is no port of template 'flood'; did you mean 'level'?"),
        ("gat =", "gate =", "10: responds.gat: is no port of template 'flood'; did you mean 'gate'?"),
        ("area_km = 29", "area_km2 = 29", "12: site.area_km2: is missing"),
        ("threshold_m = -1", "threshold_m = 1", "19: site.threshold_m: found -1.6; expected a number above 0"),
    ],
)
def test_process_file(problems, wrong: str, right: str, expected: str) -> None:
    text = dedent(FLOOD)
    assert right in text
    found = problems(text.replace(right, wrong), "flood.toml")
    assert any(line.startswith(f"flood.toml:{expected}") for line in found)


def test_every_mistake_of_a_process_is_told(problems) -> None:
    text = FLOOD.replace('runs_on = "both"', 'run_on = "both"').replace("area_km2 =", "area_km =")
    assert problems(text.replace("[senses]", "[sense]"), "flood.toml") == [
        "flood.toml:1: senses: is missing",
        "flood.toml:2: run_on: is not known here; did you mean 'runs_on'?",
        "flood.toml:4: sense: is not known here; did you mean 'senses'?",
    ]
    assert problems(FLOOD.replace("area_km2 =", "area_km ="), "flood.toml") == [
        "flood.toml:12: site.area_km2: is missing",
        "flood.toml:13: site.area_km: is not known here; did you mean 'area_km2'?",
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ('"gate-1/opening" }', '"gate-1/opening", obsrve = "a/b" }', "is not known here; did you mean 'observe'?"),
        ('"gate-1/opening" }', '"gate-1/opening", x = 1 }', "x: is not known here; known: actuator, observe, within_s"),
        ('"gate-1/opening" }', '"nope" }', "actuator: found 'nope'; expected THING/NAME"),
        ('"gate-1/opening_feedback"', '"nope"', "senses.opening: found 'nope'; expected THING/NAME"),
        ('["mast-1/rainfall_amount"]', '["a/b", "c"]', "senses.rain[1]: found 'c'; expected THING/NAME"),
    ],
)
def test_a_table_in_a_process_file(problems, right: str, wrong: str, expected: str) -> None:
    (found,) = problems(FLOOD.replace(right, wrong), "flood.toml")
    assert found.endswith(expected)


def test_every_mistake_of_a_board_is_told(problems) -> None:
    text = board_file.board_path("river_gauge").read_text()
    found = problems(text.replace('reads = "distance"', 'reads = "distanc"'), "board.toml")
    (line,) = [n for n, row in enumerate(text.splitlines(), 1) if row.startswith("reads")]
    assert len(found) == 1
    assert found[0].startswith(f"board.toml:{line}: sensors[0].channels[0].reads: found 'distanc'")
    assert "did you mean 'distance'?" in found[0]


def test_output_that_is_unsafe_in_reset(problems) -> None:
    """An output that the chip's reset would switch on is a mistake in the file, told with its pin."""
    text = board_file.board_path("sluice_gate").read_text()
    found = problems(text.replace('"GP10", active = "high"', '"GP10", active = "low"'), "gate.toml")
    assert "GP10" in found[0]
    assert "external-up" in found[0]


def test_scenario_file(problems) -> None:
    text = (scenario.FOLDER / "riverside.toml").read_text().replace("per_pulse =", "per_puls =")
    found = problems(text, "wet.toml")
    assert any("per_puls: unknown key" in line and "did you mean 'per_pulse'?" in line for line in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[edge]\nid = "edge-1\n', "2: not TOML: illegal character"),
        ("[edge]\na = [1\n", "2: not TOML: unclosed array"),
        ("a = 1\na = 2\n", "2: not TOML: cannot overwrite a value"),
    ],
)
def test_not_toml(problems, text: str, expected: str) -> None:
    (found,) = problems(text, "edge.toml")
    assert found.startswith(f"edge.toml:{expected}")


def test_the_kind_is_the_one_most_keys_speak_for(problems) -> None:
    text = (scenario.FOLDER / "riverside.toml").read_text().replace('world = "', 'wrld = "')
    found = problems(text, "wet.toml")
    assert "wet.toml:3: wrld: unknown key" in found[1] and found[1].endswith("did you mean 'world'?")
    assert found[0] == "wet.toml:1: world: missing; it has no default"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A run directory of two configuration files that are right, with their keys."""
    prepare(tmp_path, scenario.load("classroom"), speed=60.0, epoch_utc_us=0)
    return tmp_path


def test_a_missing_and_a_short_key(node: Path) -> None:
    (node / "keys" / "room-1.key").unlink()
    (node / "keys" / "city.public").write_text("short")
    with pytest.raises(ConfigFileError) as caught:
        config.check(node / "edge.toml")
    board, city = caught.value.problems
    lines = (node / "edge.toml").read_text().splitlines()
    assert board.key == "boards[0].key_file" and "key_file" in lines[board.line - 1]
    assert board.message == f"{node}/keys/room-1.key: cannot read the key file: No such file or directory"
    assert city.key == "city.server_public_file" and "expected 40 characters" in city.message
    assert caught.value.hint == f"correct the file, then try: city config check {node}/edge.toml"


@pytest.mark.parametrize(
    ("file", "key", "secret"),
    [
        ("edge.toml", "boards[0].key_file", "room-1.key"),
        ("edge.toml", "city.secret_file", "edge-1.secret"),
        ("aggregator.toml", "listen.secret_file", "city.secret"),
        ("aggregator.toml", "signing.secret_file", "sign.secret"),
    ],
)
def test_a_secret_that_others_can_read(node: Path, file: str, key: str, secret: str) -> None:
    assert config.check(node / file) == file.removesuffix(".toml")
    path = node / "keys" / secret
    path.chmod(0o640)
    with pytest.raises(ConfigFileError) as caught:
        config.check(node / file)
    (problem,) = caught.value.problems
    assert problem.key == key and problem.message.endswith(f"chmod 600 {path}")


def test_the_hint_names_the_file_that_was_asked_for(node: Path) -> None:
    sites = node / "sites" / "classroom_air.toml"
    sites.write_text(sites.read_text().replace("template", "tmplate"))
    with pytest.raises(ConfigFileError) as caught:
        config.check(node / "edge.toml")
    assert caught.value.problems[0].file == str(sites)
    assert caught.value.hint.endswith(f"city config check {node}/edge.toml")


def test_two_processes_of_one_name(node: Path) -> None:
    (node / "more").mkdir()
    other = node / "more" / "classroom_air.toml"
    other.write_text((node / "sites" / "classroom_air.toml").read_text())
    edge = node / "edge.toml"
    edge.write_text(edge.read_text().replace('classroom_air.toml"]', 'classroom_air.toml", "more/classroom_air.toml"]'))
    with pytest.raises(ConfigFileError) as caught:
        config.check(edge)
    (problem,) = caught.value.problems
    assert problem.key == "processes.files[1]" and "a process is named by its file, and" in problem.message
    other.write_text(other.read_text().replace('runs_on = "edge"', 'runs_on = "city"'))
    assert config.check(edge) == "edge", "it does not run here"


SCENARIO = [
    ("riverside", '"weather_mast"', '"weather_mats"', "boards[1].board: found 'weather_mats'; ", "weather_mast"),
    ("riverside", '"bme280"', '"bme180"', "boards[1].chips[0].chip: found 'bme180'; ", "bme280"),
    ("riverside", '"rain_mm"', '"rain_m"', "boards[1].pulses[0].of: found 'rain_m'; ", "rain_mm"),
    ("classroom", '"door_open"', '"door_opn"', "boards[0].inputs[0].of: found 'door_opn'; ", "door_open"),
    ("classroom", '{ of = "co2_ppm"', '{ of = "co_ppm"', "measures.co2_ppm.of: found 'co_ppm'; ", "co2_ppm"),
    ("classroom", "measures.co2_ppm", "measures.co_ppm", "measures.co_ppm: found 'co_ppm'; ", "co2_ppm"),
    ("classroom", "volume_m3 =", "volume =", "world_parameters: ", ""),
    ("classroom", '"2026-09-21T', '"2026-9-21T', "window.start: ", ""),
    ("riverside", "{ period_ms = 100 }", "{ status = 1 }", "boards[0].overrides: status: unknown key", ""),
]


@pytest.mark.parametrize(("name", "right", "wrong", "expected", "did_you_mean"), SCENARIO)
def test_names_in_a_scenario(problems, name: str, right: str, wrong: str, expected: str, did_you_mean: str) -> None:
    text = (scenario.FOLDER / f"{name}.toml").read_text()
    assert right in text
    text = text.replace(right, wrong, 1)
    (found,) = problems(text, "wet.toml")
    (line,) = [n for n, row in enumerate(text.splitlines(), 1) if wrong in row or row == f"[{expected[:-2]}]"][:1]
    assert found.startswith(f"wet.toml:{line}: ") and expected in found
    assert found.endswith(f"did you mean {did_you_mean!r}?" if did_you_mean else "")


def test_a_scenario_is_loaded_by_name_or_file() -> None:
    assert config.load_scenario("classroom") == config.load_scenario(scenario.FOLDER / "classroom.toml")
    with pytest.raises(CityError, match="no scenario 'classrom'") as caught:
        config.load_scenario("classrom")
    assert (caught.value.code, caught.value.hint) == (
        NOT_FOUND, "give one of classroom, riverside, stations, or a .toml file",
    )  # fmt: skip


def test_a_template_that_raises(tmp_path: Path) -> None:
    """A template in the making is told with its own file and line, not with a traceback."""
    (tmp_path / "lamp").mkdir()
    (tmp_path / "lamp" / "process.py").write_text("state = np.zeros(1)\n")
    path = tmp_path / "lamp.toml"
    path.write_text('template = "lamp"\n[senses]\nlight = "mast-1/light"\n')
    with pytest.raises(ConfigFileError) as caught:
        config.check(path, [tmp_path])
    expected = f"{path}:1: template: {tmp_path}/lamp/process.py:1: NameError: name 'np' is not defined"
    assert str(caught.value) == expected


def test_of_no_kind(problems) -> None:
    (found,) = problems("colour = 3\n")
    assert found.startswith("site.toml:1: of no known kind; expected one of process: has template; board: has board")


def test_wrong_kind(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(dedent(FLOOD))
    with pytest.raises(ConfigFileError, match="found a file of kind process; expected edge"):
        config.load_edge(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CityError, match="no such file") as caught:
        config.check(tmp_path / "edge.toml")
    assert caught.value.code == NOT_FOUND


SHIPPED = [
    *sorted((ROOT / "firmware" / "boards").glob("*.toml")),
    *sorted(scenario.FOLDER.glob("*.toml")),
    *sorted((ROOT / "processes").glob("*/site.toml")),
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_we_ship_is_right(path: Path) -> None:
    assert config.check(path) in ("board", "scenario", "process")
