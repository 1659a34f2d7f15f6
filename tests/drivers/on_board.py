"""Every driver on real MicroPythons: its traffic with its virtual chip is recorded here and replayed there.

`python -m tests.drivers.on_board` prints how many bytes of heap a reading takes on the 32-bit VM, whose objects are as
large as a board's.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from drivers.bus import I2CBus
from tests.drivers import steps
from tests.drivers.cases import CASES
from tests.drivers.conftest import Bench
from tests.drivers.serial_cases import SERIAL_CASES

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
WASM = Path(sys.prefix) / "npm/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
LIMIT = 256
LIMITS = {name: case.heap for name, case in (*CASES.items(), *SERIAL_CASES.items())}
CYCLES = 3
PULSES = 17
ACTUATORS = {
    "mcp4725": {"address": 0x60},
    "pca9685": {"address": 0x40, "channel": 3, "pulse_at_0_us": 1000, "pulse_at_1_us": 2000},
    "mcp23017": {"address": 0x20, "line": 3, "active_high": False, "pull": "external-up"},
}
"""Those behind a bus; what is on pins has no traffic and is driven by `check_on_board.py` itself."""


class Recorder(I2CBus):
    """Writes down each transaction and its answer."""

    def __init__(self, inner: I2CBus) -> None:
        super().__init__(inner.name)
        self.inner = inner
        self.steps: list[Any] = []

    def transaction(self, address: int, write: Any, read: Any) -> None:
        self.inner.transaction(address, write, read)
        self.steps.append([address, None if write is None else list(write), list(read or b"")])


class CallRecorder:
    """Writes down each call of a UART or a 1-Wire line, and what it gave."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.steps: list[Any] = []

    def any(self) -> int:
        self.steps.append(["any", self.inner.any()])
        return int(self.steps[-1][1])

    def readinto(self, buf: bytearray, *count: int) -> Any:
        found = self.inner.readinto(buf, *count)
        self.steps.append(["readinto", list(buf[:found] if count else buf)])
        return found

    def write(self, data: bytes) -> Any:
        self.steps.append(["write", list(data)])
        return self.inner.write(data)

    def reset(self) -> bool:
        self.steps.append(["reset", self.inner.reset()])
        return bool(self.steps[-1][1])

    def read_bit(self) -> int:
        self.steps.append(["read_bit", self.inner.read_bit()])
        return int(self.steps[-1][1])

    def strong_pull_up(self, on: bool) -> None:
        self.inner.strong_pull_up(on)


class CountRecorder:
    """Pulses; writes down what a driver found each time it looked."""

    ticks_us = 0

    def __init__(self) -> None:
        self.now = 0
        self.steps: list[int] = []

    @property
    def count(self) -> int:
        self.steps.append(self.now)
        return self.now


def _tapped(bench: Bench, driver: Any) -> Any:
    """What writes down all that a driver on a bus, a UART, a 1-Wire line or a pin hears from now on."""
    for place in ("_uart", "_wire"):
        if hasattr(driver, place):
            setattr(driver, place, CallRecorder(getattr(driver, place)))
            return getattr(driver, place)
    if hasattr(driver, "_bus"):
        bench.bus.inner = recorder = Recorder(bench.machine_bus())
        return recorder
    return bench.pulse_counts.get("GP15", CountRecorder())


def record(name: str) -> dict[str, Any]:
    """Return some readings of a sensor's driver: the traffic, what the clock said, and the last values."""
    bench, seen = Bench(), []
    look = bench.clock.millis

    def millis() -> int:
        seen.append(look())
        return seen[-1]

    bench.pulse_counts["GP15"] = counts = CountRecorder()  # type: ignore[assignment]
    bench.clock.millis = millis  # type: ignore[method-assign]
    driver, width, cfg = steps.made(bench, name)
    recorder = _tapped(bench, driver)
    for _ in range(CYCLES):
        bench.clock.advance_ms(5000)
        counts.now += PULSES
        values = bench.acquire(driver, width)
    return {
        "name": name, "cfg": cfg, "steps": recorder.steps, "millis": seen, "values": values, "cycles": CYCLES,
    }  # fmt: skip


def record_actuator(name: str) -> dict[str, Any]:
    """Return the traffic of an order and of looking whether it holds."""
    from tests.drivers.remote_rig import Rig  # noqa: PLC0415 (needs firmware/core)

    cfg: dict[str, Any] = dict(ACTUATORS[name])
    rig = Rig(name, cfg.pop("address"), **cfg)
    rig.bench.bus.inner = recorder = Recorder(rig.bench.machine_bus())
    rig.driver.command(0.25)
    for now_ms in (0, 20, 40, 600, 620, 1200):
        rig.driver.step(now_ms)
    entry = {"bus": "i2c0", "lower": 0.0, "upper": 1.0, "safe": 0.25, **ACTUATORS[name]}
    return {"name": name, "cfg": entry, "steps": recorder.steps, "millis": [],
            "position": rig.driver.position}  # fmt: skip


def script(folder: Path) -> Path:
    """Return the script that replays everything, written to a folder."""
    told = json.dumps([record(name) for name in steps.sensors() if name != "inmp441"])  # that has its own there
    orders = json.dumps([record_actuator(name) for name in ACTUATORS])
    path = folder / "check.py"
    check = (HERE / "check_on_board.py").read_text()
    path.write_text(f"TRANSCRIPTS = {told!r}\nORDERS = {orders!r}\n{check}")
    return path


def run(command: list[str], **environment: str) -> dict[str, tuple[int, int]]:
    """Return (bytes of the first, bytes of the last reading) of each driver, from a run that must end with `ok`."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd="/", env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, last = done.stdout.split("\n")[:-1]
    assert last == "ok", done.stdout + done.stderr
    return {name: (int(first), int(used)) for name, first, used in (line.split() for line in lines)}


def missing() -> str:
    """Return what the 32-bit VM needs and is not there, or an empty text."""
    found = shutil.which("node", path=f"{BIN}:/usr/bin:/usr/local/bin") and WASM.exists()
    return "" if found else f"node or {WASM} is missing: make setup installs both"


def on_32_bits(path: Path) -> dict[str, tuple[int, int]]:
    """Return what `run` does, of a script on the 32-bit VM."""
    node = shutil.which("node", path=f"{BIN}:/usr/bin:/usr/local/bin")
    return run([str(node), str(HERE / "run_wasm.mjs"), str(WASM), str(ROOT), str(path)])


def main() -> int:
    """Print the heap of each driver; exit status 1 if a reading takes more than it may."""
    if problem := missing():
        print(problem, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        used = on_32_bits(script(Path(folder)))
    used.pop("control")
    print(f"{'driver':18} {'bytes a reading':>15} {'at most':>8} {'the first one':>14}")
    for name, (first, later) in sorted(used.items()):
        print(f"{name:18} {later:15} {LIMITS.get(name, LIMIT):8} {first:14}")
    return int(max(later for _, later in used.values()) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
