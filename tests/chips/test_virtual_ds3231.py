"""Virtual DS3231 at register level, as its datasheet has it."""

import pytest

from simulator.chips import ds3231
from simulator.chips.ds3231 import DS3231
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> DS3231:
    return ds3231.make(clock)


def registers(chip: DS3231, address: int, count: int = 1) -> bytes:
    chip.write(bytes((address,)))
    return chip.read(count)


def test_first_power(chip: DS3231) -> None:
    assert registers(chip, 0x00, 7) == bytes((0, 0, 0, 1, 1, 1, 0))
    assert registers(chip, 0x0E, 3) == b"\x1c\x88\x00"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("59592307311299", "00000001018100"),  # the century bit turns
        ("59592303280204", "00000004290204"),  # a leap year
        ("59592303280205", "00000004010305"),
        ("59592303310403", "00000004010503"),  # a day that the month has not
        ("59591103010126", "00001203010126"),
        ("59595103010126", "00007203010126"),  # 11 AM, then 12 PM
        ("59597203010126", "00006103010126"),  # 12 PM, then 1 PM
        ("59597103010126", "00005204020126"),  # 11 PM, then 12 AM of the next day
        ("59594903010126", "00005003010126"),
        ("09190903010126", "10190903010126"),
    ],
)
def test_a_second_carries(chip: DS3231, clock: Clock, before: str, after: str) -> None:
    chip.write(b"\x00" + bytes.fromhex(before))
    clock.advance_ms(999)
    assert registers(chip, 0x00, 7).hex() == before
    clock.advance_ms(1)
    assert registers(chip, 0x00, 7).hex() == after


def test_bits_that_are_always_zero(chip: DS3231) -> None:
    chip.write(b"\x00" + b"\xff" * 7)
    assert registers(chip, 0x00, 7) == b"\x7f\x7f\x7f\x07\x3f\x9f\xff"
    chip.write(b"\x11\xff\xff")
    assert registers(chip, 0x12)[0] & 0x3F == 0
    chip.write(b"\x0f\xff")
    assert registers(chip, 0x0F) == b"\x88"  # nothing sets a flag


def test_the_address_turns_at_the_end(chip: DS3231) -> None:
    chip.write(b"\x10\x05")
    assert registers(chip, 0x10, 4) == b"\x05" + registers(chip, 0x11, 2) + b"\x00"


@pytest.mark.parametrize(
    ("cel", "code"), [(25.25, b"\x19\x40"), (-0.25, b"\xff\xc0"), (500, b"\x7f\xc0"), (-500, b"\x80\x00")]
)
def test_temperature_is_measured_every_64_seconds(chip: DS3231, clock: Clock, cel: float, code: bytes) -> None:
    registers(chip, 0x11)
    chip.temperature_cel = cel
    clock.advance_ms(63_000)
    assert registers(chip, 0x11, 2) == b"\x15\x00"
    clock.advance_ms(1000)
    assert registers(chip, 0x11, 2) == code


def test_a_conversion_on_demand(chip: DS3231, clock: Clock) -> None:
    registers(chip, 0x11)
    chip.temperature_cel = 30.0
    chip.write(b"\x0e\x3c")
    assert registers(chip, 0x0E, 2) == b"\x3c\x8c"
    clock.advance_ms(124)
    assert registers(chip, 0x0E, 2) == b"\x3c\x8c"
    clock.advance_ms(2)
    assert registers(chip, 0x0E, 2) == b"\x1c\x88"
    assert registers(chip, 0x11, 2) == b"\x1e\x00"


@pytest.mark.parametrize(
    ("alarm", "seconds"),
    [
        ("80808080", 1),  # each second
        ("30808080", 30),  # seconds match
        ("30018080", 90),
        ("00000180", 3600),
        ("00000002", 86400),  # the second of the month
        ("00000047", 86400),  # the seventh day of the week
    ],
)
def test_alarm_1(chip: DS3231, clock: Clock, alarm: str, seconds: int) -> None:
    chip.write(b"\x00" + bytes.fromhex("00000006010126"))
    chip.write(b"\x07" + bytes.fromhex(alarm))
    chip.write(b"\x0f\x00")
    clock.advance_ms((seconds - 1) * 1000)
    assert registers(chip, 0x0F)[0] & 1 == 0
    clock.advance_ms(1000)
    assert registers(chip, 0x0F)[0] & 1 == 1
    assert not chip.interrupt_low
    chip.write(b"\x0e\x1d")
    assert chip.interrupt_low
    chip.write(b"\x0f\x00")
    assert not chip.interrupt_low


@pytest.mark.parametrize(("alarm", "seconds"), [("808080", 60), ("018080", 60), ("000180", 3600), ("000002", 86400)])
def test_alarm_2_is_for_minutes(chip: DS3231, clock: Clock, alarm: str, seconds: int) -> None:
    chip.write(b"\x00" + bytes.fromhex("00000006010126"))
    chip.write(b"\x0b" + bytes.fromhex(alarm))
    chip.write(b"\x0f\x00")
    clock.advance_ms((seconds - 1) * 1000)
    assert registers(chip, 0x0F)[0] & 2 == 0
    clock.advance_ms(1000)
    assert registers(chip, 0x0F)[0] & 2 == 2


def test_writing_seconds_starts_the_second_again(chip: DS3231, clock: Clock) -> None:
    clock.advance_ms(900)
    chip.write(b"\x00\x00")
    clock.advance_ms(900)
    assert registers(chip, 0x00) == b"\x00"
    clock.advance_ms(100)
    assert registers(chip, 0x00) == b"\x01"


def test_without_a_battery_all_is_lost(chip: DS3231, clock: Clock) -> None:
    chip.write(b"\x0f\x00")
    for battery, status in ((True, b"\x00"), (False, b"\x88")):
        chip.battery = battery
        chip.unplugged = True
        clock.advance_ms(5000)
        chip.unplugged = False
        assert registers(chip, 0x0F) == status
    assert registers(chip, 0x00) == b"\x00"
