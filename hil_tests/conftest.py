"""`board` and `fixture`: the board under test and what stimulates it, real (`--board`, `--fixture`) or virtual."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from firmware.kit.bundle import KEY_BYTES
from hil_tests import needs
from hil_tests.board import Board, SilentBoardError
from hil_tests.fixture_port import FixtureError, FixturePort
from hil_tests.wires import WiresError

ROOT = Path(__file__).parents[1]
STOP_S = 30
HERE = Path(__file__).parent
NEXT_PORT = "; next: plug it in, give a port that `ls /dev/serial/by-id/*` lists, and end whatever else has it open"


@dataclass(frozen=True)
class Bench:
    """What there is: ports, the key, and how late a time may be here."""

    board: str
    fixture: str | None
    key: bytes | None
    spoil: bool
    virtual: bool

    def give_up(self, option: str, error: Exception) -> NoReturn:
        """End the run where a real port is of no use; a virtual one is a failure like any other."""
        if self.virtual:
            raise error
        text = " ".join(str(error).split())
        next_step = NEXT_PORT if isinstance(error, OSError) else ""
        pytest.exit(f"{option}: {text}{next_step}", returncode=pytest.ExitCode.USAGE_ERROR)

    @property
    def slack_ms(self) -> float:
        """How much later than its bound something may be: virtual boards share their cores with all that runs."""
        return 5000.0 if self.virtual else 150.0

    @property
    def early_ms(self) -> float:
        """How much earlier than its bound something may be."""
        return 1000.0 if self.virtual else 150.0


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hardware suite")
    group.addoption("--board", metavar="PORT", help="serial port of a real board under test (default: a virtual bench)")
    group.addoption("--key", metavar="FILE", help="the key it shares with its edge node; without, nothing commands it")
    group.addoption("--fixture", metavar="PORT", help="serial port of the fixture that stimulates it")
    group.addoption("--spoil", action="store_true", help="tests may put a broken file on the board, and take it away")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*what): stimuli, faults and power control without which it is not tried")
    config.pluginmanager.register(needs.Report(), "hil-report")
    if not config.option.board and (config.option.key or config.option.fixture):
        raise pytest.UsageError(
            "found --key or --fixture without --board; a virtual bench has its own; add --board PORT"
        )
    if config.option.board and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("found -n with --board; expected one process, as there is one board; leave -n out")
    if config.option.key:
        _key(config.option.key)


def _key(name: str) -> bytes:
    """Return the key in a file. Raises: pytest.UsageError when there is none."""
    try:
        key = Path(name).read_bytes()
    except OSError as error:
        key, found = b"", error.strerror
    else:
        found = f"{len(key)} bytes"
    if len(key) != KEY_BYTES:
        raise pytest.UsageError(
            f"--key {name}: found {found}; expected the {KEY_BYTES} bytes that the board shares with its edge node; "
            "next: give the bench.key that `python -m hil_tests.files DIR` wrote, or the key of the board's edge node"
        )
    return key


def pytest_report_header(config: pytest.Config) -> str:
    return f"hardware suite: board {config.option.board or 'virtual'}, fixture {_fixture_text(config)}"


def _fixture_text(config: pytest.Config) -> str:
    return config.option.fixture or ("none" if config.option.board else "virtual")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            needs.of(item)


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """What the options name; without --board a virtual bench is brought up."""
    options = request.config.option
    if options.board:
        key = _key(options.key) if options.key else None
        yield Bench(options.board, options.fixture, key, options.spoil, False)
        return
    folder = tmp_path_factory.mktemp("hil")
    with (folder / "bench.log").open("wb") as log:
        words = [sys.executable, "-m", "hil_tests.virtual", str(folder)]
        process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    assert process.stdin and process.stdout
    ready = process.stdout.readline()
    assert ready == b"ready\n", f"the virtual bench ended: {(folder / 'bench.log').read_text()}"
    dev = folder / "dev"
    yield Bench(str(dev / "bench-1"), str(dev / "fixture"), (folder / "bench.key").read_bytes(), True, True)
    process.stdin.close()
    process.wait(STOP_S)


@pytest.fixture(scope="session")
def stimulus(bench: Bench) -> Iterator[FixturePort | None]:
    """The fixture's port, None without one."""
    if bench.fixture is None:
        yield None
        return
    try:
        port = FixturePort(bench.fixture)
    except (OSError, FixtureError, WiresError) as error:
        bench.give_up("--fixture", error)
    yield port
    port.close()


@pytest.fixture(autouse=True)
def _needed(request: pytest.FixtureRequest, bench: Bench, stimulus: FixturePort | None) -> None:
    """Say that a test is not tried where the bench lacks what it needs."""
    there = {needs.KEY: bench.key is not None, needs.SPOIL: bench.spoil, needs.FIXTURE: stimulus is not None}
    wired = [wire.does for wire in stimulus.wires] if stimulus else []
    needs.refuse(request.node, [*wired, *[need for need, met in there.items() if met]])


@pytest.fixture
def fixture(stimulus: FixturePort | None, _needed: None) -> FixturePort:
    """The fixture, with nothing pulled but the stop contact, which is closed. For tests that need one of its wires."""
    assert stimulus is not None, "a test that uses `fixture` needs one of its wires: @pytest.mark.needs"
    stimulus.calm()
    return stimulus


@pytest.fixture(scope="session")
def answering(bench: Bench) -> Callable[[Board], None]:
    """What makes sure, once in a run, that a real board answers at all."""
    proven = bench.virtual

    def prove(line: Board) -> None:
        nonlocal proven
        if not proven:
            line.prove()
            proven = True

    return prove


@pytest.fixture
def board(
    bench: Bench, stimulus: FixturePort | None, answering: Callable[[Board], None], _needed: None
) -> Iterator[Board]:
    """The board under test, in whatever mode the last test left it."""
    try:
        line = Board(bench.board, bench.key, stimulus.alive if stimulus else lambda: None)
        answering(line)
    except (OSError, SilentBoardError) as error:
        bench.give_up("--board", error)
    yield line
    line.port.close()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """What takes a figure that was measured, for the end of the run and for JUnit XML."""
    return lambda text: request.node.user_properties.append((needs.MEASURED, text))
