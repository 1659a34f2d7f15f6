"""Virtual SGP41 at command level, as its datasheet has it."""

import pytest

from simulator.bus import Nack
from simulator.chips import sensirion, sgp41
from simulator.chips.sgp41 import SGP41
from tests.chips.chip_clock import Clock

CONDITION, MEASURE = bytes.fromhex("26128000a2666693"), bytes.fromhex("26198000a2666693")

@pytest.fixture
def chip(clock: Clock) -> SGP41:
    return sgp41.make(clock)


def asked(chip: SGP41, clock: Clock, data: bytes, wait_ms: float, count: int) -> bytes:
    chip.write(data)
    clock.advance_ms(wait_ms)
    return chip.read(count)


def test_checksum_example_of_the_datasheet() -> None:
    assert sensirion.checksum(b"\xbe\xef") == 0x92


def test_raw_signals_once_a_command(chip: SGP41, clock: Clock) -> None:
    chip.voc_raw, chip.nox_raw = 0x1234, 0x4321
    answer = asked(chip, clock, MEASURE, 50, 6)
    assert answer[:2] == b"\x12\x34" and answer[3:5] == b"\x43\x21"
    with pytest.raises(Nack):
        chip.read(6)
    assert asked(chip, clock, CONDITION, 50, 3)[:2] == b"\x12\x34"


def test_measuring_takes_50_ms(chip: SGP41, clock: Clock) -> None:
    chip.write(MEASURE)
    clock.advance_ms(49)
    with pytest.raises(Nack):
        chip.read(6)
    clock.advance_ms(1)
    chip.read(6)


def test_serial_number_and_self_test(chip: SGP41, clock: Clock) -> None:
    answer = asked(chip, clock, b"\x36\x82", 1, 9)
    assert [int.from_bytes(answer[at : at + 2], "big") for at in (0, 3, 6)] == list(sgp41.SERIAL)
    assert asked(chip, clock, b"\x28\x0e", 320, 3)[:2] == b"\xd4\x00"


def test_a_wrong_checksum_missing_words_or_an_unknown_command_is_refused(chip: SGP41) -> None:
    for data in (MEASURE[:-1] + b"\x94", MEASURE[:5], MEASURE[:2], b"\x12\x34"):
        with pytest.raises(Nack):
            chip.write(data)


def test_conditioning_lasts_until_the_next_command(chip: SGP41, clock: Clock) -> None:
    for _ in range(8):
        asked(chip, clock, CONDITION, 1000, 3)
    chip.write(b"\x36\x15")
    assert chip.hot_s == pytest.approx(8.0)
