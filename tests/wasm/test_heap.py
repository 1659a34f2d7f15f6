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
WITH_FLASH_RING = {"flash": {"size_kb": 128}}


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
    bundle.build(board_file.board_path("fullest"), tmp_path, thing="heap-1", overrides=WITH_FLASH_RING, key=heap.KEY)
    vm = heap.Vm(tmp_path, HERE / "hot_paths.py", heap=400_000)
    vm.close()
    used = {line.split()[1]: int(line.split()[2]) for line in vm.printed if line.startswith("path")}
    assert used.pop("control") > 0
    assert used.pop("counts_pack") <= 100 * 128
    assert len(used) == 9 and set(used.values()) == {0}, used


def test_interrupt_handler_runs_with_the_heap_locked(heap: ModuleType, tmp_path: Path) -> None:
    bundle.build(board_file.board_path("fullest"), tmp_path, thing="heap-1", overrides=WITH_FLASH_RING, key=heap.KEY)
    vm = heap.Vm(tmp_path, HERE / "hot_paths.py", heap=400_000)
    vm.close()
    assert "pulses 1" in vm.printed, "two edges within the debounce time count once"


def test_the_watchdog_is_fed_only_after_whole_turns_of_a_loop_that_finds_itself_well(
    heap: ModuleType, tmp_path: Path
) -> None:
    bundle.build(board_file.board_path("sluice_gate"), tmp_path, thing="heap-1", key=heap.KEY)
    vm = heap.Vm(tmp_path, HERE / "bench.py", heap=400_000)

    def fed(turn: str) -> int:
        """How often the watchdog was fed in three turns, of which `turn` is the second."""
        vm.run("turns = []; meals = []; app.node.link.maintenance = False")
        vm.run(f"app.turn = lambda: (turns.append(1), {turn} if len(turns) == 2 else None, end(len(turns) == 3), 0)[3]")
        printed = vm.run("runs(loop)")
        return int(printed[-1])

    try:
        for line in (
            "load()",
            "start()",
            "from firmware.port.app import loop",
            "end = lambda last: setattr(app.node.link, 'maintenance', last)",
            "Dog = type('Dog', (), {'feed': lambda self: meals.append(1)})",
            "group = app._io._groups[0]",
            "exec('def runs(loop):\\n try:\\n  loop(app, Dog())\\n except ValueError:\\n  pass\\n print(len(meals))')",
        ):
            vm.run(line)
        assert fed("None") == 3
        assert fed("setattr(group, 'mask', 3)") == 1, "two outputs on that exclude each other, from then on"
        vm.run("group.mask = 1")
        assert fed("None") == 3, "one of them may be on"
        assert fed("int('x')") == 1, "a turn that was not completed"
        vm.run("app.node.ring.tail = app.node.ring.head + 1")
        assert fed("None") == 0, "what the node finds counts, too"
    finally:
        vm.close()


def test_an_output_is_off_in_time_and_rests_whatever_a_driver_wants(heap: ModuleType, tmp_path: Path) -> None:
    text = board_file.board_path("sluice_gate").read_text()
    limited = text.replace('pin = "GP10", active = "high"', 'max_on_ms = 1000, pin = "GP10", active = "high"')
    assert limited != text
    (tmp_path / "b.toml").write_text(limited)
    bundle.build(tmp_path / "b.toml", tmp_path / "files", thing="heap-1", key=heap.KEY)
    vm = heap.Vm(tmp_path / "files", HERE / "bench.py", heap=400_000)

    def after(ms: int, *lines: str) -> list[int]:
        """The level of the pin and the actuator's reason `ms` after the lines were run, in turns of 50 ms."""
        for line in (*lines, f"exec('for _ in range({ms // 50}):\\n time.forward_ms(50); app.turn()')"):
            vm.run(line)
        return [int(word) for word in vm.run("print(machine.pins['GP10'].level, gate.reason)")[-1].split()]

    try:
        for line in (
            "import time",
            "load()",
            "start()",
            "gate = app.node.actuators.actuators[0]",
            "(pin,) = gate.limited",
        ):
            vm.run(line)
        vm.run("gate.driver.step = lambda now_ms: None if pin.value() else pin.on()")
        assert after(900)[0] == 1
        assert after(200) == [0, 7], "on too long"
        assert after(800) == [0, 7], "the driver goes on wanting it"
        assert after(300)[0] == 1, "it has rested as long as it ran"
    finally:
        vm.close()


@pytest.mark.slow
def test_whole_firmware_stays_below_120_kb(heap: ModuleType) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "heap.py"), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["peak"] < LIMIT, found
    assert found["console_peak"] < found["limit"] and found["console_replies"] == 19, found
    assert not found["heap_grew"], found
    assert found["samples_acquired"] > 5000
    assert found["samples_acquired"] - found["dropped"] - found["samples_received"] <= 64, found
    assert found["results"] >= 6, found
