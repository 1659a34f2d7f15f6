"""Virtual EZO-pH at the bus, as its datasheet has it, and what all EZO circuits share."""

import pytest

from simulator.chips import ezo_ph
from simulator.chips.ezo_ph import EZOPH
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> EZOPH:
    return ezo_ph.make(clock)


def asked(chip: EZOPH, clock: Clock, command: bytes, wait_ms: float = 300) -> bytes:
    chip.write(command)
    clock.advance_ms(wait_ms)
    answer = chip.read(40)
    assert len(answer) == 40
    return answer.rstrip(b"\0")


def test_nothing_was_asked(chip: EZOPH) -> None:
    assert chip.read(4) == b"\xff\0\0\0"


def test_a_reading_takes_900_ms_and_is_told_once(chip: EZOPH, clock: Clock) -> None:
    chip.ph = 9.56
    chip.write(b"R")
    clock.advance_ms(899)
    assert chip.read(8) == b"\xfe\0\0\0\0\0\0\0"
    clock.advance_ms(1)
    assert chip.read(8) == b"\x019.560\0\0"
    assert chip.read(8) == b"\xff\0\0\0\0\0\0\0"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"I", b"\x01?I,pH,2.12"),
        (b"i\0", b"\x01?I,pH,2.12"),
        (b"Status", b"\x01?STATUS,P,3.300"),
        (b"T,?", b"\x01?T,25.0"),
        (b"T,19.5", b"\x01"),
        (b"slope,?", b"\x01?SLOPE,99.7,100.3,-0.89"),
        (b"T", b"\x02"),
        (b"T,warm", b"\x02"),
        (b"T,1,2", b"\x02"),
        (b"R,1", b"\x02"),
        (b"hello", b"\x02"),
    ],
)
def test_commands_in_capitals_or_not(chip: EZOPH, clock: Clock, command: bytes, answer: bytes) -> None:
    assert asked(chip, clock, command) == answer


def test_the_temperature_it_was_told(chip: EZOPH, clock: Clock) -> None:
    chip.ph, chip.water_cel = 10.0, 5.0
    assert asked(chip, clock, b"R", 900) == b"\x019.799"
    assert asked(chip, clock, b"RT,5.0", 900) == b"\x0110.000"
    assert asked(chip, clock, b"T,?") == b"\x01?T,5.0"
    chip.unplugged = True
    chip.unplugged = False
    assert asked(chip, clock, b"T,?") == b"\x01?T,25.0"


@pytest.mark.parametrize(("ph", "text"), [(-3.0, b"0.001"), (15.0, b"14.000")])
def test_it_is_cut_at_the_ends_of_its_range(chip: EZOPH, clock: Clock, ph: float, text: bytes) -> None:
    chip.ph = ph
    assert asked(chip, clock, b"R", 900) == b"\x01" + text


def test_a_command_while_one_is_processed_is_lost(chip: EZOPH, clock: Clock) -> None:
    chip.write(b"R")
    clock.advance_ms(500)
    chip.write(b"I")
    clock.advance_ms(400)
    assert chip.read(8) == b"\x017.400\0\0"


def test_asleep_the_first_command_only_wakes_it(chip: EZOPH, clock: Clock) -> None:
    assert asked(chip, clock, b"Sleep") == b"\xff"
    assert chip.asleep
    assert asked(chip, clock, b"I") == b"\xff"
    assert asked(chip, clock, b"I") == b"\x01?I,pH,2.12"
