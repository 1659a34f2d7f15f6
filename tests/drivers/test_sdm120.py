"""SDM120 and Modbus RTU: golden frames, exceptions, the gap between frames, and a line with strangers on it."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import errors, modbus, sdm120
from simulator.chips import sdm120 as chip_sdm120

SERIAL = {
    "cfg": {"bus": "uart1", "baud": 2400},
    "shows": {0: "voltage_v", 1: "current_a", 6: "frequency_hz", 7: "imported_kwh", 8: "exported_kwh"},
    "width": 9,
    "heap": 256,
}

METER = sdm120.SDM120(None, lambda: 0, {"bus": "uart1"})


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any, Any]:
    uart = bench.uart("uart1", 2400)
    uart.plug(chip_sdm120.make(bench.clock.ns))
    return sdm120.make(bench, {"bus": "uart1", **cfg}), uart.chip, uart


def code_of(bench: Any, driver: Any) -> int:
    with pytest.raises(errors.DriverError) as caught:
        bench.acquire(driver, 9)
    return caught.value.code


@pytest.mark.parametrize(
    ("unit", "first", "count", "frame"),
    [
        (1, 0x0000, 2, "01040000000271cb"),  # the manual's question for the voltage
        (1, 0x0046, 2, "010400460002901e"),
        (17, 0x0008, 1, "110400080001b298"),  # Modbus application protocol, example of function 4
    ],
)
def test_questions_of_manual_and_standard(unit: int, first: int, count: int, frame: str) -> None:
    assert modbus.read_request(unit, first, count).hex() == frame


def test_checksum_of_the_serial_line_guide() -> None:
    """Modbus over serial line V1.02, 6.2.2: 02 07 gives 0x1241, sent 41 12."""
    assert modbus.crc16(b"\x02\x07", 2) == 0x1241
    assert chip_sdm120.checksum(b"\x02\x07") == 0x1241


@pytest.mark.parametrize(("four", "value"), [("43666633", 230.4), ("00000000", 0.0), ("bf800000", -1.0)])
def test_values_are_ieee_754_high_word_first(four: str, value: float) -> None:
    """The manual's answer to the voltage question: 43 66 66 33 is 230.4 V (230.39922 exactly)."""
    assert sdm120.compensate_floats(">1f", bytes.fromhex(four))[0] == pytest.approx(value, abs=0.001)


@pytest.mark.parametrize(("baud", "gap", "frame"), [(2400, 17, 34), (9600, 5, 9), (38400, 2, 3)])
def test_times_on_the_wire(baud: int, gap: int, frame: int) -> None:
    assert modbus.gap_ms(baud) == gap
    assert modbus.frame_ms(8, baud) == frame


def test_power_goes_both_ways(bench: Any) -> None:
    driver, chip, _ = wired(bench)
    chip.current_a, chip.phase_rad = 10.0, 0.0
    assert bench.acquire(driver, 9)[2:6] == pytest.approx([2300, 2300, 0, 1])
    chip.current_a = -5.0
    assert bench.acquire(driver, 9)[1:4] == pytest.approx([5, -1150, 1150])


def test_it_leaves_the_line_silent_between_two_frames(bench: Any) -> None:
    """The virtual meter hears nothing that comes sooner than 3.5 characters after its answer."""
    driver, _, uart = wired(bench)
    bench.acquire(driver, 9)
    assert len(uart.sent) == 16
    assert uart.sent[:8] == modbus.read_request(1, 0, 32) and uart.sent[8:] == modbus.read_request(1, 0x46, 6)


def test_exceptions_have_their_code(bench: Any) -> None:
    driver, chip, _ = wired(bench)
    chip.busy = True
    assert code_of(bench, driver) == errors.NOT_READY
    chip.busy = False
    bench.clock.advance_ms(100)
    bench.acquire(driver, 9)
    chip._refusal = lambda function, first, count: chip_sdm120.ILLEGAL_ADDRESS
    bench.clock.advance_ms(100)
    assert code_of(bench, driver) == errors.BAD_ID


def test_another_unit_is_not_answered_for(bench: Any) -> None:
    driver, chip, _ = wired(bench, unit=7)
    assert code_of(bench, driver) == errors.SILENT
    chip.unit = 7
    bench.acquire(driver, 9)


def test_its_own_echo_is_no_answer(bench: Any) -> None:
    """A transceiver whose receiver stays on while it sends."""
    driver, chip, uart = wired(bench)
    chip.silent = True
    driver.start()
    uart.received += uart.sent[-8:]
    bench.clock.advance_ms(3000)
    with pytest.raises(errors.DriverError) as caught:
        for _ in range(99):
            bench.clock.advance_ms(driver.read_into([0.0] * 9))
    assert caught.value.code in (errors.BAD_CHECKSUM, errors.BAD_ID)
    chip.silent = False
    bench.clock.advance_ms(100)
    bench.acquire(driver, 9)


@given(answer=st.binary(min_size=0, max_size=100))
def test_no_bytes_at_all_pass_for_an_answer(answer: bytes) -> None:
    request = modbus.read_request(1, 0, 32)
    buf = bytearray(120)
    buf[: len(answer)] = answer
    ends = modbus.answer_ends(buf, len(answer))
    if not ends or ends > len(answer):
        return
    with pytest.raises(errors.DriverError):
        modbus.check_answer(buf, ends, request, METER)


@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3))
def test_an_answer_with_a_right_checksum_does(values: list[float]) -> None:
    body = bytes((1, 4, 12)) + struct.pack(">3f", *values)
    answer = body + chip_sdm120.checksum(body).to_bytes(2, "little")
    assert modbus.answer_ends(answer, len(answer)) == len(answer)
    modbus.check_answer(answer, len(answer), modbus.read_request(1, 0x46, 6), METER)
