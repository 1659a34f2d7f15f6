"""PMS5003: commands and frames of the manual, streaming, asking, sleeping, and noise on the line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import errors, pms5003
from simulator.chips import pms5003 as chip_pms5003

SERIAL = {
    "cfg": {"bus": "uart1"},
    "shows": {
        0: "ambient_ug_m3[0]",
        1: "ambient_ug_m3[1]",
        2: "ambient_ug_m3[2]",
        **{3 + number: f"per_cm3[{number}]" for number in range(6)},
    },
    "width": 9,
    "heap": 256,
}
SLEEP, WAKE, READ = bytes.fromhex("424de400000173"), bytes.fromhex("424de400010174"), bytes.fromhex("424de200000171")


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any, Any]:
    uart = bench.uart("uart1", 9600)
    uart.plug(chip_pms5003.make(bench.clock.ns))
    return pms5003.make(bench, {"bus": "uart1", **cfg}), uart.chip, uart


def test_commands_of_the_manual_are_sound_frames() -> None:
    """Appendix II: the sum of the first five bytes stands in the last two."""
    commands = [getattr(pms5003, name) for name in dir(pms5003) if name.startswith("_CMD_")]
    assert len(commands) == 5
    for command in commands:
        assert pms5003.frame_ok(command, 7), command.hex()
    assert {SLEEP, WAKE, READ} <= set(commands)


def test_counts_are_of_a_decilitre() -> None:
    """Appendix I, data 7: the number of particles in 0.1 L, 100 cm3."""
    assert pms5003.compensate_count(0) == 0
    assert pms5003.compensate_count(1) == pytest.approx(0.01)
    assert pms5003.compensate_count(0xFFFF) == pytest.approx(655.35)


def test_the_fan_runs_thirty_seconds_before_the_first_reading(bench: Any) -> None:
    driver, chip, _ = wired(bench)
    chip.ambient_ug_m3[1] = 100.0
    assert driver.start() == 30_000
    bench.clock.advance_ms(30_000)
    values = [0.0] * 9
    while wait_ms := driver.read_into(values):
        bench.clock.advance_ms(wait_ms)
    assert values[1] == 100
    assert 0 < driver.start() < 1000


def test_masses_of_the_calibration_particles(bench: Any) -> None:
    driver, chip, _ = wired(bench, standard=True)
    chip.standard_ug_m3, chip.ambient_ug_m3 = [11.0, 22.0, 33.0], [1.0, 2.0, 3.0]
    assert bench.acquire(driver, 9)[:3] == [11, 22, 33]


def test_passive_mode_asks_for_each_reading(bench: Any) -> None:
    driver, chip, uart = wired(bench, mode="passive")
    bench.acquire(driver, 9)
    assert not chip.active
    for mass in (7.0, 70.0):
        chip.ambient_ug_m3[1] = mass
        asked = uart.sent.count(READ)
        assert bench.acquire(driver, 9)[1] == mass
        assert uart.sent.count(READ) == asked + 1


@pytest.mark.parametrize("mode", ["active", "passive"])
def test_it_sleeps_between_readings_and_warms_up_for_each(bench: Any, mode: str) -> None:
    driver, chip, uart = wired(bench, sleep=True, mode=mode)
    for mass in (7.0, 700.0):
        chip.ambient_ug_m3[1] = mass
        assert bench.acquire(driver, 9)[1] == mass
        assert not chip.awake
        assert uart.sent.endswith(SLEEP)
        bench.clock.advance_ms(600_000)


def test_a_sensor_that_was_left_asleep_is_woken(bench: Any) -> None:
    """A board restarts, its sensor does not."""
    driver, chip, _ = wired(bench)
    chip.receive(SLEEP)
    assert bench.acquire(driver, 9)[1] == 8


def test_a_sensor_that_loses_power_warms_up_again(bench: Any) -> None:
    driver, chip, _ = wired(bench, mode="passive")
    bench.acquire(driver, 9)
    chip.power_on()  # active again: it streams, and a frame is a frame; with its wire cut it is silent
    chip.silent = True
    with pytest.raises(errors.DriverError) as caught:
        bench.acquire(driver, 9)
    assert caught.value.code == errors.SILENT
    chip.silent = False
    assert driver.start() == 30_000


@given(noise=st.binary(max_size=80), cut=st.integers(1, 31))
def test_a_frame_after_garbage_is_found(noise: bytes, cut: int) -> None:
    """Two frames after any noise: what looks like a header costs at most the first."""
    chip = chip_pms5003.make(lambda: 0)
    frame = chip.frame(chip_pms5003.WARM_NS)
    driver = pms5003.PMS5003(None, lambda: 0, {"bus": "uart1"})
    for byte in noise + frame[:cut] + frame * 2:
        driver._take(byte)
    assert driver._found
    assert bytes(driver._newest) == frame


@given(noise=st.binary(max_size=200))
def test_garbage_gives_only_frames_that_were_there(noise: bytes) -> None:
    driver = pms5003.PMS5003(None, lambda: 0, {"bus": "uart1"})
    for byte in noise:
        driver._take(byte)
    if driver._found:
        assert bytes(driver._newest) in noise
