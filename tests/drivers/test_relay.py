"""The relay: rest time, longest run, safe setpoint."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import motion, relay


def test_switches_on_and_off(bench: Any) -> None:
    driver = relay.make(bench, {"pin": "GP10"})
    output = bench.outputs["GP10"]
    driver.command(1.0)
    assert (output.level, driver.settled) == (0, False)
    driver.step(0)
    assert (output.level, driver.settled, driver.position) == (1, True, 1.0)
    driver.command(0.2)
    assert output.level == 0
    driver.step(20)
    assert (driver.settled, driver.position, driver.state) == (True, 0.0, motion.IDLE)


def test_rests_also_after_the_boards_start(bench: Any) -> None:
    driver = relay.make(bench, {"pin": "GP10", "min_off_ms": 1000})
    driver.command(1.0)
    driver.step(0)
    driver.step(999)
    assert (driver.position, driver.state) == (0.0, motion.WAITING)
    driver.step(1000)
    assert driver.position == 1.0
    driver.command(0.0)
    driver.command(1.0)
    for now in (1020, 2019):
        driver.step(now)
        assert (bench.outputs["GP10"].level, driver.state) == (0, motion.WAITING)
    driver.step(2020)
    assert bench.outputs["GP10"].level == 1


def test_cuts_a_run_that_is_too_long(bench: Any) -> None:
    driver = relay.make(bench, {"pin": "GP10", "max_on_ms": 500})
    driver.command(1.0)
    driver.step(0)
    driver.step(500)
    assert (driver.state, driver.fault, bench.outputs["GP10"].level) == (motion.FAULT, motion.TRIPPED, 0)
    driver.command(0.0)
    assert driver.fault == motion.OK


def test_goes_to_its_safe_setpoint(bench: Any) -> None:
    driver = relay.make(bench, {"pin": "GP10", "safe": 1.0})
    driver.safe()
    driver.step(0)
    assert bench.outputs["GP10"].level == 1


@pytest.mark.parametrize("setpoint", [-0.1, 1.1, float("nan")])
def test_refuses_setpoints_outside_its_range(bench: Any, setpoint: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        relay.make(bench, {"pin": "GP10"}).command(setpoint)


class Wire:
    level = 0

    def on(self) -> None:
        self.level = 1

    def off(self) -> None:
        self.level = 0


@given(st.lists(st.tuples(st.sampled_from([None, 0.0, 1.0]), st.integers(1, 700)), max_size=60))
def test_no_sequence_shortens_the_rest_or_lengthens_the_run(events: list[Any]) -> None:
    wire = Wire()
    driver = relay.Relay(wire, min_off_ms=500, max_on_ms=1000)
    now, changed, was = 0, 0, 0
    for setpoint, passed in events:
        if setpoint is not None:
            driver.command(setpoint)
            if was and not wire.level:
                was, changed = 0, now
        now += passed
        driver.step(now)
        if wire.level and not was:
            assert now - changed >= 500
        if wire.level and was:
            assert now - changed < 1000
        if wire.level != was:
            was, changed = wire.level, now
