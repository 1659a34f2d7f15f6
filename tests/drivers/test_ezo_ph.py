"""EZO-pH, and what it shares with EZO-EC: commands, numbers, response codes, compensation, sleep, other circuits."""

from typing import Any

import pytest

from drivers import errors, ezo, ezo_ph
from simulator.chips import ezo_ec as chip_ezo_ec
from simulator.chips import ezo_ph as chip_ezo_ph

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["ph"],
    "heap": 256,
    "settle_ms": 10,
    "too_early": None,  # the circuit says that it is not ready, and is asked again
}


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any]:
    chip = chip_ezo_ph.make(bench.clock.ns)
    bench.virtual.add(chip)
    return ezo_ph.make(bench, {"bus": "i2c0", **cfg}), chip


@pytest.mark.parametrize(
    ("celsius", "command"), [(19.5, b"T,19.5"), (25.0, b"T,25.0"), (0, b"T,0.0"), (-0.5, b"T,-0.5")]
)
def test_commands_of_the_datasheet(celsius: float, command: bytes) -> None:
    """EZO-pH V 5.8, "temperature compensation": T,19.5."""
    assert ezo.temperature_command(celsius) == command


@pytest.mark.parametrize(("text", "value"), [("9.560", 9.56), ("0.001", 0.001), ("14.000", 14.0), ("1413", 1413.0)])
def test_numbers_of_the_datasheet(text: str, value: float) -> None:
    """EZO-pH V 5.8, "taking reading": 9.560."""
    assert ezo.value_of(text) == value


@pytest.mark.parametrize("text", ["", "no output", "7.1,3", "nan", "1e3", "inf", " 7", "7.1.2", "-7", "."])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError):
        ezo.value_of(text)


def test_it_is_told_the_temperature_of_the_water(bench: Any) -> None:
    driver, chip = wired(bench, temperature_from=["probe", "water"])
    chip.ph, chip.water_cel = 4.0, 10.0
    bench.readings["probe", "water"] = (10.0, 1, 0)
    assert bench.acquire(driver, 1) == [4.0]
    assert chip.told_cel == 10.0
    bench.readings["probe", "water"] = (12.34, 1, 0)
    bench.acquire(driver, 1)
    assert chip.told_cel == 12.3


def test_without_the_temperature_the_reading_is_off_by_nernst(bench: Any) -> None:
    driver, chip = wired(bench)
    chip.ph, chip.water_cel = 4.0, 10.0
    assert bench.acquire(driver, 1)[0] == pytest.approx(7 - 3 * 283.15 / 298.15, abs=0.001)


@pytest.mark.parametrize("quality", [3, 4, 9])
def test_an_unknown_temperature_is_no_reading(bench: Any, quality: int) -> None:
    driver, _ = wired(bench, temperature_from=["probe", "water"])
    bench.readings["probe", "water"] = (float("nan"), quality, 0)
    for _ in range(2):
        with pytest.raises(errors.DriverError, match="probe gives no good water to compensate") as caught:
            bench.acquire(driver, 1)
        assert caught.value.code == errors.NOT_READY
    bench.readings["probe", "water"] = (25.0, 1, 0)
    assert bench.acquire(driver, 1) == [7.4]
    bench.readings["probe", "water"] = (float("nan"), quality, 0)
    with pytest.raises(errors.DriverError, match="no good water"):
        driver.start()


def test_a_thermometer_that_starts_with_the_board_is_waited_for(bench: Any) -> None:
    driver, chip = wired(bench, temperature_from=["probe", "water"])
    bench.readings["probe", "water"] = (float("nan"), 9, 0)
    values, waits = [0.0], [driver.start()]
    while waits[-1]:
        bench.clock.advance_ms(waits[-1])
        if sum(waits) > 750:
            bench.readings["probe", "water"] = (8.0, 1, 0)
        waits.append(driver.read_into(values))
    assert waits == [300, 500, 300, 900, 0]
    assert chip.told_cel == 8.0


def test_a_reading_takes_300_and_900_ms(bench: Any) -> None:
    driver, _ = wired(bench)
    bench.acquire(driver, 1)
    waits = [driver.start()]
    while waits[-1]:
        bench.clock.advance_ms(waits[-1])
        waits.append(driver.read_into([0.0]))
    assert waits == [300, 900, 0]


def test_a_slow_circuit_is_asked_again_and_one_that_never_ends_is_no_reading(bench: Any) -> None:
    driver, chip = wired(bench)
    chip.reading_ns = 1_300_000_000
    assert bench.acquire(driver, 1) == [7.4]
    chip.reading_ns = 5_000_000_000
    with pytest.raises(errors.DriverError, match="found code 254") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.NOT_READY


def test_asleep_it_is_woken_by_a_reading_that_fails(bench: Any) -> None:
    driver, chip = wired(bench)
    chip.write(b"Sleep")
    with pytest.raises(errors.DriverError, match="found code 255") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.NOT_READY
    assert bench.acquire(driver, 1) == [7.4]


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_power_dip_at_any_step_is_no_reading(bench: Any, step: int) -> None:
    driver, chip = wired(bench)
    wait_ms = driver.start()
    for _ in range(step):
        bench.clock.advance_ms(wait_ms)
        wait_ms = driver.read_into([0.0])
    bench.clock.advance_ms(wait_ms)
    chip.unplugged = True
    chip.unplugged = False
    with pytest.raises(errors.DriverError, match=r"found code 255 \(power dip"):
        driver.read_into([0.0])
    assert bench.acquire(driver, 1) == [7.4]


def test_a_refused_command_and_text_that_is_no_text(bench: Any) -> None:
    driver, chip = wired(bench)
    chip._common = lambda name, arguments: None
    with pytest.raises(errors.DriverError, match="understood no command") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_CHECKSUM
    del chip._common
    chip.mumbles = True
    with pytest.raises(errors.DriverError, match="expected ASCII, found byte 0xbf") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_CHECKSUM
    chip.mumbles = False
    assert bench.acquire(driver, 1) == [7.4]


def test_a_value_that_is_no_number(bench: Any) -> None:
    driver, chip = wired(bench)
    chip.value = lambda: "7.4e"
    with pytest.raises(errors.DriverError, match=r"expected one number, found '7\.4e'") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_CHECKSUM


def test_another_circuit_is_named(bench: Any) -> None:
    bench.virtual.add(chip_ezo_ec.make(bench.clock.ns, 0x63))
    with pytest.raises(errors.DriverError, match=r"expected \?I,pH,\.\.\., found '\?I,EC,2\.16'") as caught:
        bench.acquire(ezo_ph.make(bench, {"bus": "i2c0"}), 1)
    assert caught.value.code == errors.BAD_ID
