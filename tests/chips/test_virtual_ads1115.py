"""Virtual ADS1115 at register level, as its datasheet has it."""

import pytest

from simulator.chips import ads1115
from simulator.chips.ads1115 import ADS1115


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chip(clock: Clock) -> ADS1115:
    return ads1115.make(clock)


def register(chip: ADS1115, number: int) -> int:
    chip.write(bytes((number,)))
    return int.from_bytes(chip.read(2), "big")


def convert(chip: ADS1115, clock: Clock, config: int) -> int:
    chip.write(bytes((1,)) + config.to_bytes(2, "big"))
    clock.now_ns += 200_000_000
    return register(chip, 0)


def test_reset_values(chip: ADS1115) -> None:
    assert [register(chip, number) for number in range(4)] == [0x0000, 0x8583, 0x8000, 0x7FFF]


def test_the_conversion_register_cannot_be_written(chip: ADS1115) -> None:
    chip.write(b"\x00\x12\x34")
    assert register(chip, 0) == 0


def test_os_bit_falls_during_a_conversion(chip: ADS1115, clock: Clock) -> None:
    chip.write(b"\x01\xc3\xe3")  # AIN0, 4.096 V, single, 860/s
    assert register(chip, 1) == 0x43E3
    clock.now_ns += 1_100_000
    assert register(chip, 1) == 0x43E3
    clock.now_ns += 200_000
    assert register(chip, 1) == 0xC3E3


def test_nothing_converts_without_the_os_bit(chip: ADS1115, clock: Clock) -> None:
    chip.inputs_v[0] = 1.0
    assert convert(chip, clock, 0x43E3) == 0


@pytest.mark.parametrize(
    ("config", "volts"),
    [
        (0xC3E3, 1.0),
        (0xD3E3, 2.0),
        (0xE3E3, 0.5),
        (0xF3E3, 3.0),
        (0x83E3, -1.0),
        (0x93E3, -2.0),
        (0xA3E3, -1.0),
        (0xB3E3, -2.5),
    ],
)
def test_multiplexer(chip: ADS1115, clock: Clock, config: int, volts: float) -> None:
    chip.inputs_v = [1.0, 2.0, 0.5, 3.0]
    code = convert(chip, clock, config)
    signed = code - 0x10000 if code & 0x8000 else code
    assert signed == round(volts * 32768 / 4.096)


@pytest.mark.parametrize(("gain", "full_scale"), list(enumerate((6.144, 4.096, 2.048, 1.024, 0.512, 0.256))))
def test_gain_and_clipping(chip: ADS1115, clock: Clock, gain: int, full_scale: float) -> None:
    chip.inputs_v[0] = full_scale / 2
    assert convert(chip, clock, 0xC1E3 | gain << 9) in (0x4000, 0x3FFF)
    chip.inputs_v[0] = 3.3
    clipped = convert(chip, clock, 0xC1E3 | gain << 9)
    assert (clipped == 0x7FFF) == (full_scale < 3.3)


def test_continuous_mode_follows_the_input(chip: ADS1115, clock: Clock) -> None:
    chip.write(b"\x01\x42\xe3")
    for volts in (0.5, 1.5):
        chip.inputs_v[0] = volts
        clock.now_ns += 2_000_000
        assert register(chip, 0) == round(volts * 32768 / 4.096)


def test_inputs_are_clamped_to_the_rails(chip: ADS1115, clock: Clock) -> None:
    chip.inputs_v[0] = 12.0
    assert convert(chip, clock, 0xC1E3) == round(3.6 * 32768 / 6.144)
