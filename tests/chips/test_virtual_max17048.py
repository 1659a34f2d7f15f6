"""Virtual MAX17048 at register level, as its datasheet has it."""

import pytest

from simulator.bus import Nack
from simulator.chips import max17048
from simulator.chips.max17048 import CONFIG, MAX17048, MODE, SOC, STATUS, VALRT, VCELL
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> MAX17048:
    return max17048.make(clock)


def register(chip: MAX17048, number: int) -> int:
    chip.write(bytes((number,)))
    return int.from_bytes(chip.read(2), "big")


def store(chip: MAX17048, number: int, value: int) -> None:
    chip.write(bytes((number,)) + value.to_bytes(2, "big"))


def test_reset_values(chip: MAX17048) -> None:
    found = {number: register(chip, number) for number in max17048.RESET}
    assert found == max17048.RESET
    assert (register(chip, VCELL), register(chip, SOC)) == (0, 0)


def test_first_charge_takes_its_time(chip: MAX17048, clock: Clock) -> None:
    clock.advance_ms(191)
    assert register(chip, SOC) == 0
    clock.advance_ms(2)
    assert register(chip, SOC) == 80 * 256
    assert register(chip, VCELL) == round(3.9 / 78.125e-6)


def test_measures_every_250_ms_and_goes_on_by_itself(chip: MAX17048, clock: Clock) -> None:
    clock.advance_ms(200)
    chip.write(bytes((VCELL,)))
    first = chip.read(4)
    chip.cell_v, chip.charge_pct = 3.5, 10.0
    chip.write(bytes((VCELL,)))
    assert chip.read(4) == first
    clock.advance_ms(250)
    chip.write(bytes((VCELL,)))
    assert chip.read(4) == round(3.5 / 78.125e-6).to_bytes(2, "big") + b"\x0a\x00"


def test_single_bytes_and_read_only_registers_change_nothing(chip: MAX17048, clock: Clock) -> None:
    clock.advance_ms(300)
    chip.write(bytes((STATUS, 0x00)))
    assert register(chip, STATUS) == 0x0100
    for number in (VCELL, SOC, 0x08, 0x16):
        before = register(chip, number)
        store(chip, number, 0x1234)
        assert register(chip, number) == before
    store(chip, 0x18, 0x5555)
    assert register(chip, 0x18) == 0x550C  # the low byte is its number


def test_reset_command_is_not_acknowledged(chip: MAX17048, clock: Clock) -> None:
    clock.advance_ms(300)
    store(chip, STATUS, 0)
    store(chip, CONFIG, 0x8500)
    with pytest.raises(Nack):
        store(chip, 0xFE, 0x5400)
    assert register(chip, STATUS) == 0x0100
    assert register(chip, CONFIG) == 0x971C
    assert register(chip, SOC) == 0
    store(chip, 0xFE, 0x1234)


def test_sleep_needs_both_bits(chip: MAX17048, clock: Clock) -> None:
    clock.advance_ms(200)
    store(chip, CONFIG, 0x979C)
    chip.cell_v = 3.5
    clock.advance_ms(300)
    assert register(chip, VCELL) == round(3.5 / 78.125e-6)
    store(chip, MODE, 0x2000)
    chip.cell_v = 3.0
    clock.advance_ms(300)
    assert register(chip, VCELL) == round(3.5 / 78.125e-6)
    store(chip, CONFIG, 0x971C)
    clock.advance_ms(300)
    assert register(chip, VCELL) == round(3.0 / 78.125e-6)


def test_quick_start_clears_itself_and_measures_anew(chip: MAX17048, clock: Clock) -> None:
    clock.advance_ms(200)
    store(chip, MODE, 0x4000)
    assert register(chip, MODE) & 0x4000 == 0
    chip.charge_pct = 33.0
    clock.advance_ms(193)
    assert register(chip, SOC) == 33 * 256


def test_hibernation(chip: MAX17048, clock: Clock) -> None:
    store(chip, 0x0A, 0xFFFF)
    assert register(chip, MODE) & 0x1000
    store(chip, 0x0A, 0x0000)
    assert not register(chip, MODE) & 0x1000


@pytest.mark.parametrize(
    ("set_up", "change", "flag"),
    [
        ((VALRT, 0x00CD), ("cell_v", 4.2), 0x0200),  # above 4.1 V
        ((VALRT, 0xAAFF), ("cell_v", 3.3), 0x0400),  # below 3.4 V
        ((CONFIG, 0x971C), ("charge_pct", 3.9), 0x1000),  # below 4 %
        ((CONFIG, 0x975C), ("charge_pct", 78.9), 0x2000),  # changed by a whole per cent
    ],
)
def test_alerts(chip: MAX17048, clock: Clock, set_up: tuple[int, int], change: tuple[str, float], flag: int) -> None:
    store(chip, *set_up)
    clock.advance_ms(200)
    register(chip, VCELL)
    assert not chip.alert_low
    before = getattr(chip, change[0])
    setattr(chip, change[0], change[1])
    clock.advance_ms(300)
    assert register(chip, STATUS) & flag
    assert chip.alert_low
    setattr(chip, change[0], before)
    store(chip, CONFIG, 0x971C | 0x20)
    assert chip.alert_low  # writing a one leaves it
    store(chip, CONFIG, 0x971C)
    assert not chip.alert_low


def test_saturates(chip: MAX17048, clock: Clock) -> None:
    chip.cell_v, chip.charge_pct, chip.rate_pct_per_h = 9.0, 400.0, -1e6
    clock.advance_ms(200)
    assert register(chip, VCELL) == register(chip, SOC) == 0xFFFF
    assert register(chip, 0x16) == 0x8000
