"""PCA9685: divider, counts, end stops, setting up and sharing a chip."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import errors, motion, pca9685
from simulator.chips import pca9685 as chip_pca9685
from tests.drivers.remote_rig import Rig

SERVO = {"channel": 3, "pulse_at_0_us": 1000, "pulse_at_1_us": 2000}


@pytest.mark.parametrize(
    ("frequency_hz", "oscillator_hz", "prescale"),
    [(200, 25e6, 0x1E), (50, 25e6, 121), (1526, 25e6, 3), (24, 25e6, 253), (50, 26.5e6, 128), (60, 25e6, 101)],
)
def test_dividers(frequency_hz: float, oscillator_hz: float, prescale: int) -> None:
    """Revision 4, 7.3.5: round(oscillator / (4096 * rate)) - 1; 200 Hz is 0x1E, 1526 Hz is 0x03."""
    assert pca9685.prescale_of(frequency_hz, oscillator_hz) == prescale


@pytest.mark.parametrize("frequency_hz", [20, 2000])
def test_frequencies_it_cannot_make(frequency_hz: float) -> None:
    with pytest.raises(ValueError, match="expected 24 to 1526"):
        pca9685.prescale_of(frequency_hz, 25e6)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, 1 / 8192, 1 / 4096, 4095 / 4096, 0.99999])
def test_duty_cycles(level: float) -> None:
    board = Rig("pca9685", 0x40, channel=15, frequency_hz=1000)
    board.command(level)
    board.run(200)
    assert board.chip.duty(15) == pytest.approx(level, abs=1 / 8192)
    assert board.chip.frequency_hz == pytest.approx(1000, rel=0.02)


@pytest.mark.parametrize(
    ("level", "written"),
    [
        (0.0, b"\x06\x00\x00\x00\x10"),
        (1.0, b"\x06\x00\x10\x00\x00"),
        (0.5, b"\x06\x00\x00\x00\x08"),
        (0.3, b"\x06\x00\x00\xcd\x04"),
    ],
)
def test_registers_of_a_duty_cycle(level: float, written: bytes) -> None:
    driver = Rig("pca9685", 0x40).driver
    driver._encode(level)
    assert bytes(driver._order_bytes) == written


@given(
    ends=st.tuples(st.integers(500, 2500), st.integers(500, 2500)),
    level=st.floats(0, 1),
    frequency_hz=st.integers(40, 300),
)
def test_no_pulse_is_beyond_the_end_stops(ends: tuple[int, int], level: float, frequency_hz: int) -> None:
    cfg = {"address": 0x40, "pulse_at_0_us": ends[0], "pulse_at_1_us": ends[1], "frequency_hz": frequency_hz}
    driver = pca9685.PCA9685(None, cfg)
    count_us = 1 / driver._counts_per_us
    pulse_us = driver._pulse_count(level) * count_us
    assert pulse_us == pytest.approx(ends[0] + (ends[1] - ends[0]) * level, abs=count_us * 1.001)
    if abs(ends[0] - ends[1]) >= count_us:
        assert min(ends) - 1e-6 <= pulse_us <= max(ends) + 1e-6


def test_a_servo_turned_round_and_a_measured_oscillator() -> None:
    board = Rig("pca9685", 0x40, pulse_at_0_us=2100, pulse_at_1_us=900, oscillator_hz=26_500_000)
    board.chip.oscillator_hz = 26.5e6
    for level, pulse_us in ((0.0, 2100), (0.5, 1500), (1.0, 900)):
        board.command(level)
        board.run(200)
        assert board.chip.pulse_us(0) == pytest.approx(pulse_us, abs=5)
    assert board.chip.frequency_hz == pytest.approx(50, rel=0.01)


@pytest.mark.parametrize(
    ("cfg", "match"),
    [
        ({"channel": 16}, "channel: found 16; expected 0 to 15"),
        ({"channel": -1}, "expected 0 to 15"),
        ({"channel": "a"}, "channel: found a"),
        ({"frequency_hz": 10}, "frequency_hz: found 10; expected 24 to 1526"),
        ({"pulse_at_0_us": 400}, "found 400; expected 500 to 2500"),
        ({"pulse_at_1_us": 2600}, "found 2600; expected 500 to 2500"),
        ({"pulse_at_1_us": 2400, "frequency_hz": 500}, "found 2400"),
        ({"pulse_at_0_us": 800, "pulse_least_us": 900}, "found 800; expected 900 to 2500"),
    ],
)
def test_refuses_options_that_cannot_be(cfg: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Rig("pca9685", 0x40, **cfg)


def test_a_fresh_chip_is_set_up_within_two_steps_and_off_until_then() -> None:
    board = Rig("pca9685", 0x40, **SERVO)
    assert board.chip.duty(3) == 0.0
    board.run(40)
    assert board.chip.pulse_us(3) == pytest.approx(1250, abs=5)
    assert board.driver.losses == 0


def test_two_outputs_of_one_chip_leave_each_other_alone() -> None:
    board = Rig("pca9685", 0x40, channel=0)
    other = pca9685.make(board.bench, {"bus": "i2c0", "address": 0x40, "channel": 1, "safe": 0.5})
    board.core.add(other, {"name": "other", "lower": 0.0, "upper": 1.0, "safe": 0.5, "lease_ms": 2000})
    board.command(0.75)
    board.run(1500)
    assert (board.chip.duty(0), board.chip.duty(1)) == (0.75, 0.5)
    board.power_dip()
    board.run(1000)
    assert (board.driver.losses, other.losses) == (1, 1)
    assert board.chip.duty(1) == 0.5


@pytest.mark.parametrize(
    "foreign",
    [b"\x00\x30", b"\x00\x21", b"\x01\x14", b"\x0a\x00\x00\x00\x10", b"\xfd\x10", b"\xfc\x01"],
    ids=["asleep", "all-call", "inverted", "another output", "all off", "all changed"],
)
def test_what_somebody_else_tells_the_chip_is_noticed(foreign: bytes) -> None:
    board = Rig("pca9685", 0x40, channel=0)
    board.command(0.75)
    board.run(200)
    board.chip.write(foreign)
    board.run(1000)
    assert board.chip.duty(0) == 0.75
    assert board.driver.losses == (0 if foreign[0] == 0x0A else 1)
    assert board.chip.registers[chip_pca9685.MODE1] == 0x20


def test_a_chip_that_never_leaves_the_wrong_mode_is_a_fault() -> None:
    """EXTCLK stays until the power goes: without that clock there is no output."""
    board = Rig("pca9685", 0x40)
    board.run(100)
    board.chip.write(b"\x00\x30")
    board.chip.write(b"\x00\x70")
    board.command(0.75)
    board.run(500)
    assert (board.driver.state, board.driver.fault) == (motion.FAULT, motion.NO_FEEDBACK)
    board.power_dip()
    board.run(1000)
    assert board.chip.duty(0) == 0.75


def test_the_chips_other_address_is_given_up() -> None:
    board = Rig("pca9685", 0x40)
    board.run(100)
    assert not board.chip.registers[chip_pca9685.MODE1] & chip_pca9685.ALL_CALLS


def test_a_failing_set_up_starts_again() -> None:
    board = Rig("pca9685", 0x40)
    for at in range(8):
        board.power_dip()
        board.bench.bus.count, board.bench.bus.fail_at, board.bench.bus.code = 0, at, errors.NACK
        board.command(0.75)
        board.run(900)
        assert board.chip.duty(0) == 0.75
