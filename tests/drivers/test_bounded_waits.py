"""Whatever a peer does not answer, a reading ends: with a driver error, in its declared time, and blocks nobody.

A reading with a start anew takes at most READ_MAX_MS of its driver, by default three times PERIOD_MIN_MS and at least
500 ms. The peers here are scripted: they never answer, hold the clock, answer nothing but zeros or ones, or babble.
"""

import ast
import importlib
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from drivers import errors
from drivers.bus import I2CBus
from tests.drivers.cases import CASES
from tests.drivers.serial_cases import SERIAL_CASES
from tests.test_tidy import chips

ROOT = Path(__file__).parents[2]
CALL_MS = 30
STRETCHED_MS = 20  # the timeout that the firmware gives machine.I2C
ON_UART = {name: (case.cfg, case.width) for name, case in SERIAL_CASES.items()} | {"a02yyuw": ({"bus": "uart1"}, 1)}
# What does not wait for a peer: a pin is read, a counter is read.
PINS = {"anemometer", "contact", "flow_meter", "tipping_bucket"}


def read_max_ms(module: Any) -> int:
    return int(getattr(module, "READ_MAX_MS", max(500, 3 * module.PERIOD_MIN_MS)))


class Dumb(I2CBus):
    """Fails or answers always the same, and takes its time for it."""

    def __init__(self, clock: Any, how: str) -> None:
        super().__init__("i2c0")
        self.clock, self.how = clock, how

    def transaction(self, address: int, write: Any, read: Any) -> None:
        self.clock.on_transfer(1 + len(write or b"") + len(read or b""))
        if self.how == "nack":
            raise errors.BusError(errors.NACK, "scripted")
        if self.how == "stretched":
            self.clock.advance_ms(STRETCHED_MS)
            raise errors.BusError(errors.TIMEOUT, "scripted")
        if read is not None:
            read[:] = bytes([0 if self.how == "zeros" else 255]) * len(read)


class DumbUart:
    """Says nothing, takes nothing, or has always more of one byte."""

    def __init__(self, how: str) -> None:
        self.how = how

    def any(self) -> int:
        return 0 if self.how in ("silent", "deaf") else 128

    def readinto(self, buf: Any, count: int) -> int:
        if not self.any():
            return 0
        buf[:count] = bytes([{"zeros": 0, "ones": 255, "starts": 0x24}[self.how]]) * count
        return count

    def write(self, data: bytes) -> int | None:
        return None if self.how == "deaf" else len(data)


class DumbWire:
    """A 1-Wire line: nobody, held low, or somebody who says ones only."""

    def __init__(self, how: str) -> None:
        self.how = how

    def reset(self) -> bool:
        return self.how != "silent"

    def write(self, data: Any) -> None:
        """Nothing hears it."""

    def readinto(self, buf: Any) -> None:
        buf[:] = bytes([0 if self.how == "zeros" else 255]) * len(buf)

    def read_bit(self) -> int:
        return int(self.how != "zeros")

    def strong_pull_up(self, on: bool) -> None:
        """Nothing is there to be fed."""


def ended(bench: Any, driver: Any, width: int, limit_ms: int) -> int | None:
    """The code with which a reading ended, None for values; in time, and no call took long."""
    values, begun_ns = [float("nan")] * width, bench.clock.ns()
    calls = iter([driver.start])
    while True:
        called_ns = bench.clock.ns()
        try:
            wait_ms = next(calls, lambda: driver.read_into(values))()
        except errors.DriverError as error:
            return error.code
        finally:
            assert bench.clock.ns() - called_ns <= CALL_MS * 1e6, "it blocks the board"
            assert bench.clock.ns() - begun_ns <= limit_ms * 1e6, "it takes longer than declared"
        if not wait_ms and not any(isnan(value) for value in values):
            return None
        bench.clock.advance_ms(wait_ms or 0)


