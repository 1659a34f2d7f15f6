"""DS3231: the datasheet's codes, every kind of date, a clock that stopped, alarms."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import ds3231, errors
from simulator.chips import ds3231 as chip_ds3231

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["temperature_cel"],
    "heap": 48,
    "too_early": None,  # it asks for more time
    "power_dip": False,  # its battery keeps it going
}
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
NOON = int((datetime(2026, 2, 28, 12, 0, 0, tzinfo=UTC) - EPOCH).total_seconds())


@pytest.mark.parametrize(
    ("high", "low", "cel"),
    [(0x19, 0x40, 25.25), (0, 0, 0.0), (0xFF, 0xC0, -0.25), (0xD8, 0, -40.0), (0x55, 0, 85.0), (0x7F, 0xC0, 127.75)],
)
def test_temperature_codes(high: int, low: int, cel: float) -> None:
    """Section "Temperature Registers": 00011001 01b is +25.25 Cel; both ends of the range and of the code."""
    assert ds3231.compensate_temperature(high, low) == cel


@pytest.mark.parametrize(
    ("byte", "hour"),
    [(0x00, 0), (0x23, 23), (0x52, 0), (0x41, 1), (0x51, 11), (0x72, 12), (0x61, 13), (0x71, 23)],
)
def test_hours_of_both_modes(byte: int, hour: int) -> None:
    """Figure 1: bit 6 is the 12-hour mode, bit 5 then PM."""
    assert ds3231.compensate_hour(byte) == hour


@given(st.integers(0, 36525 * 86400 - 1))
def test_registers_are_those_of_the_calendar_and_back(utc_s: int) -> None:
    seven = bytearray(7)
    ds3231.registers_of(utc_s, seven)
    date = EPOCH + timedelta(seconds=utc_s)
    assert seven.hex() == f"{date:%S%M%H}0{date.isoweekday()}{date:%d%m%y}"
    assert ds3231.compensate_time(seven) == utc_s


def test_the_century_bit_is_a_hundred_years() -> None:
    found = ds3231.compensate_time(b"\x00\x00\x00\x01\x01\x81\x00")
    assert EPOCH + timedelta(seconds=found) == datetime(2100, 1, 1, tzinfo=UTC)
    found = ds3231.compensate_time(b"\x00\x00\x00\x01\x01\x83\x00")
    assert EPOCH + timedelta(seconds=found) == datetime(2100, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("seven", [b"\x60\x00\x00\x01\x01\x01\x00", b"\x00\x00\x00\x01\x01\x13\x00", bytes(7)])
def test_what_is_no_date_is_no_time(seven: bytes) -> None:
    with pytest.raises(ValueError, match="no date"):
        ds3231.compensate_time(seven)


@pytest.fixture
def pair(bench: Any) -> Any:
    chip = chip_ds3231.make(bench.clock.ns)
    bench.virtual.add(chip)
    return ds3231.make(bench, {"bus": "i2c0"}), chip


def test_a_clock_that_was_never_set_has_no_time(bench: Any, pair: Any) -> None:
    clock, _ = pair
    with pytest.raises(errors.DriverError, match="stopped") as caught:
        clock.time()
    assert caught.value.code == errors.NOT_READY
    clock.set_time(NOON)
    bench.clock.advance_ms(86_400_000)
    assert clock.time() == NOON + 86_400


def test_time_is_kept_by_the_battery_and_lost_without_it(bench: Any, pair: Any) -> None:
    clock, chip = pair
    clock.set_time(NOON)
    chip.unplugged = True
    bench.clock.advance_ms(3_600_000)
    chip.unplugged = False
    assert clock.time() == NOON + 3600
    chip.battery = False
    chip.unplugged = True
    chip.unplugged = False
    with pytest.raises(errors.DriverError, match="stopped"):
        clock.time()


def test_drift_shows(bench: Any, pair: Any) -> None:
    clock, chip = pair
    chip.drift_ppm = 20.0
    clock.set_time(NOON)
    bench.clock.advance_ms(100_000 * 1000)
    assert clock.time() == NOON + 100_002


def test_registers_that_are_no_date_are_no_time(pair: Any) -> None:
    clock, chip = pair
    clock.set_time(NOON)
    chip.write(b"\x05\x00")
    with pytest.raises(errors.DriverError, match="is no date") as caught:
        clock.time()
    assert caught.value.code == errors.OUT_OF_RANGE


@pytest.mark.parametrize("utc_s", [-1, 36525 * 86400])
def test_times_that_it_cannot_keep_are_refused(pair: Any, utc_s: int) -> None:
    with pytest.raises(ValueError, match="2099"):
        pair[0].set_time(utc_s)


def test_a_daily_alarm_is_reached_once_a_day(bench: Any, pair: Any) -> None:
    clock, chip = pair
    clock.set_time(NOON)
    clock.set_daily_alarm(12 * 3600 + 34 * 60 + 56)
    assert not clock.alarm()
    reached = []
    for hour in range(72):
        bench.clock.advance_ms(3_600_000)
        assert chip.read(1) is not None
        assert chip.interrupt_low == (hour % 24 == 0)
        if clock.alarm():
            reached.append(hour)
            assert not chip.interrupt_low
    assert reached == [0, 24, 48]
    with pytest.raises(ValueError, match="86399"):
        clock.set_daily_alarm(86_400)


def test_setting_the_time_forgets_no_alarm(bench: Any, pair: Any) -> None:
    clock, _ = pair
    clock.set_time(NOON)
    clock.set_daily_alarm(12 * 3600 + 1)
    bench.clock.advance_ms(2000)
    clock.set_time(NOON)
    assert clock.alarm()


def test_another_chip_is_named(pair: Any) -> None:
    clock, chip = pair
    chip._memory[0x0F] = 0x70
    with pytest.raises(errors.DriverError, match="no DS3231") as caught:
        clock.start()
    assert caught.value.code == errors.BAD_ID


def test_a_conversion_that_does_not_end_is_no_reading(bench: Any, pair: Any) -> None:
    clock, chip = pair
    chip._measure = lambda: None
    with pytest.raises(errors.DriverError, match="did not end") as caught:
        bench.acquire(clock, 1)
    assert caught.value.code == errors.NOT_READY


@pytest.mark.parametrize("code", [errors.NACK, errors.TIMEOUT])
def test_an_error_at_any_step_of_time_and_alarm_is_raised(bench: Any, pair: Any, code: int) -> None:
    clock, _ = pair
    calls = (lambda: clock.set_time(NOON), clock.time, lambda: clock.set_daily_alarm(1), clock.alarm)
    for call in calls:
        bench.bus.count, bench.bus.fail_at = 0, -1
        call()
        for step in range(bench.bus.count):
            bench.bus.count, bench.bus.fail_at, bench.bus.code = 0, step, code
            with pytest.raises(errors.BusError) as caught:
                call()
            assert caught.value.code == code
            bench.bus.fail_at = -1
            call()
