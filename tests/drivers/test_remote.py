"""What all actuators behind a chip on I2C do, under the board's core: lease, dead bus, a chip that forgets, feedback.

Each case says how its chip shows a setpoint: `shown(chip)` is from 0 to 1, NaN in any state that is none.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import errors, motion
from drivers.remote import VERIFY_MS
from protocol import task_numbers as codes
from simulator.chips.mcp4725 import MCP4725
from simulator.chips.mcp23017 import MCP23017
from simulator.chips.pca9685 import PCA9685
from tests.drivers.remote_rig import LEASE_MS, SAFE, Rig


class Case(NamedTuple):
    """How a driver is tried: its address and options, how the chip shows a setpoint, how well, or only on and off."""

    address: int
    cfg: dict[str, Any]
    shown: Callable[[Any], float]
    epsilon: float
    switch: bool = False


def volts(chip: MCP4725) -> float:
    return chip.output_v / chip.supply_v


def pulses(chip: PCA9685) -> float:
    return (chip.pulse_us(3) - 1000) / 1000


def switched(chip: MCP23017) -> float:
    chip.pulls[3] = 1
    return 1 - chip.level(3)


CASES = {
    "mcp4725": Case(0x60, {}, volts, 1 / 4095),
    "pca9685": Case(0x40, {"channel": 3, "pulse_at_0_us": 1000, "pulse_at_1_us": 2000}, pulses, 0.005),
    "mcp23017": Case(0x20, {"line": 3, "active_high": False, "pull": "external-up"}, switched, 0, True),
}
FAULTS = [errors.NACK, errors.SDA_LOW, errors.SCL_LOW, errors.TIMEOUT]
each_chip = pytest.mark.parametrize("name", CASES)


def rig(name: str, **cfg: Any) -> Rig:
    return Rig(name, CASES[name].address, **CASES[name].cfg, **cfg)


def held(name: str, setpoint: float) -> float:
    """What a chip holds of a setpoint."""
    return float(setpoint >= 0.5) if CASES[name].switch else setpoint


def shows(board: Rig, name: str, setpoint: float) -> bool:
    return CASES[name].shown(board.chip) == pytest.approx(held(name, setpoint), abs=CASES[name].epsilon)


@each_chip
def test_it_is_safe_before_the_first_step_whatever_was_before(name: str) -> None:
    """A board's reset does not reset the chip: what stood there before must go at once, not at the first turn."""
    board = rig(name)
    board.command(0.9)
    board.run(200)
    assert shows(board, name, 0.9)
    rig(name, before=board)
    assert shows(board, name, SAFE)


@each_chip
def test_sets_the_whole_range_and_reads_it_back(name: str) -> None:
    board = rig(name)
    board.run(100)
    for step in range(11):
        board.command(step / 10)
        board.run(100)
        assert shows(board, name, step / 10)
        assert (board.driver.state, board.driver.settled, board.driver.position) == (
            motion.IDLE,
            True,
            held(name, step / 10),
        )
        assert board.states() == [(codes.ACCEPTED, codes.OK), (codes.DONE, codes.OK)]


@each_chip
def test_a_lapsed_lease_and_a_silent_link_end_in_the_safe_state(name: str) -> None:
    board = rig(name)
    board.command(0.8)
    board.run(LEASE_MS - 200)
    assert shows(board, name, 0.8)
    board.run(400)
    assert shows(board, name, SAFE)
    board.command(0.8)
    board.run(100)
    board.core.silent()
    assert shows(board, name, SAFE)


@each_chip
def test_a_chip_that_does_not_answer_is_a_fault_until_it_does(name: str) -> None:
    board = rig(name)
    board.run(100)
    board.chip.unplugged = True
    board.command(0.8)
    board.run(300)
    assert board.states() == [(codes.ACCEPTED, codes.OK), (codes.FAILED, codes.NO_FEEDBACK)]
    assert (board.driver.state, board.driver.settled) == (motion.FAULT, False)
    assert math.isnan(board.driver.position)
    board.chip.unplugged = False
    board.run(1000)
    assert shows(board, name, 0.8)
    assert (board.driver.state, board.driver.fault, board.driver.position) == (motion.IDLE, motion.OK, held(name, 0.8))


@each_chip
@pytest.mark.parametrize("code", FAULTS)
def test_an_error_at_one_transfer_is_no_fault(name: str, code: int) -> None:
    board = rig(name)
    board.run(100)
    board.bench.bus.count = 0
    board.command(0.7)
    board.run(50)
    transfers = board.bench.bus.count
    for at in range(transfers):
        board.command(0.1)
        board.run(100)
        board.bench.bus.count, board.bench.bus.fail_at, board.bench.bus.code = 0, at, code
        board.command(0.7)
        board.run(200)
        assert shows(board, name, 0.7)
        assert board.states() == [(codes.ACCEPTED, codes.OK), (codes.DONE, codes.OK)]


@each_chip
@pytest.mark.parametrize("line", ["sda_stuck", "scl_stuck"])
def test_a_stuck_bus_stops_no_board_and_the_lease_goes_on(name: str, line: str) -> None:
    board = rig(name)
    board.command(0.8)
    board.run(100)
    setattr(board.bench.virtual, line, True)
    board.run(LEASE_MS + 500)
    assert (board.driver.state, board.driver.fault) == (motion.FAULT, motion.NO_FEEDBACK)
    assert board.core.errors == 0
    assert shows(board, name, 0.8), "the chip still does what it was told last: nobody can reach it"
    setattr(board.bench.virtual, line, False)
    board.run(1000)
    assert shows(board, name, SAFE)
    assert board.driver.state == motion.IDLE


