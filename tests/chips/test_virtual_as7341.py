"""Virtual AS7341 at register level, as its datasheet has it."""

import pytest

from simulator.chips import as7341
from simulator.chips.as7341 import AS7341
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> AS7341:
    return as7341.make(clock)


def register(chip: AS7341, address: int, count: int = 1) -> list[int]:
    chip.write(bytes((address,)))
    return list(chip.read(count))


def counts(chip: AS7341) -> list[int]:
    data = register(chip, 0x95, 12)
    return [data[at] | data[at + 1] << 8 for at in range(0, 12, 2)]


def connect(chip: AS7341, clock: Clock, ram: bytes) -> None:
    chip.write(b"\x80\x01")
    chip.write(b"\xaf\x10")
    chip.write(b"\x00" + ram)
    chip.write(b"\x80\x11")
    clock.advance_ms(1)
    assert register(chip, 0x80) == [0x01]


def short(chip: AS7341) -> None:
    """100 * 1000 steps of 2.78 us are 278 ms, at gain 1."""
    chip.write(b"\x81\x63")
    chip.write(b"\xca\xe7\x03")
    chip.write(b"\xaa\x01")


def test_reset_values(chip: AS7341) -> None:
    assert register(chip, 0x80, 2) == [0, 0]
    assert register(chip, 0x92) == [0x24]
    assert register(chip, 0xAA) == [9]
    assert register(chip, 0xCA, 2) == [0xE7, 0x03]


def test_read_only_registers_and_reserved_bits(chip: AS7341) -> None:
    for address in (0x90, 0x92, 0x94, 0x95, 0xA0, 0xA3):
        before = register(chip, address)
        chip.write(bytes((address, 0xA5)))
        assert register(chip, address) == before
    chip.write(b"\xaa\xff")
    assert register(chip, 0xAA) == [0x1F]


def test_switching_ends_by_itself_and_needs_power(chip: AS7341, clock: Clock) -> None:
    chip.write(b"\x80\x10")
    clock.advance_ms(100)
    assert register(chip, 0x80) == [0x10]
    chip.write(b"\x80\x00")
    chip.write(b"\x80\x11")
    assert register(chip, 0x80) == [0x11]
    clock.advance_ms(1)
    assert register(chip, 0x80) == [0x01]


def test_measuring_takes_the_steps_and_goes_on(chip: AS7341, clock: Clock) -> None:
    short(chip)
    chip.near_infrared = 10.0
    connect(chip, clock, bytes(19) + b"\x01")
    chip.write(b"\x80\x03")
    clock.advance_ms(277.9)
    assert register(chip, 0xA3) == [0]
    clock.advance_ms(0.2)
    assert register(chip, 0xA3) == [0x40]
    assert register(chip, 0x94) == [0x01]
    assert counts(chip) == [2780, 0, 0, 0, 0, 0]
    chip.near_infrared = 20.0
    clock.advance_ms(278)
    assert counts(chip) == [2780, 0, 0, 0, 0, 0]  # only reading ASTATUS latches
    assert register(chip, 0x94) == [0x01]
    assert counts(chip) == [5560, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("address", "byte", "light"),
    [
        (0x00, 0x10, 3.0), (0x0F, 0x10, 3.0), (0x01, 0x01, 1.0), (0x10, 0x01, 1.0), (0x05, 0x01, 2.0),
        (0x0C, 0x10, 2.0), (0x05, 0x10, 4.0), (0x0D, 0x01, 4.0), (0x06, 0x10, 5.0), (0x09, 0x10, 5.0),
        (0x04, 0x01, 6.0), (0x0E, 0x10, 6.0), (0x07, 0x01, 7.0), (0x0A, 0x01, 7.0), (0x03, 0x10, 8.0),
        (0x0E, 0x01, 8.0), (0x08, 0x10, 9.0), (0x11, 0x10, 9.0), (0x02, 0x11, 0.0), (0x0B, 0x11, 0.0),
    ],
)  # fmt: skip
def test_each_half_byte_is_one_of_a_pair(chip: AS7341, clock: Clock, address: int, byte: int, light: float) -> None:
    """AN000666: the photodiode behind each half byte of the RAM."""
    short(chip)
    chip.bands[:], chip.clear = [float(number) for number in range(1, 9)], 9.0
    connect(chip, clock, bytes(address) + bytes((byte,)) + bytes(19 - address))
    chip.write(b"\x80\x03")
    clock.advance_ms(279)
    register(chip, 0x94)
    assert counts(chip) == [round(light / 2 * 278), 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("atime", "astep", "full"), [(29, 599, 18_000), (0, 999, 1_000), (255, 999, 0xFFFF)])
def test_full_scale_is_the_steps_or_16_bits(chip: AS7341, clock: Clock, atime: int, astep: int, full: int) -> None:
    chip.near_infrared = 1e6
    chip.write(bytes((0x81, atime)))
    chip.write(bytes((0xCA, astep & 0xFF, astep >> 8)))
    connect(chip, clock, bytes(19) + b"\x06")
    chip.write(b"\x80\x03")
    clock.advance_ms(1000)
    assert register(chip, 0xA3) == [0x50]
    assert register(chip, 0x94) == [0x89]
    assert counts(chip)[5] == full
    assert register(chip, 0x93) == [0x80]
    chip.write(b"\x93\x80")
    assert register(chip, 0x93) == [0]


def test_asleep_nothing_is_measured(chip: AS7341, clock: Clock) -> None:
    chip.write(b"\x80\x02")
    clock.advance_ms(10_000)
    assert register(chip, 0xA3) == [0]


def test_plugging_in_again_is_a_power_on(chip: AS7341, clock: Clock) -> None:
    connect(chip, clock, bytes(20))
    chip.unplugged = True
    chip.unplugged = False
    assert register(chip, 0x80) == [0]
