"""What a loop checks before it feeds the watchdog: each condition alone is enough to starve it.

The board's own part (a turn that was completed, outputs that exclude each other) is in tests/wasm/test_heap.py.
"""

from typing import Any

import pytest

from firmware.core.node import OVERDUE_MS


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