@pytest.mark.parametrize("how", ["nack", "stretched", "zeros", "ones"])
@pytest.mark.parametrize("name", CASES)
def test_on_i2c(bench: Any, name: str, how: str) -> None:
    bench.bus = Dumb(bench.clock, how)
    module = importlib.import_module(f"drivers.{name}")
    driver = module.make(bench, CASES[name].cfg)
    for _ in range(3):
        code = ended(bench, driver, CASES[name].values, read_max_ms(module))
        assert code in {"nack": (errors.NACK,), "stretched": (errors.TIMEOUT,)}.get(how, ANSWERS)


ANSWERS = (errors.BAD_ID, errors.BAD_CHECKSUM, errors.NOT_READY, errors.OUT_OF_RANGE, None)


@pytest.mark.parametrize("how", ["silent", "deaf", "zeros", "ones", "starts"])
@pytest.mark.parametrize("name", ON_UART)
def test_on_a_uart(bench: Any, name: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "uart", lambda *_: DumbUart(how))
    module = importlib.import_module(f"drivers.{name}")
    cfg, width = ON_UART[name]
    driver = module.make(bench, cfg)
    for _ in range(3):
        code = ended(bench, driver, width, read_max_ms(module))
        assert code in ((errors.SILENT, errors.TIMEOUT) if how in ("silent", "deaf") else (errors.BAD_CHECKSUM,))


@pytest.mark.parametrize(("how", "code"), [("silent", 7), ("zeros", 6), ("ones", 6)])
def test_on_1_wire(bench: Any, how: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "onewire", lambda _: DumbWire(how))
    module = importlib.import_module("drivers.ds18b20")
    driver = module.make(bench, {"pin": "GP22"})
    for _ in range(3):
        found = ended(bench, driver, 1, read_max_ms(module))
        assert found == code or (how == "zeros" and found == errors.BAD_ID)


class DumbI2S:
    """Has no samples, or has always more of one value."""

    def __init__(self, how: str) -> None:
        self.how = how

    def readinto(self, buf: Any) -> int:
        if self.how == "silent":
            return 0
        buf[:] = bytes([0 if self.how == "zeros" else 255]) * len(buf)
        return len(buf)


@pytest.mark.parametrize(("how", "code"), [("silent", 10), ("zeros", 7), ("ones", 7)])
def test_on_i2s(bench: Any, how: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading lasts a period, here the shortest."""
    monkeypatch.setattr(bench, "i2s", lambda *_: DumbI2S(how))
    module = importlib.import_module("drivers.inmp441")
    driver = module.make(bench, {"bus": "i2s0", "period_ms": module.PERIOD_MIN_MS})
    for _ in range(2):
        assert ended(bench, driver, 3, read_max_ms(module)) == code


def test_every_sensor_is_tried_here() -> None:
    assert set(chips()) == {*CASES, *ON_UART, "ds18b20", "inmp441"} | PINS


# Loops that ask a port or sleep, and what ends them. All others of these are `for` loops over a range.
LOOPS = {
    "firmware/port/app.py: not app.node.link.maintenance": "the board's loop: the watchdog watches it",
    "firmware/port/app.py: True": "after a failure: the watchdog ends it",
    "firmware/port/maintenance.py: not repl.done and ticks_diff(ticks_ms(), since_ms) < QUIET_MS": "ten quiet minutes",
    "firmware/console/act.py: clock.ms < end_ms and (not editor.held) and node.port.jumper() and (not "
    "node.actuators.stopped)": "the end of the lease",
}
WAITS = {"any", "poll", "ipoll", "sleep_ms", "sleep_us", "txdone", "read_bit", "jumper", "readinto", "transaction"}


def loops() -> Iterator[str]:
    """`file: condition` of each while loop on boards that waits for something outside."""
    for folder in ("drivers", "firmware/core", "firmware/port", "firmware/console"):
        for path in sorted((ROOT / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.While) and names(node) & WAITS:
                    yield f"{folder}/{path.name}: {ast.unparse(node.test)}"


def names(tree: ast.AST) -> set[str]:
    nodes = list(ast.walk(tree))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in nodes if isinstance(node, ast.Name)}


def test_no_loop_waits_for_a_peer_without_a_limit() -> None:
    assert sorted(loops()) == sorted(LOOPS)
