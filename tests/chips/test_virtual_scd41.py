"""Virtual SCD41 at command level, as its datasheet has it."""

import pytest

from simulator.bus import Nack
from simulator.chips import scd41, sensirion
from simulator.chips.scd41 import SCD41
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> SCD41:
    chip = scd41.make(clock)
    clock.advance_ms(31)
    return chip


def ask(chip: SCD41, clock: Clock, command: int, count: int) -> bytes:
    chip.write(command.to_bytes(2, "big"))
    clock.advance_ms(1)
    return chip.read(count)


def test_checksum_example_of_the_datasheet() -> None:
    assert sensirion.checksum(b"\xbe\xef") == 0x92


def test_measurement_example_of_the_datasheet(chip: SCD41, clock: Clock) -> None:
    chip.co2_ppm, chip.temperature_cel, chip.humidity_pct = 500.0, 25.0, 37.0
    chip.write(b"\x21\xb1")
    clock.advance_ms(5000)
    answer = ask(chip, clock, 0xEC05, 9)
    assert answer[:3] == bytes((0x01, 0xF4, 0x33))
    assert int.from_bytes(answer[3:5], "big") == pytest.approx(0x6667, abs=2)
    assert int.from_bytes(answer[6:8], "big") == pytest.approx(0x5EB9, abs=2)


def test_ready_once_per_measurement(chip: SCD41, clock: Clock) -> None:
    chip.write(b"\x21\xb1")
    assert ask(chip, clock, 0xE4B8, 2) == b"\x80\x00"
    clock.advance_ms(5000)
    assert ask(chip, clock, 0xE4B8, 2) != b"\x80\x00"
    ask(chip, clock, 0xEC05, 9)
    assert ask(chip, clock, 0xE4B8, 2) == b"\x80\x00"
    chip.write(b"\xec\x05")
    clock.advance_ms(1)
    with pytest.raises(Nack):
        chip.read(9)


def test_busy_while_a_command_executes(chip: SCD41, clock: Clock) -> None:
    chip.write(b"\xe4\xb8")
    with pytest.raises(Nack):
        chip.read(3)
    clock.advance_ms(1)
    assert len(chip.read(3)) == 3


def test_refuses_other_commands_while_it_measures(chip: SCD41, clock: Clock) -> None:
    chip.write(b"\x21\xb1")
    for command in (b"\x21\xb1", b"\x36\x82", b"\x36\x46"):
        with pytest.raises(Nack):
            chip.write(command)
    chip.write(b"\x3f\x86")
    clock.advance_ms(499)
    with pytest.raises(Nack):
        chip.write(b"\x36\x82")
    clock.advance_ms(1)
    assert len(ask(chip, clock, 0x3682, 9)) == 9


def test_unknown_commands_are_refused(chip: SCD41) -> None:
    with pytest.raises(Nack):
        chip.write(b"\x12\x34")


def test_single_shot_takes_five_seconds(chip: SCD41, clock: Clock) -> None:
    chip.co2_ppm = 1234.0
    chip.write(b"\x21\x9d")
    clock.advance_ms(4999)
    with pytest.raises(Nack):
        chip.write(b"\xec\x05")
    clock.advance_ms(1)
    assert int.from_bytes(ask(chip, clock, 0xEC05, 9)[:2], "big") == 1234


def test_corrupt_checksums(chip: SCD41, clock: Clock) -> None:
    chip.corrupt = True
    answer = ask(chip, clock, 0x3682, 9)
    assert sensirion.checksum(answer[:2]) != answer[2]
