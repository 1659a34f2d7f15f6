"""A board's core on the host: the real node, a clock set by the test, scripted drivers, a host that speaks frames."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firmware.core.boot import Boot
from firmware.core.node import Identity, Node
from firmware.core.schedule import Clock
from protocol import board_link
from protocol.host_decoder import HostDecoder

KEY = bytes(range(32))
WRAP = 1 << 30


class Flash:
    """Files in memory; `lost` makes every write fail to appear, as a cut before the rename would."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.writes = 0
        self.lost = False

    def read(self, name: str) -> str | None:
        return self.files.get(name)

    def read_bytes(self, name: str) -> bytes | None:
        return self.files.get(name)

    def replace(self, name: str, content: str | bytes) -> None:
        self.writes += 1
        if not self.lost:
            self.files[name] = content


class Probe:
    """A sensor driver: gives `value`, or raises `error`; converts for `wait_ms`, then for each of `more_ms`."""

    def __init__(self, value: float = 1.5, wait_ms: int = 0) -> None:
        self.value = value
        self.wait_ms = wait_ms
        self.more_ms: tuple[int, ...] = ()
        self.error: Exception | None = None
        self.starts = 0
        self._left: list[int] = []

    def start(self) -> int:
        self.starts += 1
        self._left = list(self.more_ms)
        if self.error:
            raise self.error
        return self.wait_ms

    def read_into(self, values: Any) -> int:
        if self.error:
            raise self.error
        if self._left:
            return self._left.pop(0)
        for place in range(len(values)):
            values[place] = self.value
        return 0


class Drive:
    """An actuator driver that takes `travel_ms` to arrive."""

    def __init__(self, safe: float = 0.2, travel_ms: int = 500) -> None:
        self._safe = safe
        self._travel_ms = travel_ms
        self.position = self.setpoint = 0.0
        self.fault = 0
        self.settled = True
        self.commands: list[float] = []
        self._due_ms: int | None = None

    @property
    def state(self) -> int:
        if self.fault:
            return 3
        return 0 if self.settled else 1

    def command(self, setpoint: float) -> None:
        self.setpoint = round(setpoint, 4)  # float32 on the wire
        self.commands.append(self.setpoint)
        self.settled = False
        self._due_ms = None

    def safe(self) -> None:
        self.command(self._safe)

    def stop(self) -> None:
        self.settled = True

    def step(self, now_ms: int) -> None:
        if self._due_ms is None:
            self._due_ms = now_ms + self._travel_ms
        if not self.settled and now_ms >= self._due_ms:
            self.position = self.setpoint
            self.settled = True


class Board:
    """A node, its time and its flash. `run(ms)` steps every ms and returns what the host received."""

    def __init__(
        self, flash: Flash | None = None, ring: int = 128, start_us: int = WRAP - 2_000_000, **config: Any
    ) -> None:
        self.flash = flash or Flash()
        self.now_us = start_us
        self.config = {"ring": ring, "status_ms": 1000, **config}
        self.boot = Boot(self.flash, "chip-1", bytes(range(12)), 1000)
        self.node = Node(
            self.config,
            Identity("board-1", "vm", bytes(32), lambda: b"manifest"),
            Clock(lambda: self.now_us % WRAP),
            self.boot,
            KEY,
        )
        self.decoder = HostDecoder()
        self.counter = 0
        self.sent = b""
        self.acking = False

    def sensor(self, driver: Any, channels: int = 1, period_ms: int = 100, bus: Any = None) -> Any:
        rows = [[place, place, 1.0, 0.0, -100.0, 100.0] for place in range(channels)]
        names = [f"c{place}" for place in range(channels)]
        entry = {"name": "probe", "period_ms": period_ms, "width": channels, "names": names, "channels": rows}
        self.node.sensors.add(driver, entry, bus)
        return self.node.sensors.sensors[-1]

    def actuator(self, driver: Any, lease_ms: int = 3000) -> Any:
        entry = {"name": "gate", "lower": 0.0, "upper": 1.0, "safe": 0.2, "lease_ms": lease_ms}
        self.node.actuators.add(driver, entry)
        return self.node.actuators.actuators[-1]

    def receive(self, body: bytes) -> None:
        self.raw(board_link.build_frame(body))

    def raw(self, data: bytes) -> None:
        self.node.clock.tick()
        self.node.link.feed(bytearray(data), len(data))

    def hello(self, session: int = 1) -> None:
        self.receive(board_link.encode_hello(session))

    def ack(self, *ranges: tuple[int, int], gaps: tuple[int, ...] = ()) -> None:
        self.receive(board_link.encode_ack(self.boot_text, list(ranges), gaps))

    @property
    def boot_text(self) -> str:
        return board_link.frames.boot_text(self.boot.id)

    @property
    def t_us(self) -> int:
        return int(self.node.clock.wrap * WRAP + self.node.clock.ticks)

    def task(self, setpoint: float, **changes: Any) -> None:
        """Send a task that is right in everything but the changes."""
        self.node.clock.tick()
        self.counter += 1
        fields = {
            "key": KEY,
            "nonce": self.boot.nonce,
            "counter": self.counter,
            "task_id": self.counter.to_bytes(16, "big"),
            "actuator": 0,
            "setpoint": setpoint,
            "not_after_us": self.t_us + 1_000_000,
            "lease_ms": 1000,
        } | changes
        self.receive(board_link.encode_task(*fields.values()))

    def lease(self, lease_ms: int, **changes: Any) -> None:
        self.counter += 1
        fields = {"key": KEY, "nonce": self.boot.nonce, "counter": self.counter, "actuator": 0} | changes
        self.receive(board_link.encode_lease(*fields.values(), lease_ms))

    def run(self, ms: int, talking: bool = True) -> list[Any]:
        """Return the messages of the next `ms`; a talking host sends a sync each 100 ms."""
        messages = []
        for turn in range(ms):
            if talking and turn % 100 == 0:
                self.receive(board_link.encode_sync(turn))
            self.now_us += 1000
            self.node.step()
            messages += self.heard()
        return messages

    def heard(self) -> list[Any]:
        """Return what the board sends now."""
        messages = []
        while n := self.node.link.next_wire(0):
            data = bytes(self.node.link.writer.wire[:n])
            self.sent += data
            messages += [board_link.decode_board(body) for body in self.decoder.feed(data)]
        if self.acking:
            for samples in of(board_link.Samples, messages):
                self.ack((samples.first, samples.first + len(samples.records) // 12))
        return messages


def of(kind: type, messages: list[Any]) -> list[Any]:
    """Return the messages of a kind."""
    return [message for message in messages if isinstance(message, kind)]


@pytest.fixture(autouse=True, scope="module")
def _small_heap() -> Iterator[None]:
    """A board collects garbage around each command; what this process has loaded is left out of that."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def board() -> Board:
    """A board in text mode, without sensors or actuators."""
    return Board()


@pytest.fixture
def make_board() -> Callable[..., Board]:
    """What makes a board, for tests that need several or other sizes."""
    return Board


@pytest.fixture
def probe() -> Probe:
    """A scripted sensor driver."""
    return Probe()


@pytest.fixture
def drive() -> Drive:
    """A scripted actuator driver."""
    return Drive()


@pytest.fixture
def pick() -> Iterator[Callable[[type, list[Any]], list[Any]]]:
    """A function that picks messages of a kind."""
    yield of
