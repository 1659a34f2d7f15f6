"""Virtual EZO-EC at the bus, as its datasheet has it; what all EZO circuits share is tried with EZO-pH."""

import pytest

from simulator.chips import ezo_ec
from simulator.chips.ezo_ec import EZOEC
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> EZOEC:
    return ezo_ec.make(clock)


def asked(chip: EZOEC, clock: Clock, command: bytes, wait_ms: float = 300) -> bytes:
    chip.write(command)
    clock.advance_ms(wait_ms)
    return chip.read(40).rstrip(b"\0")


def test_a_reading_takes_600_ms(chip: EZOEC, clock: Clock) -> None:
    assert asked(chip, clock, b"R", 599) == b"\xfe"
    clock.advance_ms(1)
    assert chip.read(10) == b"\x01650.0\0\0\0\0"


@pytest.mark.parametrize(
    ("us_cm", "text"),
    [
        (-1.0, b"0.00"), (0.07, b"0.07"), (99.987, b"99.99"), (100.14, b"100.1"), (1413.4, b"1413"),
        (12_884.0, b"12880"), (80_000.0, b"80000"), (111_949.0, b"111900"), (9e9, b"500000"),
    ],
)  # fmt: skip
def test_resolution_goes_with_the_value(chip: EZOEC, clock: Clock, us_cm: float, text: bytes) -> None:
    chip.conductivity_us_cm = us_cm
    assert asked(chip, clock, b"R", 600) == b"\x01" + text


def test_outputs_come_in_their_order_and_are_kept_without_power(chip: EZOEC, clock: Clock) -> None:
    assert asked(chip, clock, b"O,?") == b"\x01?O,EC"
    for command in (b"O,SG,1", b"O,TDS,1"):
        assert asked(chip, clock, command) == b"\x01"
    chip.unplugged = True
    chip.unplugged = False
    assert asked(chip, clock, b"O,?") == b"\x01?O,EC,TDS,SG"
    assert asked(chip, clock, b"R", 600) == b"\x01650.0,351,1.000"
    for command in (b"O,EC,0", b"O,SG,0", b"O,TDS,0"):
        asked(chip, clock, command)
    assert asked(chip, clock, b"R", 600) == b"\x01no output"
    assert asked(chip, clock, b"O,PH,1") == b"\x02"
    assert asked(chip, clock, b"K,?") == b"\x01?K,1.0"


def test_the_temperature_it_was_told(chip: EZOEC, clock: Clock) -> None:
    chip.conductivity_us_cm, chip.water_cel = 1000.0, 15.0
    assert asked(chip, clock, b"R", 600) == b"\x01800.0"
    assert asked(chip, clock, b"RT,15", 600) == b"\x011000"
