"""DS18B20: codes and checksums of the datasheet, power that is lost, parasitic power, company on the wire."""

from typing import Any

import pytest

from drivers import ds18b20, errors
from simulator.chips import ds18b20 as chip_ds18b20


def wired(bench: Any, *chips: Any, **cfg: Any) -> tuple[Any, Any]:
    """(driver, its line) with these chips, or one."""
    wire = bench.onewire("GP22")
    wire.chips[:] = chips or [chip_ds18b20.make(bench.clock.ns)]
    return ds18b20.make(bench, {"pin": "GP22", **cfg}), wire


def code_of(bench: Any, driver: Any) -> int:
    with pytest.raises(errors.DriverError) as caught:
        bench.acquire(driver, 1)
    return caught.value.code


@pytest.mark.parametrize(
    ("code_raw", "celsius"),
    [
        (0x07D0, 125.0),
        (0x0550, 85.0),
        (0x0191, 25.0625),
        (0x00A2, 10.125),
        (0x0008, 0.5),
        (0x0000, 0.0),
        (0xFFF8, -0.5),
        (0xFF5E, -10.125),
        (0xFE6F, -25.0625),
        (0xFC90, -55.0),
    ],
)
def test_codes_of_the_datasheet(code_raw: int, celsius: float) -> None:
    """Table 1."""
    assert ds18b20.compensate_temperature(code_raw, 0x7F) == celsius


@pytest.mark.parametrize(("config", "celsius"), [(0x7F, 10.1875), (0x5F, 10.125), (0x3F, 10.0), (0x1F, 10.0)])
def test_bits_that_a_resolution_leaves_undefined_count_nothing(config: int, celsius: float) -> None:
    """Table 2: 12, 11, 10, 9 bits."""
    assert ds18b20.compensate_temperature(0x00A3, config) == celsius


def test_checksum_of_the_application_note() -> None:
    """Application note 27: 02 1C B8 01 00 00 00 gives A2."""
    rom = bytes((0x02, 0x1C, 0xB8, 0x01, 0x00, 0x00, 0x00, 0xA2))
    assert ds18b20.crc8(rom, 7) == 0xA2
    assert ds18b20.crc8(rom, 8) == 0
    assert chip_ds18b20.checksum(rom[:7]) == 0xA2


def test_reads_back_the_whole_range(bench: Any) -> None:
    driver, wire = wired(bench)
    lower, upper, epsilon = wire.chips[0].sample_range()["temperature_cel"]
    for step in range(1, 181):
        wire.chips[0].temperature_cel = celsius = lower + (upper - lower) * step / 181
        assert bench.acquire(driver, 1)[0] == pytest.approx(celsius, abs=epsilon)


def test_the_power_on_value_is_no_reading(bench: Any) -> None:
    driver, wire = wired(bench)
    bench.acquire(driver, 1)
    bench.clock.advance_ms(driver.start())
    wire.chips[0].power_on()
    with pytest.raises(errors.DriverError, match="85 Cel") as caught:
        driver.read_into([0.0])
    assert caught.value.code == errors.NOT_READY
    assert bench.acquire(driver, 1)[0] == 21.5


def test_asked_too_early_it_has_what_it_had_at_power_on(bench: Any) -> None:
    driver, _ = wired(bench)
    driver.start()
    with pytest.raises(errors.DriverError) as caught:
        driver.read_into([0.0])
    assert caught.value.code == errors.NOT_READY


def test_parasitic_power_needs_the_strong_pull_up_and_gets_it(bench: Any) -> None:
    driver, wire = wired(bench)
    wire.chips[0].supplied = False
    assert bench.acquire(driver, 1)[0] == 21.5
    wire.strong_pull_up = lambda on: None
    assert code_of(bench, driver) == errors.NOT_READY


def test_nobody_there_is_missing_and_heals(bench: Any) -> None:
    driver, wire = wired(bench)
    bench.acquire(driver, 1)
    wire.chips[0].silent = True
    for _ in range(2):
        code = code_of(bench, driver)
        assert code == errors.SILENT
        assert errors.quality_of(code) == 9
    wire.chips[0].silent = False
    bench.acquire(driver, 1)


def test_a_line_that_is_held_low_is_not_zero_degrees(bench: Any) -> None:
    """Nine zeros have a right checksum."""
    driver, wire = wired(bench)
    bench.acquire(driver, 1)
    wire.shorted = True
    for _ in range(2):
        assert code_of(bench, driver) == errors.BAD_ID
    wire.shorted = False
    bench.acquire(driver, 1)


def test_bad_checksum_names_expected_and_found(bench: Any) -> None:
    driver, wire = wired(bench)
    wire.chips[0].corrupt = True
    with pytest.raises(errors.DriverError, match=r"expected checksum 0x.., found 0x..") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_CHECKSUM


def test_any_damaged_bit_of_a_reading_is_found(bench: Any) -> None:
    driver, wire = wired(bench)
    bench.acquire(driver, 1)
    read = wire.readinto
    for place in range(72):

        def damaged(buf: bytearray, place: int = place) -> None:
            read(buf)
            buf[place // 8] ^= 1 << place % 8

        wire.readinto = damaged
        bench.clock.advance_ms(driver.start())
        with pytest.raises(errors.DriverError) as caught:
            driver.read_into([0.0])
        assert caught.value.code == errors.BAD_CHECKSUM
        wire.readinto = read
        assert bench.acquire(driver, 1)[0] == 21.5


def test_several_on_one_wire_are_told_apart_by_their_rom(bench: Any) -> None:
    chips = [chip_ds18b20.make(bench.clock.ns, serial) for serial in (1, 2, 3)]
    for chip, celsius in zip(chips, (1.0, 20.0, -30.0), strict=True):
        chip.temperature_cel = celsius
    for chip in chips:
        driver, _ = wired(bench, *chips, rom=chip.rom.hex())
        assert bench.acquire(driver, 1)[0] == chip.temperature_cel
    alone, _ = wired(bench, *chips)
    assert code_of(bench, alone) == errors.BAD_CHECKSUM


def test_another_family_is_named(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chip_ds18b20, "FAMILY", 0x10)
    driver, _ = wired(bench)
    with pytest.raises(errors.DriverError, match="expected family 0x28, found 0x10") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_ID


def test_reading_without_start_is_not_ready(bench: Any) -> None:
    driver, _ = wired(bench)
    with pytest.raises(errors.DriverError) as caught:
        driver.read_into([0.0])
    assert caught.value.code == errors.NOT_READY
