"""What a loop checks before it feeds the watchdog: each condition alone is enough to starve it.

The board's own part (a turn that was completed, outputs that exclude each other) is in tests/wasm/test_heap.py.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from firmware.core.node import OVERDUE_MS
from protocol.frames import MAX_COUNTERS

FIRMWARE = Path(__file__).parents[2] / "firmware"


@pytest.fixture
def busy(board: Any, probe: Any, drive: Any) -> Any:
    """A board with a sensor and an actuator that has run for a while."""
    board.sensor(probe, period_ms=1000)
    board.actuator(drive)
    board.run(1500)
    assert board.node.healthy()
    return board


def test_a_ring_whose_ends_have_crossed(busy: Any) -> None:
    busy.node.ring.tail = busy.node.ring.head + 1
    assert not busy.node.healthy()


def test_a_ring_that_holds_more_than_it_can(busy: Any) -> None:
    busy.node.ring.head = busy.node.ring.tail + busy.node.ring.capacity
    assert busy.node.healthy()
    busy.node.ring.head += 1
    assert not busy.node.healthy()


def test_a_sensor_that_is_overdue(busy: Any) -> None:
    busy.node.actuators.actuators.clear()
    due_ms = busy.node.sensors.next_ms(1 << 30)
    busy.node.clock.ms = due_ms + OVERDUE_MS - 1
    assert busy.node.healthy()
    busy.node.clock.ms += 1
    assert not busy.node.healthy()


def test_an_actuator_that_is_overdue(busy: Any) -> None:
    busy.node.sensors.sensors.clear()
    due_ms = busy.node.actuators.next_ms(1 << 30)
    busy.node.clock.ms = due_ms + OVERDUE_MS - 1
    assert busy.node.healthy()
    busy.node.clock.ms += 1
    assert not busy.node.healthy()


def test_a_status_tells_of_late_turns_and_pauses_and_no_more_than_a_host_takes(busy: Any) -> None:
    texts = [path.read_text() for path in FIRMWARE.rglob("*.py")]
    ports = {name for text in texts for name in re.findall(r'extra\["(\w+)"\]', text)}
    assert {"gc_ms", "gc_max_ms", "mem_low", "mem_free", "loop_max_ms"} <= ports
    busy.node.extra.update(dict.fromkeys(ports, 1))
    busy.boot.safe_mode = True
    found = busy.node.counters()
    assert {"late", "unready", *ports} <= set(found)
    assert len(found) <= MAX_COUNTERS, "a host refuses a status with more"
