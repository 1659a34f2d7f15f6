"""The gate drive: travels, limits, faults; and that no sequence of events makes it unsafe."""

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers import gate_drive, motion

STEP_MS = 20
CFG = {
    "open_pin": "GP10",
    "close_pin": "GP11",
    "limit_open_pin": "GP12",
    "limit_closed_pin": "GP13",
    "position": ["feedback", "opening"],
    "travel_ms": 4000,
    "safe": 0.2,
}


class Gate:
    """A gate with a motor, a feedback read every 100 ms, and limit switches to ground."""

    def __init__(self, bench: Any, start: float = 0.0, **cfg: Any) -> None:
        self.bench = bench
        bench.readings["feedback", "opening"] = (float("nan"), 9, 10**6)
        self.driver = gate_drive.make(bench, {**CFG, **cfg})
        self.true = start
        self.now_ms = 0
        self.read_ms = -(10**6)
        self.blind = False
        self.both = False
        self.starts: list[tuple[int, int]] = []
        self.stopped: list[int] = []

    def run(self, duration_ms: int) -> None:
        for _ in range(duration_ms // STEP_MS):
            self.tick()

    def tick(self) -> None:
        self.now_ms += STEP_MS
        opening, closing = self.relays()
        assert not (opening and closing)
        self.true = min(1.0, max(0.0, self.true + (opening - closing) * STEP_MS / 4000))
        self.bench.levels["GP12"] = 0 if self.true >= 1.0 or self.both else 1
        self.bench.levels["GP13"] = 0 if self.true <= 0.0 or self.both else 1
        if self.now_ms % 100 == 0 and not self.blind:
            self.read_ms, self.seen = self.now_ms, self.true
        if self.read_ms >= 0:
            self.bench.readings["feedback", "opening"] = (self.seen, 1, self.now_ms - self.read_ms)
        self.driver.step(self.now_ms)
        self._log(opening - closing)

    def relays(self) -> tuple[int, int]:
        return self.bench.outputs["GP10"].level, self.bench.outputs["GP11"].level

    def _log(self, before: int) -> None:
        opening, closing = self.relays()
        after = opening - closing
        if after and after != before:
            self.starts.append((self.now_ms, after))
        if before and after != before:
            self.stopped.append(self.now_ms)


@pytest.mark.parametrize("target", [0.0, 0.013, 0.2, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("start", [0.0, 0.4, 1.0])
def test_reaches_the_setpoint_and_stays(bench: Any, start: float, target: float) -> None:
    gate = Gate(bench, start)
    gate.driver.command(target)
    gate.run(7000)
    assert gate.driver.settled
    assert gate.driver.state == motion.IDLE
    assert gate.true == pytest.approx(target, abs=0.02)
    assert len(gate.starts) <= 3
    gate.run(2000)
    assert gate.relays() == (0, 0)


def test_knows_no_position_before_the_first_reading(bench: Any) -> None:
    gate = Gate(bench)
    assert math.isnan(gate.driver.position)
    gate.run(200)
    assert gate.driver.position == 0.0
    assert gate.driver.state == motion.IDLE


def test_reversal_keeps_the_dead_time(bench: Any) -> None:
    gate = Gate(bench, 0.5)
    gate.driver.command(1.0)
    gate.run(1000)
    assert gate.driver.state == motion.OPENING
    gate.driver.command(0.0)
    gate.run(1000)
    assert gate.driver.state == motion.CLOSING
    assert gate.starts[1][1] == -1
    assert gate.starts[1][0] - gate.stopped[0] >= 200


def test_stop_and_new_command_keep_the_dead_time(bench: Any) -> None:
    gate = Gate(bench, 0.5)
    gate.driver.command(1.0)
    gate.run(1000)
    gate.driver.stop()
    assert gate.relays() == (0, 0)
    gate.driver.command(0.0)
    stopped = gate.now_ms
    gate.run(1000)
    assert gate.starts[-1][1] == -1
    assert gate.starts[-1][0] - stopped >= 200


def test_a_jammed_gate_faults_at_the_run_limit(bench: Any) -> None:
    gate = Gate(bench, 0.5)
    gate.driver.command(1.0)
    gate.run(400)
    for _ in range(400):
        gate.true = 0.6
        gate.tick()
    assert (gate.driver.state, gate.driver.fault) == (motion.FAULT, motion.TIMEOUT)
    assert gate.relays() == (0, 0)
    gate.driver.command(0.8)
    gate.run(4000)
    assert gate.driver.settled


def test_losing_the_feedback_stops_the_gate(bench: Any) -> None:
    gate = Gate(bench, 0.0)
    gate.driver.command(1.0)
    gate.run(1000)
    gate.blind = True
    gate.run(600)
    assert (gate.driver.state, gate.driver.fault) == (motion.FAULT, motion.NO_FEEDBACK)
    assert gate.relays() == (0, 0)


def test_a_bad_quality_stops_the_gate_at_once(bench: Any) -> None:
    gate = Gate(bench, 0.0)
    gate.driver.command(1.0)
    gate.run(1000)
    bench.readings["feedback", "opening"] = (float("nan"), 4, 10)
    gate.driver.step(gate.now_ms + 20)
    assert gate.driver.fault == motion.NO_FEEDBACK
    assert gate.relays() == (0, 0)


def test_a_safe_order_waits_for_the_feedback(bench: Any) -> None:
    gate = Gate(bench, 1.0)
    gate.blind = True
    for _ in range(100):
        gate.driver.safe()
        gate.tick()
    assert gate.driver.fault == motion.NO_FEEDBACK
    gate.blind = False
    for _ in range(300):
        gate.driver.safe()
        gate.tick()
    assert gate.driver.settled
    assert gate.true == pytest.approx(0.2, abs=0.02)


def test_both_limits_active_is_an_interlock_fault(bench: Any) -> None:
    gate = Gate(bench, 0.5)
    gate.run(200)
    gate.both = True
    gate.driver.command(0.9)
    gate.run(200)
    assert (gate.driver.state, gate.driver.fault) == (motion.FAULT, motion.INTERLOCKED)
    assert gate.starts == []


def test_a_limit_at_odds_with_the_feedback_is_a_fault(bench: Any) -> None:
    gate = Gate(bench, 1.0)
    gate.run(300)
    bench.readings["feedback", "opening"] = (0.3, 1, 10)
    gate.driver.command(0.8)
    gate.driver.step(gate.now_ms + 20)
    assert gate.driver.fault == motion.NO_FEEDBACK


def test_waits_while_the_boards_interlock_refuses(bench: Any) -> None:
    gate = Gate(bench, 0.2)
    gate.run(400)
    relay, refusals = bench.outputs["GP10"], [1, 1]
    switch_on = relay.on

    def on() -> None:
        if refusals:
            refusals.pop()
            raise RuntimeError("interlock keeps GP10 off")
        switch_on()

    relay.on = on
    gate.driver.command(0.6)
    gate.run(4000)
    assert gate.driver.settled
    assert gate.true == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("setpoint", [-0.01, 1.01, float("nan")])
def test_refuses_setpoints_outside_its_range(bench: Any, setpoint: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        Gate(bench).driver.command(setpoint)


RARELY = st.sampled_from([False] * 7 + [True])
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["command", "command", "safe", "stop", "step", "step", "step", "step"]),
        st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
        RARELY,
        RARELY,
        st.sampled_from([0.5] * 8 + [0.0, 0.2, 1.0, 1.4, float("nan")]),
        st.sampled_from([1] * 8 + [2, 3, 4, 9]),
        st.sampled_from([0] * 8 + [20, 90, 400, 501, 900]),
        st.sampled_from([1, 20, 50, 60, 60, 300, 2500]),
    ),
    max_size=80,
)


class Wire:
    """An output that fails the test if its counterpart is on."""

    def __init__(self) -> None:
        self.other: Wire | None = None
        self.level = 0

    def on(self) -> None:
        assert self.other is not None
        assert not self.other.level
        self.level = 1

    def off(self) -> None:
        self.level = 0


def quiet(what: str, setpoint: float, passed_ms: int) -> tuple[Any, ...]:
    """An event with good feedback in mid-travel."""
    return what, setpoint, False, False, 0.5, 1, 0, passed_ms


RUNNING = [quiet("command", 0.9, 300), quiet("step", 0, 300), quiet("step", 0, 300)]
REVERSED = [quiet("command", 0.1, 20), *[quiet("step", 0, 60)] * 4]


@settings(max_examples=300, deadline=None)
@example([*RUNNING, *REVERSED])
@example([*RUNNING, quiet("stop", 0, 20), *REVERSED])
@example([*RUNNING, quiet("safe", 0, 20), quiet("stop", 0, 1), *REVERSED])
@given(EVENTS)
def test_never_both_relays_never_into_a_limit_always_the_dead_time(events: list[Any]) -> None:
    opening, closing = Wire(), Wire()
    opening.other, closing.other = closing, opening
    world: dict[str, Any] = {"open": False, "closed": False, "feedback": (float("nan"), 9, 0)}
    driver = gate_drive.GateDrive(
        (opening, closing),
        (lambda: world["open"], lambda: world["closed"]),
        lambda: world["feedback"],
        CFG,
    )
    now_ms, last, last_on_ms = 0, 0, 0
    for what, setpoint, at_open, at_closed, position, quality, age_ms, passed_ms in events:
        world.update(open=at_open, closed=at_closed, feedback=(position, quality, age_ms))
        if what == "command":
            driver.command(setpoint)
        elif what != "step":
            getattr(driver, what)()
        now_ms += passed_ms
        driver.step(now_ms)
        direction = opening.level - closing.level
        assert not (opening.level and closing.level)
        assert not (opening.level and at_open)
        assert not (closing.level and at_closed)
        if direction and (quality >= 3 or age_ms > 500 or math.isnan(position)):
            raise AssertionError("moves without feedback")
        if direction and direction == -last:
            assert now_ms - last_on_ms >= 200
        if direction:
            last, last_on_ms = direction, now_ms
        expected = {1: motion.OPENING, -1: motion.CLOSING}.get(direction)
        assert expected is None or driver.state == expected


@settings(max_examples=40, deadline=None)
@given(
    start=st.floats(0, 1),
    target=st.floats(0, 1),
    coast_ms=st.integers(0, 60),
    noise=st.lists(st.floats(-0.004, 0.004), min_size=7, max_size=7),
    period_ms=st.sampled_from([60, 100, 200]),
    speed=st.floats(0.8, 1.2),
)
def test_settles_with_noise_inertia_and_slow_feedback(
    start: float, target: float, coast_ms: int, noise: list[float], period_ms: int, speed: float
) -> None:
    opening, closing = Wire(), Wire()
    opening.other, closing.other = closing, opening
    true, momentum, read_ms, seen, runs, was = start, 0.0, 0, start, 0, 0
    now_ms = 0
    driver = gate_drive.GateDrive(
        (opening, closing),
        (lambda: true >= 1.0, lambda: true <= 0.0),
        lambda: (seen, 1, now_ms - read_ms),
        {"travel_ms": 4000, "deadband": 0.015},
    )
    driver.command(target)
    while now_ms < 12_000:
        now_ms += STEP_MS
        drive = opening.level - closing.level
        momentum += (drive * speed - momentum) * (STEP_MS / (STEP_MS + coast_ms))
        true = min(1.0, max(0.0, true + momentum * STEP_MS / 4000))
        if now_ms % period_ms == 0:
            read_ms, seen = now_ms, true + noise[now_ms // period_ms % 7]
        driver.step(now_ms)
        after = opening.level - closing.level
        runs += 1 if after and after != was else 0
        was = after
    assert driver.settled
    assert runs <= 5
    assert true == pytest.approx(target, abs=0.03)
