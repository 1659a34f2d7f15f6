"""The examples of docs/ are complete and right: they are taken out of the pages and checked."""

import json
import re
import socket
import threading
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from cityreflex.cli import city
from cityreflex.config import check, load_aggregator, load_edge
from firmware.kit.schema import Actuator
from processes.engine import Engine
from processes.instance import read_instance

DOCS = Path(__file__).parent.parent.parent / "docs"
S = 1_000_000
T0 = 1_700_000_000 * S


def examples(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)


@pytest.fixture
def lamp(tmp_path: Path) -> Path:
    """The process file of docs/processes.md, beside `my_templates` with its template."""
    folder = tmp_path / "my_templates" / "lamp"
    folder.mkdir(parents=True)
    (folder / "process.py").write_text("\n\n".join(examples("processes.md", "python")))
    path = tmp_path / "lamp.toml"
    path.write_text(examples("processes.md", "toml")[0])
    return path


def test_the_process_is_checked_as_its_page_says(lamp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = re.findall(r"^ {4}city (config check .*)$", (DOCS / "processes.md").read_text(), re.M)
    monkeypatch.chdir(lamp.parent)
    result = CliRunner().invoke(city, command.split())
    assert (result.exit_code, result.output) == (0, "lamp.toml: ok, process\n")


def test_the_process_proposes(lamp: Path) -> None:
    engine = Engine([read_instance(lamp, [lamp.parent / "my_templates"])], "edge")
    engine.advance(T0)
    engine.arrive("mast-1/light", [T0 + S], [3.0], [0.1], [1])
    (proposal,) = engine.advance(T0 + 60 * S)[-1].outcome.proposals
    assert (proposal.port, proposal.setpoint, proposal.reason) == ("lamp", 1.0, "dark")


def test_the_board_file_is_right(tmp_path: Path) -> None:
    board, chip = examples("firmware.md", "toml")
    path = tmp_path / "board.toml"
    path.write_text(board)
    assert check(path) == "board"
    (entry,) = tomllib.loads(chip)["actuators"]
    assert Actuator.model_validate(entry).bus == "i2c0"


def test_the_configuration_for_hardware_is_right(tmp_path: Path) -> None:
    city_toml, edge_toml = (tmp_path / name for name in ("aggregator.toml", "edge.toml"))
    for path, text in zip((city_toml, edge_toml), examples("hardware.md", "toml"), strict=True):
        path.write_text(text)
    aggregator, edge = load_aggregator(city_toml, with_keys=False), load_edge(edge_toml, with_keys=False)
    assert aggregator.listen.endpoint.rpartition(":")[2] == edge.city.endpoint.rpartition(":")[2]
    assert [board.thing for board in edge.boards] == ["river-1", "gate-1"]


def test_a_fault_is_sent_from_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    heard: list[dict[str, str]] = []

    def answer() -> None:
        client, _ = server.accept()
        with client, client.makefile("rwb") as lines:
            heard.append(json.loads(lines.readline()))
            lines.write(b'{"ok": true}\n')

    with socket.socket(socket.AF_UNIX) as server:
        server.bind("run/faults.sock")
        server.listen()
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        (example,) = [text for text in examples("simulator.md", "python") if "simulator.faults" in text]
        exec(compile(example, "simulator.md", "exec"), {})
        thread.join(90)
    assert heard == [{"fault": "silent", "thing": "river-1", "sensor": "level"}]
    assert capsys.readouterr().out == "{'ok': True}\n"
