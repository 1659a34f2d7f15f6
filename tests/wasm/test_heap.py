"""The firmware's heap on a 32-bit VM: hot paths take none, the whole firmware stays below its limit."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from firmware.kit import board_file, bundle

HERE = Path(__file__).parent
LIMIT = 120_000


@pytest.fixture(scope="module")
def heap() -> ModuleType:
    """The measuring script, as a module."""
    spec = importlib.util.spec_from_file_location("wasm_heap", HERE / "heap.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.missing():
        pytest.skip(module.missing())
    return module


def test_hot_paths_allocate_nothing(heap: ModuleType, tmp_path: Path) -> None:
    bundle.build(board_file.board_path("fullest"), tmp_path, thing="heap-1", key=heap.KEY)
    vm = heap.Vm(tmp_path, HERE / "hot_paths.py", heap=400_000)
    vm.close()
    used = {line.split()[1]: int(line.split()[2]) for line in vm.printed if line.startswith("path")}
    assert used.pop("control") > 0
    assert len(used) == 8 and set(used.values()) == {0}, used


def test_interrupt_handler_runs_with_the_heap_locked(heap: ModuleType, tmp_path: Path) -> None:
    bundle.build(board_file.board_path("fullest"), tmp_path, thing="heap-1", key=heap.KEY)
    vm = heap.Vm(tmp_path, HERE / "hot_paths.py", heap=400_000)
    vm.close()
    assert "pulses 1" in vm.printed, "two edges within the debounce time count once"


@pytest.mark.slow
def test_whole_firmware_stays_below_120_kb(heap: ModuleType) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "heap.py"), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["peak"] < LIMIT, found
    assert not found["heap_grew"], found
    assert found["samples_acquired"] > 5000
    assert found["samples_acquired"] - found["dropped"] - found["samples_received"] <= 64, found
    assert found["results"] >= 6, found
