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
    printed = heap.hot_paths(tmp_path)
    used = {line.split()[1]: int(line.split()[2]) for line in printed if line.startswith("path")}
    assert used.pop("control") > 0
    assert used.pop("counts_pack") <= 100 * 128
    assert len(used) == 9 and set(used.values()) == {0}, used


def test_interrupt_handler_runs_with_the_heap_locked(heap: ModuleType, tmp_path: Path) -> None:
    printed = heap.hot_paths(tmp_path)
    assert "pulses 1" in printed, "two edges within the debounce time count once"
    assert "locked MemoryError" in printed, "a handler that allocates is found"


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


def test_garbage_is_collected_while_nothing_is_due_and_its_longest_pause_is_told(
    heap: ModuleType, tmp_path: Path
) -> None:
    bundle.build(board_file.board_path("river_gauge"), tmp_path, thing="heap-1", key=heap.KEY)
    vm = heap.Vm(tmp_path, HERE / "bench.py", heap=400_000)

    def after(ms: int, pause_ms: int, low: int) -> list[int]:
        """Counters after turns of 1 ms, with `low` bytes free before a collection that takes `pause_ms`.

        Collections, the last pause, the longest, the least that was free.
        """
        vm.run(f"pause = {pause_ms}; low = {low}; exec('for _ in range({ms}):\\n time.forward_ms(1); app.turn()')")
        vm.run("told = app.node.counters()")
        vm.run("names = 'gc_ms', 'gc_max_ms', 'mem_low'")
        return [int(word) for word in vm.run("print(len(made), *[told[name] for name in names])")[-1].split()]

    try:
        for line in (
            "import time",
            "load()",
            "start()",
            "import firmware.port.app as port",
            "made = []; asked = []",
            "collect = lambda: (made.append(1), time.forward_ms(pause))",
            "mem_free = lambda: (asked.append(1), low if len(asked) % 2 else 100000)[1]",
            "port.gc = type('Gc', (), {'collect': staticmethod(collect), 'mem_free': staticmethod(mem_free)})",
            "app._tidied_ms = app.node.clock.ms; app._tidy_ms = app._tidied_ms + 1000",
            "app.node.extra['mem_low'] = 99999",
        ):
            vm.run(line)
        assert after(990, 7, 50_000)[0] == 0, "not yet"
        assert after(200, 7, 50_000) == [1, 7, 7, 50_000], "a second takes half of what is free"
        assert after(700, 3, 36_000)[0] == 1
        assert after(400, 3, 36_000) == [2, 3, 7, 36_000], "so it comes back after one; the longest since start"
        assert after(1400, 3, 99_000) == [3, 3, 7, 36_000]
        assert after(4000, 3, 99_000)[0] == 3, "who makes little is left alone"
        assert after(400, 3, 99_000)[0] == 4
        vm.run("app.node.extra['gc_ms'] = 1000; app._tidy_ms = app.node.clock.ms")
        assert after(450, 5, 99_000)[0] == 4, "no pause of the board is so long: put off"
        assert after(150, 5, 99_000)[:3] == [5, 5, 7], "but not for ever"
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
