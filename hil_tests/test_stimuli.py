"""Does a board count what happens at its pins, exactly, and live with a bus that hangs?"""

import itertools
from typing import Any

import pytest

from drivers.errors import SDA_LOW
from hil_tests.fixture_port import SILENCE_MS
from protocol.record import GOOD

pytestmark = pytest.mark.system
CYCLES = 4
TIPS, FLOW = 40, 300
SHORT_MS = 500
AFTERWARDS = 3
"""Readings after the last pulse in which nothing more may be counted."""


def sensor_of(board: Any, fixture: Any, does: str) -> Any:
    """The sensor at the other end of a wire."""
    wire = fixture.wire(does)
    found = [sensor for sensor in board.manifest().sensors if sensor.name == wire.of]
    assert found, f"wire {wire.name}: the board has no sensor {wire.of}; correct `of` in the wiring table"
    return found[0]


def channel_of(board: Any, sensor: Any, last: bool = False) -> int:
    """The first or last channel of a sensor."""
    found = [channel.index for channel in board.manifest().channels if channel.sensor == sensor.index]
    return int(found[-1 if last else 0])


@pytest.mark.needs("contact")
def test_every_edge_of_a_contact_is_seen_once(board: Any, fixture: Any) -> None:
    board.greet()
    channel = channel_of(board, sensor_of(board, fixture, "contact"))
    since = board.status().head
    seen = [board.listen(lambda: board.values(channel, since), "a reading of the contact")[0][0]]
    for cycle in range(2 * CYCLES):
        (fixture.let if cycle % 2 else fixture.pull)("contact")
        before = seen[-1]
        board.listen(lambda before=before: board.latest(channel, since) != before, "the contact's new level")
        seen.append(board.latest(channel, since))
    values = [value for value, _ in board.values(channel, since)]
    assert sum(a != b for a, b in itertools.pairwise(values)) == 2 * CYCLES
    assert seen[0::2] == [seen[0]] * (CYCLES + 1) and seen[1::2] == [seen[1]] * CYCLES


def counted(board: Any, fixture: Any, does: str, n: int, low_ms: int, high_ms: int) -> float:
    """How many pulses a board counts of `n`, by what one of them adds to the last channel of its sensor."""
    board.greet()
    channel = channel_of(board, sensor_of(board, fixture, does), last=True)
    since = board.status().head
    start = board.listen(lambda: board.values(channel, since), f"a reading of {does}")[0][0]
    fixture.pulses(does, 1, low_ms, high_ms)
    board.listen(lambda: board.latest(channel, since) > start, "the first pulse")
    one = board.latest(channel, since) - start
    fixture.pulses(does, n - 1, low_ms, high_ms)
    board.listen(lambda: board.latest(channel, since) > start + (n - 0.5) * one, f"{n} pulses")
    seen = len(board.values(channel, since))
    board.listen(lambda: len(board.values(channel, since)) >= seen + AFTERWARDS, "more readings")
    return float((board.latest(channel, since) - start) / one)


@pytest.mark.needs("tips")
def test_each_tip_of_a_bucket_is_counted_once(board: Any, fixture: Any) -> None:
    assert counted(board, fixture, "tips", TIPS, 15, 15) == pytest.approx(TIPS, abs=0.01)


@pytest.mark.needs("flow")
def test_each_pulse_of_a_flow_meter_is_counted_once(board: Any, fixture: Any) -> None:
    assert counted(board, fixture, "flow", FLOW, 1, 1) == pytest.approx(FLOW, abs=0.01)


@pytest.mark.needs("i2c fault")
def test_a_bus_that_hangs_is_named_and_stops_nobody_else(board: Any, fixture: Any) -> None:
    board.greet()
    bus = fixture.wire("i2c fault").of
    told = board.manifest()
    on_bus = {sensor.index for sensor in told.sensors if sensor.bus == bus}
    assert on_bus, f"the board has no sensor on {bus}; correct `of` in the wiring table"
    others = [channel.index for channel in told.channels if channel.sensor not in on_bus]
    same = [channel.index for channel in told.channels if channel.sensor in on_bus]

    def faults() -> dict[int, int]:
        return {fault.sensor: fault.code for fault in board.status().faults if fault.sensor in on_bus}

    def good(channels: list[int], since: int) -> bool:
        return all([quality for _, quality in board.values(index, since)].count(GOOD) >= 2 for index in channels)

    assert not faults(), "the bus works before"
    fixture.pull("i2c fault")
    board.listen(lambda: set(faults()) == on_bus, "a fault of each sensor on the bus")
    assert set(faults().values()) == {SDA_LOW}
    since = board.status().head
    board.listen(lambda: good(others, since), "readings of all others meanwhile")
    assert all(quality != GOOD for index in same for _, quality in board.values(index, since))
    fixture.let("i2c fault")
    board.listen(lambda: not faults(), "the end of the fault")
    since = board.status().head
    board.listen(lambda: good(same, since), "good readings again")


@pytest.mark.needs("contact")
def test_a_fixture_whose_host_falls_silent_lets_go(board: Any, fixture: Any) -> None:
    board.greet()
    channel = channel_of(board, sensor_of(board, fixture, "contact"))
    fixture.hello(SHORT_MS)
    since = board.status().head
    rest = board.listen(lambda: board.values(channel, since), "a reading of the contact")[0][0]
    fixture.pull("contact")
    board.listen(lambda: board.latest(channel, since) != rest, "a pulled contact")
    board.listen(lambda: board.latest(channel, since) == rest, "a contact that was let go")
    assert fixture.level("contact") == 1
    fixture.hello(SILENCE_MS)