@each_chip
def test_a_dead_bus_is_not_asked_at_every_turn(name: str) -> None:
    board = rig(name)
    board.chip.unplugged = True
    board.run(5000)
    board.bench.bus.count = 0
    board.run(6400)
    assert 10 <= board.bench.bus.count <= 25


@each_chip
def test_a_chip_that_forgot_is_told_again(name: str) -> None:
    board = rig(name)
    board.command(0.8)
    board.run(200)
    board.power_dip()
    assert not shows(board, name, 0.8)
    board.run(VERIFY_MS + 150)
    assert shows(board, name, 0.8)
    assert (board.driver.losses, board.driver.state) == (1, motion.IDLE)


@each_chip
def test_a_chip_that_forgot_stays_safe_if_told_so_until_the_next_command(name: str) -> None:
    board = rig(name, after_loss="safe")
    board.command(0.8)
    board.run(200)
    board.power_dip()
    board.run(VERIFY_MS + 150)
    assert shows(board, name, SAFE)
    assert (board.driver.state, board.driver.fault, board.driver.position) == (
        motion.FAULT,
        motion.TRIPPED,
        held(name, SAFE),
    )
    board.command(0.6)
    board.run(200)
    assert shows(board, name, 0.6)
    assert board.driver.state == motion.IDLE


@each_chip
def test_a_stop_and_the_end_of_the_program_make_it_safe_at_once(name: str) -> None:
    board = rig(name)
    for end in (board.driver.stop, board.core.abandon):
        board.command(0.8)
        board.run(200)
        end()
        assert shows(board, name, SAFE)
    board.chip.unplugged = True
    board.core.abandon()


@each_chip
def test_travel_takes_its_time(name: str) -> None:
    board = rig(name, travel_ms=400)
    board.run(1000)
    seen: list[int] = []
    for setpoint, moving in ((0.9, motion.OPENING), (0.1, motion.CLOSING)):
        board.command(setpoint)
        seen.clear()
        board.run(600, lambda: seen.append(board.driver.state))
        assert list(dict.fromkeys(seen)) == [moving, motion.IDLE]
        assert 35 <= seen.count(moving) <= 50
        assert board.states() == [(codes.ACCEPTED, codes.OK), (codes.ACTING, codes.OK), (codes.DONE, codes.OK)]


def fed_back(name: str, **cfg: Any) -> Rig:
    board = rig(name, position=["pot", "volts"], position_at_closed=1.0, position_at_open=3.0, travel_ms=400, **cfg)
    board.bench.readings["pot", "volts"] = (1.0 + 2 * SAFE, 1, 10)
    board.run(100)
    return board


@each_chip
def test_a_feedback_says_when_it_is_there(name: str) -> None:
    board = fed_back(name)
    assert board.driver.position == SAFE
    board.command(0.75)
    board.run(300)
    assert (board.driver.state, board.driver.position) == (motion.OPENING, SAFE)
    board.bench.readings["pot", "volts"] = (1.01 + 2 * held(name, 0.75), 1, 10)
    board.run(100)
    assert board.driver.settled
    assert board.driver.position == pytest.approx(held(name, 0.75) + 0.005)


@each_chip
@pytest.mark.parametrize(
    ("reading", "fault"),
    [
        ((1.5, 1, 10), motion.TIMEOUT),  # it does not move
        ((float("nan"), 9, 10), motion.NO_FEEDBACK),
        ((2.5, 4, 10), motion.NO_FEEDBACK),
        ((2.5, 1, 60_000), motion.NO_FEEDBACK),  # it is there, but when?
    ],
)
def test_a_feedback_that_does_not_confirm_is_a_fault(name: str, reading: Any, fault: int) -> None:
    board = fed_back(name)
    board.bench.readings["pot", "volts"] = reading
    board.command(0.75)
    board.run(1000)
    assert board.driver.state == motion.OPENING
    board.run(300)
    assert (board.driver.state, board.driver.fault) == (motion.FAULT, fault)
    assert shows(board, name, 0.75), "the order stands until the lease ends"


@each_chip
@pytest.mark.parametrize("setpoint", [-0.1, 1.1, float("nan")])
def test_refuses_setpoints_outside_its_range(name: str, setpoint: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        rig(name).driver.command(setpoint)


@each_chip
@pytest.mark.parametrize(
    ("cfg", "match"), [({"after_loss": "off"}, "after_loss"), ({"upper": 2.0}, "0 to 1"), ({"lower": -1.0}, "0 to 1")]
)
def test_refuses_options_that_mean_nothing(name: str, cfg: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        rig(name, **cfg)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["command", "plug", "unplug", "dip", "stuck", "free", "silent"]), st.integers(10, 900)),
    max_size=25,
)


@each_chip
@settings(max_examples=60, deadline=None)
@given(actions=ACTIONS)
def test_whatever_fails_it_never_says_that_it_holds_what_it_does_not(name: str, actions: list[Any]) -> None:
    board = rig(name)
    wrong_ms = 0

    def judge() -> None:
        nonlocal wrong_ms
        driver = board.driver
        honest = not driver.settled or shows(board, name, driver.position)
        wrong_ms = 0 if honest else wrong_ms + 10
        assert wrong_ms <= VERIFY_MS + 150

    for what, duration_ms in actions:
        if what == "command":
            board.command(duration_ms / 900)
        elif what == "dip":
            board.power_dip()
        elif what == "silent":
            board.core.silent()
        elif what in ("plug", "unplug"):
            board.chip.unplugged = what == "unplug"
        else:
            board.bench.virtual.scl_stuck = what == "stuck"
        board.run(duration_ms, judge)
    board.bench.virtual.scl_stuck = board.chip.unplugged = False
    board.run(LEASE_MS + 1500, judge)
    assert shows(board, name, SAFE)
    assert board.driver.settled
    assert board.core.errors == 0
