"""A driver of a chip on a bus in the hands of the board's core, and what it must do when bus or chip fail."""

import importlib
from collections.abc import Callable
from typing import Any

from firmware.core.actuators import Actuators
from firmware.core.schedule import Clock
from tests.drivers.conftest import Bench

SAFE = 0.25
LEASE_MS = 2000
TASK = bytes(16)


class Rig:
    """`run(ms)` steps the core every 10 ms of the bench's clock. `before`: the rig whose chip goes on at this start."""

    def __init__(self, name: str, address: int, before: "Rig | None" = None, **cfg: Any) -> None:
        self.bench = before.bench if before else Bench()
        self.bench.virtual.chips.clear()
        made = importlib.import_module(f"simulator.chips.{name}").make(self.bench.clock.ns, address)
        self.chip = before.chip if before else made
        self.bench.virtual.add(self.chip)
        entry = {"bus": "i2c0", "address": address, "name": "it", "lower": 0.0, "upper": 1.0, "safe": SAFE} | cfg
        self.driver = importlib.import_module(f"drivers.{name}").make(self.bench, entry)
        self.clock = Clock(lambda: self.bench.clock.ns() // 1000 % (1 << 30))
        self.core = Actuators(self.clock)
        self.core.add(self.driver, {"lease_ms": LEASE_MS, **entry})
        self.actuator = self.core.actuators[0]

    def run(self, duration_ms: int, each: Callable[[], None] = lambda: None) -> None:
        until_ms = self.bench.clock.now_ns // 1_000_000 + duration_ms
        while self.bench.clock.now_ns // 1_000_000 < until_ms:
            self.bench.clock.advance_ms(10)
            self.clock.tick()
            self.core.step()
            each()

    def command(self, setpoint: float, lease_ms: int = LEASE_MS) -> None:
        self.clock.tick()
        self.core.results.clear()
        self.core.command(self.actuator, TASK, setpoint, lease_ms)

    def states(self) -> list[tuple[int, int]]:
        """(state, code) of what was reported of the task since its command."""
        return [(result[1], result[2]) for result in self.core.results]

    def power_dip(self) -> None:
        """The chip loses its power and gets it back."""
        self.chip.unplugged = True
        self.chip.unplugged = False
