"""Virtual PCA9685 at register level, as its datasheet has it."""

import pytest

from simulator.chips import pca9685
from simulator.chips.base import Nack
from simulator.chips.pca9685 import PCA9685
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> PCA9685:
    return pca9685.make(clock)


def register(chip: PCA9685, place: int) -> int:
    chip.write(bytes((place,)))
    return chip.read(1)[0]


def wake(chip: PCA9685, clock: Clock, mode1: int = 0x20) -> None:
    chip.write(bytes((0, mode1)))
    clock.advance_ms(1)


def test_reset_values(chip: PCA9685) -> None:
    assert [register(chip, place) for place in range(6)] == [0x11, 0x04, 0xE2, 0xE4, 0xE8, 0xE0]
    assert [register(chip, place) for place in (6, 7, 8, 9, 66, 67, 68, 69)] == [0, 0, 0, 0x10] * 2
    assert register(chip, 0xFE) == 0x1E
    assert chip.frequency_hz == pytest.approx(197, abs=0.2)
    assert [chip.duty(channel) for channel in range(16)] == [0.0] * 16


@pytest.mark.parametrize(
    ("registers", "duty"),
    [
        (b"\x00\x00\x00\x08", 0.5),
        (b"\x9a\x01\xcc\x04", (1228 - 410) / 4096),
        (b"\x00\x0f\x00\x01", (256 - 3840 + 4096) / 4096),
        (b"\x00\x10\x00\x00", 1.0),
        (b"\x00\x00\x00\x10", 0.0),
        (b"\x00\x10\x00\x10", 0.0),  # full off wins
    ],
)
def test_counts_and_full_on_and_off(chip: PCA9685, clock: Clock, registers: bytes, duty: float) -> None:
    wake(chip, clock)
    chip.write(bytes((6 + 4 * 5,)) + registers)
    assert chip.duty(5) == pytest.approx(duty)
    assert chip.duty(4) == 0.0


def test_the_divider_is_taken_while_asleep_only_and_is_3_at_least(chip: PCA9685, clock: Clock) -> None:
    chip.write(b"\xfe\x79")
    assert chip.frequency_hz == pytest.approx(50.03, abs=0.01)
    wake(chip, clock)
    chip.write(b"\xfe\x10")
    assert register(chip, 0xFE) == 0x79
    chip.write(b"\x00\x30")
    chip.write(b"\xfe\x00")
    assert register(chip, 0xFE) == 3
    assert chip.frequency_hz == pytest.approx(1526, abs=0.2)


def test_no_auto_increment_repeats_one_register(chip: PCA9685, clock: Clock) -> None:
    chip.write(b"\x00")
    assert chip.read(2) == b"\x11\x11"
    wake(chip, clock)
    chip.write(b"\x00")
    assert chip.read(3) == b"\x20\x04\xe2"
    chip.write(b"\x45")
    assert chip.read(2) == b"\x10\x20"
    chip.write(b"\xfe")
    assert chip.read(2) == b"\x1e\x20"


def test_sleep_with_outputs_running_waits_for_a_restart(chip: PCA9685, clock: Clock) -> None:
    wake(chip, clock)
    chip.write(b"\x06\x00\x00\x00\x08")
    chip.write(b"\x00\x30")
    assert (register(chip, 0), chip.duty(0)) == (0xB0, 0.0)
    wake(chip, clock)
    assert (register(chip, 0), chip.duty(0)) == (0xA0, 0.0)
    chip.write(b"\x00\xa0")
    assert (register(chip, 0), chip.duty(0)) == (0x20, 0.5)


def test_a_restart_sooner_than_the_oscillator_is_ignored_and_a_written_output_ends_the_wait(
    chip: PCA9685, clock: Clock
) -> None:
    wake(chip, clock)
    chip.write(b"\x06\x00\x00\x00\x08")
    chip.write(b"\x00\x30")
    chip.write(b"\x00\x20")
    chip.write(b"\x00\xa0")
    assert register(chip, 0) == 0xA0
    chip.write(b"\x06\x00")
    assert register(chip, 0) == 0x20
    clock.advance_ms(1)
    assert chip.duty(0) == 0.5


def test_sleep_after_an_orderly_shutdown_leaves_nothing_to_restart(chip: PCA9685, clock: Clock) -> None:
    wake(chip, clock)
    chip.write(b"\x06\x00\x00\x00\x08")
    chip.write(b"\xfd\x10")
    chip.write(b"\x00\x30")
    assert register(chip, 0) == 0x30
    assert register(chip, 0xFD) == 0
    assert register(chip, 9) == 0x10


def test_an_external_clock_stays_until_power_on(chip: PCA9685, clock: Clock) -> None:
    chip.write(b"\x00\x50")
    chip.write(b"\x00\x20")
    assert register(chip, 0) == 0x60
    chip.unplugged = True
    chip.unplugged = False
    assert register(chip, 0) == 0x11


def test_inverted_reserved_and_unplugged(chip: PCA9685, clock: Clock) -> None:
    wake(chip, clock)
    chip.write(b"\x06\x00\x00\x00\x04")
    chip.write(b"\x01\x14")
    assert chip.duty(0) == 0.75
    chip.unplugged = True
    assert chip.duty(0) == 0.0
    with pytest.raises(Nack):
        chip.write(b"\x46\x00")
