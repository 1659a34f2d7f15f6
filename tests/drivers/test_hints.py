"""Hints name the chip, the place, and something to check."""

import pytest

from drivers import errors, hints, motion
from firmware.kit import board_file, describe

SENSORS = [name for name in board_file.driver_names() if hasattr(board_file.driver_module(name), "CHANNELS")]
CODES = range(len(errors.NAMES))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("chip", [*hints.FULL_NAMES, "unheard_of"])
def test_every_code_of_every_chip_is_explained_in_one_line_each(code: int, chip: str) -> None:
    hint = hints.explain(code, chip, "i2c0", 0x48, "GP4 SDA, GP5 SCL")
    assert hints.FULL_NAMES.get(chip, chip) in hint.what
    for line in hint:
        assert line
        assert "\n" not in line
        assert "  " not in line
        assert line.isascii()


@pytest.mark.parametrize("code", [*describe.FAULTS, 99])
@pytest.mark.parametrize("kind", [name for name in board_file.driver_names() if name not in SENSORS])
def test_every_fault_of_every_actuator_is_explained_in_one_line_each(code: int, kind: str) -> None:
    wires = ("i2c0", 0x40) if kind in ("mcp4725", "pca9685", "mcp23017") else ("", None)
    hint = hints.explain_actuator(code, kind, *wires)
    assert hint.what.startswith(hints.FULL_NAMES[kind] + ": ")
    for line in hint:
        assert line and "\n" not in line and "  " not in line and line.isascii()
    if wires[0] and code in (motion.NO_FEEDBACK, motion.TRIPPED):
        assert "0x40 on i2c0" in hint.what


def test_an_actuators_chip_that_does_not_answer() -> None:
    hint = hints.explain_actuator(motion.NO_FEEDBACK, "mcp23017", "i2c0", "0x20")
    for word in ("3.3 V", "A0, A1 and A2 are wired to GND", "pins of i2c0"):
        assert word in hint.check


def test_an_unplugged_bme280() -> None:
    hint = hints.explain(errors.NACK, "bme280", "i2c0", 0x76, "GP4 SDA, GP5 SCL")
    assert hint.what == "BME280: no answer at 0x76 on i2c0 (GP4 SDA, GP5 SCL)"
    for word in ("3.3 V", "SDO is wired to GND", "GP4 SDA"):
        assert word in hint.check


def test_an_address_as_text_and_pins_beside_the_bus() -> None:
    wanted = hints.explain(errors.NACK, "bme280", "i2c0", 0x77, "GP4 SDA, GP5 SCL")
    assert hints.explain(errors.NACK, "bme280", "i2c0 (GP4 SDA, GP5 SCL)", "0x77") == wanted
    assert "SDO is wired to 3.3 V" in wanted.check


def test_a_uart_is_named_once() -> None:
    hint = hints.explain(errors.SILENT, "a02yyuw", "uart1 (GP9 RX)", "uart1")
    assert hint.what == "A02YYUW: nothing received at uart1 (GP9 RX)"


def test_a_pin_and_a_bare_bus() -> None:
    assert "GP15" in hints.explain(errors.INTERNAL, "tipping_bucket", "", "GP15").what
    assert "uart1" in hints.explain(errors.SILENT, "a02yyuw", "uart1").what
    assert hints.explain(errors.NACK, "scd41").what.endswith("its pins")


def test_an_unknown_code_is_an_internal_one() -> None:
    assert hints.explain(99, "bme280", "i2c0", 0x76) == hints.explain(errors.INTERNAL, "bme280", "i2c0", 0x76)


@pytest.mark.parametrize("code", CODES)
def test_quality_of_a_code(code: int) -> None:
    expected = {0: 1, 1: 9, 2: 9, 3: 9, 4: 9, 7: 9}.get(code, 4)
    assert errors.quality_of(code) == expected
    assert str(errors.DriverError(code, "x")) == f"{errors.NAMES[code]}: x"
