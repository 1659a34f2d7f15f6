"""Sampling on schedule, and what a board does about a sensor that fails."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BAD_CHECKSUM, INTERNAL, NACK, OUT_OF_RANGE, SDA_LOW, DriverError
from firmware.core.schedule import Clock, Every
from firmware.core.sensors import PAUSE_MAX_MS, pause_ms
from protocol import columns
from protocol.board_link import Samples, Status

WRAP = 1 << 30


def records(messages: list[Any]) -> list[tuple[int, int, int, float]]:
    """(t_us, channel, quality, value) of every sample."""
    rows = []
    for message in messages:
        if isinstance(message, Samples):
            found = columns.decode(message.records)
            stamps = columns.stamp_us(found)
            rows += [
                (int(t), int(r["channel"]), int(r["quality"]), float(r["value"]))
                for t, r in zip(stamps, found, strict=True)
            ]
    return rows


class Bus:
    """Counts how often it was freed."""

    def __init__(self) -> None:
        self.recoveries = 0

    def recover(self) -> bool:
        self.recoveries += 1
        return False


@given(st.integers(1, 5000), st.lists(st.integers(0, 20_000), max_size=50))
def test_schedule_never_drifts_and_counts_what_it_missed(period: int, pauses: list[int]) -> None:
    every, now, taken = Every(period, 7), 0, 0
    for pause in pauses:
        now += pause
        taken += every.due(now)
        assert (every.due_ms - 7) % period == 0
        assert every.due_ms > now or not taken
        assert taken + every.missed == (every.due_ms - 7) // period


@given(st.integers(0, WRAP - 1), st.lists(st.integers(0, WRAP // 2), max_size=30))
def test_clock_counts_ms_over_wraps(start: int, steps: list[int]) -> None:
    now = [start]
    clock = Clock(lambda: now[0] % WRAP)
    for step in steps:
        now[0] += step
        clock.tick()
        assert clock.wrap * WRAP + clock.ticks == now[0]
        assert clock.ms == (now[0] - start) // 1000 or abs(clock.ms - (now[0] - start) / 1000) <= 1


def waited_ms(board: Any, probe: Any, value: float) -> int:
    """Return how long the first sample of a new value waits before it leaves."""
    probe.value, read_ms = value, -1
    for ms in range(300):
        messages = board.run(1)
        if read_ms < 0 and board.node.sensors.sensors[0].latest[0] == value:
            read_ms = ms
        if any(row[3] == value for row in records(messages)):
            return ms - read_ms
    raise AssertionError("it never left")


def test_a_sample_that_crosses_its_threshold_leaves_at_once_and_others_wait(board: Any, probe: Any) -> None:
    board.acking = True
    board.sensor(probe, period_ms=100).flush = [10.0]
    board.hello()
    board.run(205)
    for value, wait_ms in ((2.5, 20), (10.0, 0), (99.0, 20), (9.0, 0), (3.0, 20)):
        assert waited_ms(board, probe, value) == wait_ms, value


def test_samples_keep_their_period_over_a_wrap(board: Any, probe: Any) -> None:
    board.acking = True
    board.sensor(probe, period_ms=100)
    board.hello()
    rows = records(board.run(5000))
    assert board.node.clock.wrap == 1
    stamps = [row[0] for row in rows][1:]
    assert {b - a for a, b in pairwise(stamps)} == {100_000}


def test_conversion_time_is_waited_for(board: Any, probe: Any) -> None:
    probe.wait_ms = 30
    board.sensor(probe, period_ms=100)
    board.hello()
    rows = records(board.run(1000))
    assert len(rows) == 10
    assert {row[2] for row in rows} == {1}


def test_a_reading_in_several_steps_blocks_nobody_and_is_one_record(board: Any, probe: Any) -> None:
    """A chip that is asked twice, or measures again in another range: `read_into` says how long to wait on."""
    board.acking = True
    probe.wait_ms, probe.more_ms = 30, (20, 10)
    slow = board.sensor(probe, period_ms=100)
    board.sensor(type(probe)(value=2.5), period_ms=10)
    board.hello()
    rows = records(board.run(1000))
    stamps = [row[0] for row in rows if row[1] == 0 and row[3] == 1.5]
    assert len(stamps) == 10 and all(abs(b - a - 100_000) <= 1000 for a, b in pairwise(stamps))
    assert len([row for row in rows if row[3] == 2.5]) >= 98
    assert slow.every.missed == 0


@pytest.mark.parametrize(("code", "quality"), [(NACK, 9), (SDA_LOW, 9), (BAD_CHECKSUM, 4)])
def test_a_failing_sensor_gives_flagged_records_every_period(
    board: Any, probe: Any, pick: Any, code: int, quality: int
) -> None:
    bus = Bus()
    board.acking = True
    board.sensor(probe, channels=2, bus=bus)
    board.hello()
    board.run(1000)
    probe.error = DriverError(code, "test")
    messages = board.run(3000)
    rows = records(messages)
    bad = [row for row in rows if row[2] == quality]
    assert len(bad) >= 58 and all(math.isnan(row[3]) for row in bad)
    assert rows[2][2] == quality, "not flagged within two periods"
    fault = pick(Status, messages)[-1].faults[0]
    assert (fault.sensor, fault.code) == (0, code) and fault.count > 5
    assert bool(bus.recoveries) == (code == SDA_LOW)
    probe.error = None
    assert records(board.run(2 * PAUSE_MAX_MS))[-1][2] == 1
    assert pick(Status, board.run(1100))[-1].faults == []
    counters = board.node.counters()
    assert (counters["revived"], counters["bus_clears"]) == (1, bus.recoveries)


@pytest.mark.parametrize("bus", [None, Bus()])
def test_a_failing_chip_is_left_alone_for_growing_pauses(board: Any, probe: Any, bus: Any) -> None:
    """Each by itself, on a bus or not; twice the pause each time, up to the cap, then again from the start."""
    probe.error = DriverError(NACK, "test")
    board.sensor(probe, bus=bus)
    other = board.sensor(type(probe)(), bus=bus)
    board.run(10_000)
    assert probe.starts <= 12 and other.every.missed == 0 and other.driver.starts >= 99
    assert board.node.ring.head >= 198
    assert [pause_ms(100, n) for n in range(7)] == [0, 100, 200, 400, 800, 1600, PAUSE_MAX_MS]
    probe.error = None
    board.run(PAUSE_MAX_MS + 100)
    probe.error, probe.starts = DriverError(NACK, "test"), 0
    board.run(450)
    assert probe.starts == 3, "the pauses begin anew"


def test_a_driver_bug_is_a_fault_not_a_crash(board: Any, probe: Any) -> None:
    probe.error = ZeroDivisionError("bug")
    sensor = board.sensor(probe)
    board.run(200)
    assert sensor.code == INTERNAL
    assert board.node.healthy()


def test_values_out_of_range_keep_their_value_and_fail(board: Any, probe: Any) -> None:
    probe.value = 100.5
    sensor = board.sensor(probe)
    board.hello()
    rows = records(board.run(300))
    assert [(row[2], row[3]) for row in rows] == [(4, 100.5)] * 3
    assert sensor.code == OUT_OF_RANGE


def test_reading_of_another_sensor_has_quality_and_age(board: Any, probe: Any) -> None:
    board.sensor(probe)
    assert board.node.sensors.reading("probe", "c0")[1] == 9
    board.run(130)
    value, quality, age_ms = board.node.sensors.reading("probe", "c0")
    assert (value, quality) == (1.5, 1) and 20 <= age_ms <= 35
    with pytest.raises(KeyError):
        board.node.sensors.reading("nobody", "c0")


def test_a_busy_board_counts_late_periods(board: Any, probe: Any) -> None:
    board.sensor(probe)
    board.run(100)
    board.now_us += 1_000_000
    board.run(100)
    assert board.node.sensors.late() in (9, 10)
