"""Virtual SHT4x at command level, as its datasheet has it."""

import pytest

from simulator.bus import Nack
from simulator.chips import sensirion, sht4x
from simulator.chips.sht4x import SHT4X
from tests.chips.chip_clock import Clock


@pytest.fixture
def chip(clock: Clock) -> SHT4X:
    chip = sht4x.make(clock)
    clock.advance_ms(1)
    return chip


def words(answer: bytes) -> list[int]:
    for start in range(0, len(answer), 3):
        assert sensirion.checksum(answer[start : start + 2]) == answer[start + 2]
    return [answer[start] << 8 | answer[start + 1] for start in range(0, len(answer), 3)]


def test_checksum_of_the_datasheet() -> None:
    assert sensirion.checksum(b"\xbe\xef") == 0x92


def test_powers_up_in_a_millisecond(clock: Clock) -> None:
    chip = sht4x.make(clock)
    with pytest.raises(Nack):
        chip.write(b"\xfd")
    clock.advance_ms(1)
    chip.write(b"\xfd")


@pytest.mark.parametrize(("command", "ms"), [(0xFD, 8.3), (0xF6, 4.5), (0xE0, 1.6), (0x15, 108.3), (0x39, 1008.3)])
def test_refuses_everything_while_it_measures(chip: SHT4X, clock: Clock, command: int, ms: float) -> None:
    chip.write(bytes((command,)))
    clock.advance_ms(ms - 0.1)
    with pytest.raises(Nack):
        chip.read(6)
    with pytest.raises(Nack):
        chip.write(b"")
    clock.advance_ms(0.2)
    assert len(words(chip.read(6))) == 2


def test_a_measurement_is_read_once(chip: SHT4X, clock: Clock) -> None:
    with pytest.raises(Nack):
        chip.read(6)
    chip.write(b"\xfd")
    clock.advance_ms(10)
    assert words(chip.read(6)) == [round(66 * 65535 / 175), round(51 * 65535 / 125)]
    with pytest.raises(Nack):
        chip.read(6)


def test_serial_number_reset_and_unknown_commands(chip: SHT4X, clock: Clock) -> None:
    chip.write(b"\x89")
    assert words(chip.read(6)) == list(sht4x.SERIAL_NUMBER)
    with pytest.raises(Nack):
        chip.write(b"\x00")
    chip.write(b"\xfd")
    clock.advance_ms(10)
    chip.write(b"\x94")
    with pytest.raises(Nack):
        chip.write(b"\xfd")
    clock.advance_ms(1)
    with pytest.raises(Nack):
        chip.read(6)
    chip.write(b"\xfd")


def test_saturates_at_the_ends_of_the_words(chip: SHT4X, clock: Clock) -> None:
    chip.temperature_cel, chip.humidity_pct = 200.0, 200.0
    chip.write(b"\xfd")
    clock.advance_ms(10)
    assert words(chip.read(6)) == [0xFFFF, 0xFFFF]


def test_heater_shows_warm_and_dry_and_cools(chip: SHT4X, clock: Clock) -> None:
    chip.write(b"\x39")
    clock.advance_ms(1010)
    warm, dry = words(chip.read(6))
    assert warm > (21 + 45 + 30) * 65535 / 175
    assert dry < (10 + 6) * 65535 / 125
    clock.advance_ms(20_000)
    chip.write(b"\xfd")
    clock.advance_ms(10)
    assert words(chip.read(6)) == [round(66 * 65535 / 175), round(51 * 65535 / 125)]


def test_wrong_checksums_on_demand(chip: SHT4X, clock: Clock) -> None:
    chip.corrupt = True
    chip.write(b"\xfd")
    clock.advance_ms(10)
    answer = chip.read(6)
    assert sensirion.checksum(answer[:2]) != answer[2]
    assert sensirion.checksum(answer[3:5]) != answer[5]
