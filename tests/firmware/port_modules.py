"""Loads modules of firmware/port on the host: `machine`, `time` and `select` are those of a test, its clock, too."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any


class Clock:
    """Time in ms that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now_ms = 0

    def pass_ms(self, ms: int) -> None:
        self.now_ms += ms


class Uart:
    """The host's end: `script` is what it sends and when, in ms; `sent` what the board says."""

    def __init__(self, clock: Clock, script: list[tuple[int, bytes]]) -> None:
        self.clock, self.script, self.sent = clock, sorted(script), b""

    def any(self) -> bool:
        return bool(self.script) and self.script[0][0] <= self.clock.now_ms

    def read(self) -> bytes | None:
        return self.script.pop(0)[1] if self.any() else None

    def write(self, data: bytes) -> int:
        """As a UART with little room: some of it."""
        self.sent += data[:16]
        return len(data[:16])


class Poll:
    """`select.poll` on such UARTs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._uarts: list[Uart] = []

    def register(self, uart: Uart, _events: int) -> None:
        self._uarts.append(uart)

    def poll(self, timeout_ms: int) -> list[Uart]:
        """Those that have something, now or by the end of the time."""
        ready = [uart for uart in self._uarts if uart.any()]
        if not ready:
            self._clock.pass_ms(timeout_ms)
        return ready


class Pin:
    """A pin that notes each level it was given, and when."""

    IN, OUT, OPEN_DRAIN, PULL_UP, PULL_DOWN = 0, 1, 2, 1, 2

    def __init__(self, clock: Clock, name: str, level: int = 1) -> None:
        self.clock, self.name, self.level = clock, name, level
        self.levels: list[tuple[int, int]] = []

    def value(self, level: int | None = None) -> int:
        if level is not None:
            self.level = level
            self.levels.append((self.clock.now_ms, level))
        return self.level


def machine(clock: Clock, **more: Any) -> SimpleNamespace:
    """What firmware/port wants of `machine`; `pins`: those made so far, by name."""
    pins: dict[str, Pin] = {}

    def pin(name: str, *_mode: int, value: int | None = None) -> Pin:
        found = pins.setdefault(name, Pin(clock, name))
        if value is not None:
            found.value(value)
        return found

    for name in ("IN", "OUT", "OPEN_DRAIN", "PULL_UP", "PULL_DOWN"):
        setattr(pin, name, getattr(Pin, name))
    return SimpleNamespace(Pin=pin, pins=pins, **more)


@contextmanager
def loaded(name: str, clock: Clock, found: SimpleNamespace) -> Iterator[ModuleType]:
    """Give a module of firmware/port that has this machine and this time; afterwards all is as before."""
    mine = {
        "machine": found,
        "time": SimpleNamespace(
            ticks_ms=lambda: clock.now_ms, ticks_us=lambda: clock.now_ms * 1000 % (1 << 30),
            ticks_diff=lambda a, b: a - b, sleep_ms=clock.pass_ms, sleep_us=lambda us: clock.pass_ms(-(-us // 1000)),
        ),
        "select": SimpleNamespace(poll=lambda: Poll(clock), POLLIN=1),
    }  # fmt: skip
    before = {key: value for key, value in sys.modules.items() if key in mine or key.startswith("firmware.port")}
    for key in before:
        del sys.modules[key]
    sys.modules.update(mine)  # type: ignore[arg-type]
    try:
        yield importlib.import_module(f"firmware.port.{name}")
    finally:
        for key in [key for key in sys.modules if key in mine or key.startswith("firmware.port")]:
            del sys.modules[key]
        sys.modules.update(before)
