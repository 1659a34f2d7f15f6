"""Every sensor on a UART against its virtual chip: the whole range, and every byte of a reading damaged or lost.

What is swept is the `SERIAL` of `test_<driver>.py`; `serial_cases.py` says what stands in it.
"""

from typing import Any

import pytest

from drivers import errors
from tests.drivers.cases import set_physical
from tests.drivers.serial_cases import SERIAL_CASES, plug_serial

STEPS = 21
BAD = (errors.BAD_CHECKSUM, errors.SILENT, errors.BAD_ID, errors.NOT_READY, errors.OUT_OF_RANGE)


def reading(bench: Any, name: str, driver: Any) -> list[float]:
    return bench.acquire(driver, SERIAL_CASES[name].width)


@pytest.mark.parametrize("name", SERIAL_CASES)
def test_reads_back_the_whole_range(bench: Any, name: str) -> None:
    driver, chip, _ = plug_serial(bench, name)
    reading(bench, name, driver)
    ranges = chip.sample_range()
    for place, attribute in SERIAL_CASES[name].shows.items():
        lower, upper, epsilon = ranges[attribute]
        for step in range(1, STEPS):
            value = lower + (upper - lower) * step / STEPS
            set_physical(chip, attribute, value)
            bench.clock.advance_ms(SERIAL_CASES[name].settle_ms)
            assert reading(bench, name, driver)[place] == pytest.approx(value, abs=epsilon), (attribute, value)


@pytest.mark.parametrize("damage", ["flipped", "lost"])
@pytest.mark.parametrize("name", SERIAL_CASES)
def test_no_damaged_byte_becomes_a_value_and_the_next_reading_is_good(bench: Any, name: str, damage: str) -> None:
    driver, _, uart = plug_serial(bench, name)
    good = reading(bench, name, driver)
    heard = uart._arrived
    reading(bench, name, driver)
    length = uart._arrived - heard
    assert length >= 4
    for place in range(length):
        hit = uart._arrived + place
        uart.keep = lambda index, byte, hit=hit: byte if index != hit else byte ^ 0x10 if damage == "flipped" else None
        try:
            assert reading(bench, name, driver) == pytest.approx(good), place
        except errors.DriverError as error:
            assert error.code in BAD, place
        bench.clock.advance_ms(500)
        assert reading(bench, name, driver) == pytest.approx(good), place


@pytest.mark.parametrize("name", SERIAL_CASES)
def test_faults_have_their_code_and_heal(bench: Any, name: str) -> None:
    driver, chip, _ = plug_serial(bench, name)
    for attribute, code in (("silent", errors.SILENT), ("corrupt", errors.BAD_CHECKSUM)):
        reading(bench, name, driver)
        setattr(chip, attribute, True)
        bench.clock.advance_ms(1000)  # what is on its way arrives
        for _ in range(2):
            with pytest.raises(errors.DriverError) as caught:
                reading(bench, name, driver)
            assert caught.value.code == code, attribute
        setattr(chip, attribute, False)
        bench.clock.advance_ms(500)
        reading(bench, name, driver)


@pytest.mark.parametrize("name", SERIAL_CASES)
def test_a_uart_that_takes_no_bytes_is_a_timeout(bench: Any, name: str) -> None:
    driver, _, uart = plug_serial(bench, name)
    reading(bench, name, driver)
    sent = len(uart.sent)
    reading(bench, name, driver)
    if len(uart.sent) == sent:
        return  # it only listens
    uart.deaf = True
    with pytest.raises(errors.DriverError) as caught:
        reading(bench, name, driver)
    assert caught.value.code == errors.TIMEOUT
    uart.deaf = False
    reading(bench, name, driver)


@pytest.mark.parametrize("name", SERIAL_CASES)
def test_reading_without_start_is_not_ready(bench: Any, name: str) -> None:
    driver, _, _ = plug_serial(bench, name)
    with pytest.raises(errors.DriverError) as caught:
        driver.read_into([0.0] * SERIAL_CASES[name].width)
    assert caught.value.code == errors.NOT_READY


@pytest.mark.parametrize("name", SERIAL_CASES)
def test_what_waits_in_the_fifo_is_not_the_present(bench: Any, name: str) -> None:
    """A FIFO keeps its oldest bytes: after an hour of not listening a reading is still of now."""
    driver, chip, _ = plug_serial(bench, name)
    reading(bench, name, driver)
    place, attribute = next(iter(SERIAL_CASES[name].shows.items()))
    lower, upper, epsilon = chip.sample_range()[attribute]
    set_physical(chip, attribute, lower + (upper - lower) / 3)
    bench.clock.advance_ms(60_000)
    set_physical(chip, attribute, lower + (upper - lower) / 2)
    bench.clock.advance_ms(SERIAL_CASES[name].settle_ms)
    assert reading(bench, name, driver)[place] == pytest.approx(lower + (upper - lower) / 2, abs=epsilon)
