"""A bench: a clock that stands unless something takes time, virtual chips, and the `io` drivers get."""

from collections.abc import Callable
from typing import Any

import pytest

from drivers.bus import I2CBus
from drivers.errors import BusError
from drivers.machine_bus import MachineI2C
from simulator import faces
from simulator.bus import VirtualI2C

BYTE_NS = 90_000  # nine bits at 100 kHz
LOOK_NS = 10_000  # what asking for the time takes
READS_MAX = 8


class Clock:
    """Time in ns; bus transfers and looking at the clock let it pass."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def ns(self) -> int:
        return self.now_ns

    def millis(self) -> int:
        self.now_ns += LOOK_NS
        return self.now_ns // 1_000_000

    def advance_ms(self, duration_ms: float) -> None:
        self.now_ns += int(duration_ms * 1_000_000)

    def on_transfer(self, count: int) -> None:
        self.now_ns += count * BYTE_NS


class Uart:
    """Receive side of a UART."""

    def __init__(self) -> None:
        self.received = bytearray()

    def any(self) -> int:
        return len(self.received)

    def readinto(self, buf: bytearray, count: int) -> int:
        count = min(count, len(self.received))
        buf[:count] = self.received[:count]
        del self.received[:count]
        return count


class Output:
    """An output that keeps the order of what it was told."""

    def __init__(self) -> None:
        self.level = 0

    def on(self) -> None:
        self.level = 1

    def off(self) -> None:
        self.level = 0

    def value(self) -> int:
        return self.level


class Pulses:
    count = 0


class FailingBus(I2CBus):
    """Passes on to a bus, but fails transaction number `fail_at` with `code`."""

    def __init__(self, inner: I2CBus) -> None:
        super().__init__(inner.name)
        self.inner = inner
        self.count = 0
        self.fail_at = -1
        self.code = 0

    def transaction(self, address: int, write: Any, read: Any) -> None:
        self.count += 1
        if self.count - 1 == self.fail_at:
            raise BusError(self.code, "scripted")
        self.inner.transaction(address, write, read)


class Bench:
    """Plays the board's `io`; buses are virtual, reached through the machine adapter."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.virtual = VirtualI2C(name="i2c0")
        self.bus = FailingBus(self.machine_bus())
        self.uarts: dict[str, Uart] = {}
        self.levels: dict[str, int] = {}
        self.outputs: dict[str, Output] = {}
        self.pulse_counts: dict[str, Pulses] = {}
        self.readings: dict[tuple[str, str], tuple[float, int, int]] = {}

    def machine_bus(self) -> MachineI2C:
        def pin(line: str) -> faces.LinePin:
            return faces.LinePin(self.virtual, line)

        face = faces.MachineI2C(self.virtual, self.clock.on_transfer)
        return MachineI2C(face, "sda", "scl", pin, name="i2c0")

    def linux_bus(self) -> I2CBus:
        from drivers.smbus_bus import SmbusI2C  # noqa: PLC0415

        return SmbusI2C(faces.SMBus(self.virtual, self.clock.on_transfer), "i2c-1")

    def i2c(self, name: str) -> I2CBus:
        return self.bus

    def uart(self, name: str, baud: int) -> Uart:
        return self.uarts.setdefault(name, Uart())

    def input(self, pin: str, pull: str) -> Callable[[], int]:
        self.levels.setdefault(pin, 1 if pull == "up" else 0)
        return lambda: self.levels[pin]

    def output(self, pin: str, active_high: bool) -> Output:
        return self.outputs.setdefault(pin, Output())

    def pulses(self, pin: str, debounce_ms: int) -> Pulses:
        return self.pulse_counts.setdefault(pin, Pulses())

    def reading(self, sensor: str, channel: str) -> tuple[float, int, int]:
        return self.readings[sensor, channel]

    def millis(self) -> int:
        return self.clock.millis()

    def acquire(self, driver: Any, count: int) -> list[float]:
        """One reading: start, wait, read, and wait and read on as long as the driver says so."""
        values = [float("nan")] * count
        wait_ms = driver.start()
        for _ in range(READS_MAX):
            self.clock.advance_ms(wait_ms)
            wait_ms = driver.read_into(values)
            if not wait_ms:
                return values
        raise AssertionError("the driver never stops waiting")


@pytest.fixture
def bench() -> Bench:
    return Bench()
