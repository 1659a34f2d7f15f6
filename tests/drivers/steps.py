"""How long each driver keeps the board's loop: `python -m tests.drivers.steps` prints its longest step.

A step is one `start` or `read_into`. Time is virtual: what buses and lines take, and pauses that a driver waits out
itself; a processor's time is not in it. Each driver makes three readings of its virtual chip, the first from cold.
"""

import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import drivers.rs485
from simulator.i2s import VirtualI2S
from simulator.onewire import VirtualOneWire
from tests.drivers.cases import CASES, plug
from tests.drivers.conftest import READS_MAX, Bench, Output
from tests.drivers.serial_cases import SERIAL_CASES, plug_serial

BOUND_MS = 20.0
EXCEPTIONS = {"sdm120": (45.0, "sends eight bytes at 2400 baud and must let go of the RS-485 line after the last one")}
"""Drivers whose step may be longer: the bound in ms, and why."""
SLOT_NS = 70_000  # a 1-Wire slot is at least 60 us, and as much as a pause between two
RESET_NS = 960_000


class Step(NamedTuple):
    """One call of a driver, and how long it took."""

    call: str
    duration_ms: float


class TimedOneWire(VirtualOneWire):
    """A 1-Wire line whose slots take their time."""

    def __init__(self, clock: Any, chips: Any) -> None:
        super().__init__(chips)
        self._clock = clock

    def reset(self) -> bool:
        self._clock.now_ns += RESET_NS
        return super().reset()

    def write_bit(self, bit: int) -> None:
        self._clock.now_ns += SLOT_NS
        super().write_bit(bit)

    def read_bit(self) -> int:
        self._clock.now_ns += SLOT_NS
        return super().read_bit()


class Transceiver:
    """A bench's UART, of which an RS-485 transceiver is told when the last bit has left."""

    def __init__(self, uart: Any) -> None:
        self.any, self.readinto, self.write = uart.any, uart.readinto, uart.write

    def txdone(self) -> bool:
        return True


def made(bench: Bench, name: str) -> tuple[Any, int, dict[str, Any]]:
    """Return (driver, values of a reading, its board file's entry), wired to its virtual chip if it talks to one."""
    module = importlib.import_module(f"drivers.{name}")
    if name in CASES:
        return plug(bench, name)[0], CASES[name].values, CASES[name].cfg
    if name in SERIAL_CASES:
        driver, _, uart = plug_serial(bench, name)
        if name == "sdm120":
            driver._uart = drivers.rs485.Rs485(Transceiver(uart), Output(), SERIAL_CASES[name].cfg["baud"])
        return driver, SERIAL_CASES[name].width, SERIAL_CASES[name].cfg
    cfg: dict[str, Any] = {"pin": "GP15", "bus": "uart1", "period_ms": 1000}
    if name == "a02yyuw":
        bench.uart("uart1", 9600).plug(importlib.import_module("simulator.chips.a02yyuw").make(bench.clock.ns))
    if name == "ds18b20":
        chip = importlib.import_module("simulator.chips.ds18b20").make(bench.clock.ns)
        bench.onewires["GP15"] = TimedOneWire(bench.clock, [chip])
    if name == "inmp441":
        chip = importlib.import_module("simulator.chips.inmp441").make(bench.clock.ns)
        bench.i2s_wires["uart1"] = VirtualI2S([chip], bench.clock.ns)
    return module.make(bench, cfg), len(module.CHANNELS), cfg


def steps(name: str, readings: int = 3) -> Iterator[Step]:
    """Yield every step of some readings of a sensor's driver."""
    bench = Bench()
    driver, width, _ = made(bench, name)
    values = [float("nan")] * width

    def timed(call: str, what: Callable[[], Any]) -> Any:
        started_ns = bench.clock.now_ns
        wait_ms = what()
        taken.append(Step(call, (bench.clock.now_ns - started_ns) / 1e6))
        return wait_ms

    for _ in range(readings):
        taken: list[Step] = []
        with mock.patch.object(drivers.rs485, "sleep_us", lambda us: bench.clock.advance_ms(us / 1000)):
            wait_ms = timed("start", driver.start)
            for _ in range(READS_MAX):
                bench.clock.advance_ms(wait_ms + 1)
                if not (wait_ms := timed("read_into", lambda: driver.read_into(values))):
                    break
        yield from taken
        bench.clock.advance_ms(5000)


def sensors() -> list[str]:
    """Return the names of all drivers with channels."""
    from firmware.kit import board_file  # noqa: PLC0415 (the kit imports drivers)

    return [name for name in board_file.driver_names() if hasattr(board_file.driver_module(name), "CHANNELS")]


def bound_ms(name: str) -> float:
    """Return how long a driver's step may take."""
    return EXCEPTIONS[name][0] if name in EXCEPTIONS else BOUND_MS


def main() -> None:
    """Print the longest step of each driver, the bound, and why a bound is another."""
    print(f"{'driver':18} {'step':10} {'longest':>10} {'bound':>9}")
    for name in sensors():
        call, duration_ms = max(steps(name), key=lambda step: step.duration_ms)
        why = EXCEPTIONS[name][1] if name in EXCEPTIONS else ""
        print(f"{name:18} {call:10} {duration_ms:7.1f} ms {bound_ms(name):6.0f} ms  {why}".rstrip())


if __name__ == "__main__":
    main()
