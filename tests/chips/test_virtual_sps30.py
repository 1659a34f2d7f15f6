"""Virtual SPS30 at command level, as its datasheet has it."""

import pytest

from simulator.bus import Nack
from simulator.chips import sensirion, sps30
from simulator.chips.sps30 import SPS30
from tests.chips.chip_clock import Clock

START_FLOATS, START_INTEGERS = bytes.fromhex("00100300ac"), bytes.fromhex("00100500f6")

@pytest.fixture
def chip(clock: Clock) -> SPS30:
    chip = sps30.make(clock)
    clock.advance_ms(100)
    return chip


def told(chip: SPS30, clock: Clock, data: bytes, wait_ms: float = 20) -> None:
    chip.write(data)
    clock.advance_ms(wait_ms)


def test_checksum_example_of_the_datasheet() -> None:
    assert sensirion.checksum(b"\xbe\xef") == 0x92


def test_product_type_with_checksums(chip: SPS30) -> None:
    chip.write(b"\xd0\x02")
    answer = chip.read(12)
    assert b"".join(answer[at : at + 2] for at in (0, 3, 6, 9)) == b"00080000"
    assert all(sensirion.checksum(answer[at : at + 2]) == answer[at + 2] for at in (0, 3, 6, 9))


def test_data_are_ready_once_a_second_and_reading_takes_the_flag_back(chip: SPS30, clock: Clock) -> None:
    told(chip, clock, START_FLOATS)
    chip.write(b"\x02\x02")
    assert chip.read(2) == b"\x00\x00"
    clock.advance_ms(1000)
    assert chip.read(2) == b"\x00\x01"  # the pointer stays
    chip.write(b"\x03\x00")
    values = chip.read(60)
    assert chip.read(60) == values, "the latest values may be read over and over"
    chip.write(b"\x02\x02")
    assert chip.read(2) == b"\x00\x00"


def test_formats(chip: SPS30, clock: Clock) -> None:
    chip.mass_ug_m3[0], chip.typical_um = 1.5, 0.54
    told(chip, clock, START_FLOATS, 1020)
    chip.write(b"\x03\x00")
    assert chip.read(6)[:2] + chip.read(6)[3:5] == b"\x3f\xc0\x00\x00"
    told(chip, clock, b"\x01\x04")
    told(chip, clock, START_INTEGERS, 1020)
    chip.write(b"\x03\x00")
    answer = chip.read(30)
    assert answer[:2] == b"\x00\x02" and answer[27:29] == (540).to_bytes(2, "big")


def test_a_wrong_checksum_or_an_unknown_command_is_refused(chip: SPS30) -> None:
    for data in (b"\x00\x10\x03\x00\xad", b"\x12\x34"):
        with pytest.raises(Nack):
            chip.write(data)


def test_busy_while_a_command_executes(chip: SPS30, clock: Clock) -> None:
    chip.write(START_FLOATS)
    clock.advance_ms(19)
    with pytest.raises(Nack):
        chip.write(b"\x02\x02")
    clock.advance_ms(1)
    chip.write(b"\x02\x02")


def test_sleep_needs_idle_and_waking_needs_two_addresses_within_100_ms(chip: SPS30, clock: Clock) -> None:
    told(chip, clock, START_FLOATS)
    told(chip, clock, b"\x10\x01")
    assert chip.state == sps30.MEASURING
    told(chip, clock, b"\x01\x04")
    told(chip, clock, b"\x10\x01")
    assert chip.state == sps30.SLEEPING
    with pytest.raises(Nack):
        chip.write(b"\x11\x03")
    clock.advance_ms(101)
    with pytest.raises(Nack):
        chip.write(b"\x11\x03")
    told(chip, clock, b"\x11\x03")
    assert chip.state == sps30.IDLE


def test_cleaning_takes_ten_seconds_and_comes_by_itself_after_168_hours(chip: SPS30, clock: Clock) -> None:
    told(chip, clock, START_FLOATS, 1020)
    told(chip, clock, b"\x56\x07", 5000)
    chip.write(b"\x02\x02")
    assert chip.read(2) == b"\x00\x00"
    clock.advance_ms(6100)
    assert chip.read(2) == b"\x00\x01"
    assert chip.cleanings == 1
    clock.advance_ms(168 * 3600 * 1000)
    chip.read(2)
    assert chip.cleanings == 2


def test_the_interval_of_cleaning_is_kept_without_power(chip: SPS30, clock: Clock) -> None:
    chip.write(b"\x80\x04")
    assert chip.read(6)[:2] == b"\x00\x09"  # 604800 s
    words = bytes((0, 0)), bytes((0x0E, 0x10))
    told(chip, clock, b"\x80\x04" + b"".join(word + bytes((sensirion.checksum(word),)) for word in words))
    chip.power_on()
    chip.write(b"\x80\x04")
    assert chip.read(6)[3:5] == b"\x0e\x10"


def test_status_bits(chip: SPS30) -> None:
    chip.fan_stands, chip.laser_fails = True, True
    chip.write(b"\xd2\x06")
    answer = chip.read(6)
    assert answer[0:2] + answer[3:5] == (1 << 21 | 1 << 5 | 1 << 4).to_bytes(4, "big")


def test_corrupt_checksums(chip: SPS30) -> None:
    chip.corrupt = True
    chip.write(b"\xd1\x00")
    assert sensirion.checksum(chip.read(2)) != chip.read(3)[2]
