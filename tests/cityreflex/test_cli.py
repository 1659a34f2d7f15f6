"""The command line: help with examples, exit codes, data on stdout and all else on stderr."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from cityreflex import exits
from cityreflex.cli import city, main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`city WORDS` in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def words(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["city", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        out = capsys.readouterr()
        return code, out.out, out.err

    return words


def commands(
    group: click.Command = city, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below `city` with its words."""
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield (*path, name), command
            yield from commands(command, (*path, name))


def test_a_command_imports_no_other() -> None:
    program = (
        "import sys; from cityreflex.cli import main; sys.argv = ['city', 'status', '-h']\ntry: main()\nfinally: "
        "print(sorted(name for name in sys.modules if name.startswith(('cityreflex.commands.', 'numba', 'fastapi'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = done.stdout.splitlines()[-1]
    assert "cityreflex.commands.status" in found and "cityreflex.commands.task'" not in found
    assert "numba" not in found and "fastapi" not in found


@pytest.mark.parametrize("words", ["alarm list", "task list", "status", "login anna"])
def test_a_command_that_asks_the_city_starts_without_what_a_service_needs(words: str) -> None:
    code = (
        "import sys; from cityreflex.cli import main; main();"
        "print('loaded', *{'numpy', 'numba', 'fastapi', 'duckdb'} & sys.modules.keys())"
    )
    argv = [sys.executable, "-c", code, *words.split(), "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert "Usage" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded"


def test_the_commands_that_are_promised() -> None:
    words = {" ".join(path) for path, _ in commands()}
    promised = {"demo", "sim up", "edge run", "aggregator run", "status", "ledger", "config check"}
    assert promised <= words


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_help_shows_an_example(run: Run, path: tuple[str, ...]) -> None:
    code, out, _ = run(*path, "--help")
    assert code == exits.OK
    assert f"Example: city {path[0]}" in out


@pytest.mark.parametrize("path", ["status", "ledger", "config check"])
def test_what_prints_data_has_json(run: Run, path: str) -> None:
    assert "--json" in run(*path.split(), "--help")[1]


def test_help_names_every_exit_code(run: Run) -> None:
    text = " ".join(run("--help")[1].split())
    assert all(f"{code} {meaning}" in text for code, meaning in exits.MEANING.items())
    assert "completion" in text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("nonsense",), exits.USAGE),
        (("sim", "up", "riverside", "--speed", "0"), exits.USAGE),
        (("sim", "up", "nowhere"), exits.NOT_FOUND),
        (("config", "check", "nowhere.toml"), exits.NOT_FOUND),
        (("status", "--dir", "nowhere"), exits.NOT_FOUND),
        (("ledger", "--dir", "nowhere"), exits.NOT_FOUND),
        (("demo", "--rain", "nowhere.csv"), exits.NOT_FOUND),
        (("demo", "--speed", "9000"), exits.USAGE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_exit_codes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = run(*words)
    assert found == code, err
    assert out == ""
    assert err


def test_too_fast_for_twelve_samples_an_hour_says_so(run: Run) -> None:
    _, _, err = run("demo", "--speed", "9000")
    assert "12 samples per world hour and channel" in err
    assert "city: next: give --speed" in err


def test_config_check(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "lamp.toml"
    path.write_text('template = "lamp"\n[senses]\nlight = "a/b"\n')
    code, out, err = run("config", "check", str(path))
    assert (code, out) == (exits.CONFIG, "")
    assert f"{path}:1: template: " in err
    code, out, _ = run("config", "check", str(path), "--json")
    assert code == exits.CONFIG
    assert json.loads(out)["problems"][0]["line"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,depth\n2020-01-01,1\n2020-01-02,1\n", ":1: the second column must be named ..._m_per_h"),
        ("time,rain_mm_per_h\n2020-01-01,1\nyesterday,1\n", ":3: "),
        ("time,rain_mm_per_h\n2020-01-01,1\n2020-01-02,-4\n", ":3: rain must be 0 or more and finite, found -4"),
    ],
)
def test_rain_that_cannot_be_used(run: Run, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rain.csv"
    path.write_text(text)
    code, _, err = run("demo", "--rain", str(path))
    assert code == exits.CONFIG
    assert f"{path}{message}" in err


def test_what_the_page_says(run: Run) -> None:
    """docs/cli.md lists the commands and exit codes there are."""
    page = (Path(__file__).parent.parent.parent / "docs" / "cli.md").read_text()
    for path, command in commands():
        assert isinstance(command, click.Group) or f"`city {' '.join(path)}" in page, path
    for code in exits.MEANING:
        assert f"\n| {code} | " in page
