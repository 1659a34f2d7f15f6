"""Unmodified drivers of others read a virtual chip: what strangers understood of the datasheet, too.

    python check_third_party.py bme280

Runs `check` of tests/chips/third_party/bme280.py in its own process, as those drivers bring modules named like
CircuitPython's; `time.sleep` only moves the virtual clock.
"""

import importlib
import importlib.util
import sys
import time
import types
from pathlib import Path
from typing import Any

from simulator import faces
from simulator.bus import VirtualI2C


class Clock:
    """Virtual time: sleeping and bus transfers let it pass."""

    now_ns = 10**9

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)

    def look(self) -> float:
        """Seconds; looking takes 10 us, so that a driver that waits by looking gets on."""
        self.now_ns += 10_000
        return self.now_ns / 1e9

    def on_transfer(self, count: int) -> None:
        self.now_ns += count * 90_000


class Bench:
    """What a check gets: the clock, and the three faces of a bus with one chip, or its serial port."""

    def __init__(self, clock: Clock, chip: Any) -> None:
        self.clock = clock
        on_a_bus = hasattr(chip, "address")
        self.bus = VirtualI2C([chip] if on_a_bus else [])
        talks = hasattr(chip, "tick")
        self.serial = faces.Serial(chip, clock, lambda wait_ns: clock.sleep(wait_ns / 1e9)) if talks else None
        self.busio = faces.BusioI2C(self.bus, clock.on_transfer)
        self.smbus = faces.SMBus(self.bus, clock.on_transfer)
        self.machine = faces.MachineI2C(self.bus, clock.on_transfer)

    @staticmethod
    def near(found: float, expected: float, epsilon: float) -> None:
        """Nothing, if found is within epsilon of expected. Raises: AssertionError."""
        if abs(found - expected) > epsilon:
            raise AssertionError(f"expected {expected}, found {found}")


def stand_in(name: str, **content: object) -> None:
    """A module that CircuitPython has built in."""
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def loaded(path: Path) -> Any:
    """The module of a file; by its path, as some packages bring a `tests` of their own."""
    spec = importlib.util.spec_from_file_location(f"check_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(name: str) -> None:
    clock = Clock()
    time.sleep = clock.sleep
    time.sleep_ms = lambda duration_ms: clock.sleep(duration_ms / 1000)  # type: ignore[attr-defined]
    time.monotonic = clock.look
    time.time = clock.look
    stand_in("micropython", const=lambda value: value)
    stand_in("busio", I2C=faces.BusioI2C, SPI=object, UART=object)
    stand_in("digitalio", DigitalInOut=object, Direction=object)
    stand_in("circuitpython_typing", ReadableBuffer=bytes, WriteableBuffer=bytearray)
    stand_in("circuitpython_typing.device_drivers", I2CDeviceDriver=object)
    check = loaded(Path(__file__).parent / "third_party" / f"{name}.py")
    chip = importlib.import_module(f"simulator.chips.{getattr(check, 'CHIP', name)}").make(clock)
    clock.sleep(0.1)
    check.check(Bench(clock, chip), chip)
    print("ok")


if __name__ == "__main__":
    main(sys.argv[1])
