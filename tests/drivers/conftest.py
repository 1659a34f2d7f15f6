"""A bench: a clock that stands unless something takes time, virtual chips, and the `io` drivers get."""

from collections.abc import Callable
from typing import Any

import pytest

from drivers.bus import I2CBus
from drivers.errors import BusError
from drivers.machine_bus import MachineI2C
from simulator import faces
from simulator.bus import VirtualI2C
from simulator.i2s import VirtualI2S
from simulator.line import Line
from simulator.onewire import VirtualOneWire

BYTE_NS = 90_000  # nine bits at 100 kHz
LOOK_NS = 10_000  # what asking for the time takes
READS_MAX = 200
FIFO = 128  # bytes, as the firmware opens its UARTs
PUMP_NS = 10_000_000


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
    """A UART with a FIFO of `FIFO` bytes; a virtual chip may be at its far end, heard at its baud rate.

    `keep(index, byte)` sees every byte that arrives and gives what becomes of it (None: lost), `deaf` takes no bytes.
    """

    def __init__(self, clock: Clock) -> None:
        self.received = bytearray()
        self.sent = bytearray()
        self.deaf = False
        self.keep: Callable[[int, int], int | None] = lambda _index, byte: byte
        self.chip: Any = None
        self._clock = clock
        self._pumped_ns = 0
        self._arrived = 0

    def plug(self, chip: Any) -> None:
        """Put a virtual chip at the far end."""
        self.chip = chip
        self._line = Line(chip.baud)
        self._pumped_ns = self._clock.ns()

    def any(self) -> int:
        self._pump()
        return len(self.received)

    def readinto(self, buf: bytearray, count: int) -> int:
        self._pump()
        count = min(count, len(self.received))
        buf[:count] = self.received[:count]
        del self.received[:count]
        return count

    def write(self, data: bytes) -> int | None:
        self._pump()
        if self.deaf:
            return None
        self.sent += data
        if self.chip is not None:
            self.chip.receive(bytes(data))
        return len(data)

    def _pump(self) -> None:
        """Let the chip talk in small steps up to now, and the FIFO fill."""
        now_ns = self._clock.ns()
        while self.chip is not None and self._pumped_ns < now_ns:
            self._pumped_ns = min(now_ns, self._pumped_ns + PUMP_NS)
            self._line.push(self.chip.tick(self._pumped_ns), self._pumped_ns)
            for byte in self._line.take(self._pumped_ns):
                kept = self.keep(self._arrived, byte)
                self._arrived += 1
                if kept is not None and len(self.received) < FIFO:
                    self.received.append(kept)


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
    ticks_us = 0


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
        self.onewires: dict[str, VirtualOneWire] = {}
        self.i2s_wires: dict[str, VirtualI2S] = {}
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
        return self.uarts.setdefault(name, Uart(self.clock))

    def onewire(self, pin: str) -> VirtualOneWire:
        return self.onewires.setdefault(pin, VirtualOneWire())

    def i2s(self, name: str, rate_hz: int, buffer_bytes: int) -> faces.MachineI2S:
        """An input as firmware/port opens it: a stream whose reads never wait."""
        wires = self.i2s_wires.setdefault(name, VirtualI2S((), self.clock.ns))
        face = faces.MachineI2S(
            wires, lambda wait_ns: self.clock.advance_ms(wait_ns / 1e6), sck=10, ws=11, sd=12, mode=faces.MachineI2S.RX,
            bits=32, format=faces.MachineI2S.MONO, rate=rate_hz, ibuf=buffer_bytes,
        )  # fmt: skip
        face.ioctl(3, 1)
        return face

    def input(self, pin: str, pull: str) -> Callable[[], int]:
        self.levels.setdefault(pin, 1 if pull == "up" else 0)
        return lambda: self.levels[pin]

    def output(self, pin: str, active_high: bool) -> Output:
        return self.outputs.setdefault(pin, Output())

    def pulses(self, pin: str, debounce_ms: int, rising: bool = False) -> Pulses:
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
