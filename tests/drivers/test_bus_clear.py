"""The nine clocks of UM10204 3.1.16 at the pins: a chip that was left in the middle of a byte lets the bus go.

The chip here is a shift register at two open-drain lines, written from UM10204 3.1.1 to 3.1.6: it changes SDA after SCL
has fallen, leaves the ninth clock to the master, and a START or STOP makes it forget what it was at.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import errors
from drivers.hints import explain
from drivers.machine_bus import MachineI2C


class Wires:
    """Two lines with pull-ups, the master's pins, and a chip that is being read: `place` is the bit that it holds."""

    def __init__(self, data: bytes = b"", place: int = 0, short: str = "") -> None:
        self.bits = [byte >> 7 - bit & 1 for byte in data for bit in range(8)]
        self.place, self.short = place, short
        self.talking = bool(data)
        self.master = {"sda": 1, "scl": 1}
        self.clocks = self.starts = self.stops = 0

    def level(self, line: str) -> int:
        held = line == "sda" and self.talking and not self.chips_sda()
        return 0 if line in self.short or held else self.master[line]

    def chips_sda(self) -> int:
        """What the chip puts on SDA: a bit, or nothing at each ninth place."""
        byte, bit = divmod(self.place, 9)
        return 1 if bit == 8 else self.bits[8 * byte + bit]

    def drive(self, line: str, level: int) -> None:
        before = {name: self.level(name) for name in self.master}
        self.master[line] = level
        now = {name: self.level(name) for name in self.master}
        if before["scl"] and now["scl"] and before["sda"] != now["sda"]:
            self.starts += before["sda"]
            self.stops += now["sda"]
            self.talking = False
        if before["scl"] and not now["scl"]:
            self.clocks += 1
            self.shift()

    def shift(self) -> None:
        """SCL fell: the next bit; at the ninth place nobody acknowledged, so that is the end."""
        self.talking = self.talking and self.place % 9 != 8
        self.place += 1

    def bus(self, i2c: Any = None, made: list[int] | None = None) -> MachineI2C:
        def remake() -> Any:
            (made if made is not None else []).append(1)
            return i2c

        return MachineI2C(i2c, "sda", "scl", lambda line: Pin(self, line), remake=remake, name="i2c0")


class Pin:
    """`machine.Pin` at one of the lines."""

    IN, OPEN_DRAIN = 0, 2

    def __init__(self, wires: Wires, line: str) -> None:
        self.wires, self.line = wires, line

    def init(self, mode: int, value: int = 1) -> None:
        self.wires.drive(self.line, value)

    def value(self, level: int | None = None) -> int:
        if level is not None:
            self.wires.drive(self.line, level)
        return self.wires.level(self.line)


@pytest.mark.parametrize(
    ("byte", "place", "clocks"),
    [
        (0x00, 0, 8),  # eight zeros, and free at the ninth bit
        (0x00, 7, 1),
        (0x01, 0, 7),
        (0x7F, 0, 1),
        (0x80, 0, 0),  # it holds a one: nothing is low, and START alone frees it
        (0x80, 1, 7),
    ],
)
def test_a_chip_in_the_middle_of_a_byte_lets_go_after_so_many_clocks(byte: int, place: int, clocks: int) -> None:
    wires, made = Wires(bytes([byte]), place), []
    bus = wires.bus(made=made)
    assert bus.recover()
    assert wires.clocks == clocks and not wires.talking
    assert wires.stops == 1 and made == [1] and bus.recoveries == 1
    assert wires.level("sda") == wires.level("scl") == 1


@given(st.binary(min_size=1, max_size=3), st.data())
def test_from_any_bit_of_any_read_nine_clocks_are_enough(data: bytes, draw: st.DataObject) -> None:
    wires = Wires(data, draw.draw(st.integers(0, 9 * len(data) - 1)))
    assert wires.bus().recover()
    assert wires.clocks <= 9 and not wires.talking and wires.level("sda") == 1


def test_a_transaction_frees_the_bus_first_and_then_goes_on() -> None:
    class I2C:
        def writeto(self, *_: Any) -> None:
            assert not wires.talking and wires.level("sda")

    wires = Wires(b"\x00", 2)
    wires.bus(I2C()).write(0x48, b"\x01")
    assert wires.clocks == 6


@pytest.mark.parametrize(("short", "code", "clocks"), [("sda", errors.SDA_LOW, 9), ("scl", errors.SCL_LOW, 0)])
def test_a_wire_that_stays_low_is_named_with_what_to_do(short: str, code: int, clocks: int) -> None:
    """Not one clock more than nine, no transfer, and SCL cannot be clocked at all."""
    wires = Wires(short=short)
    with pytest.raises(errors.BusError, match=f"{short.upper()} is held low at 0x48 on i2c0") as caught:
        wires.bus().write(0x48, b"\x01")
    assert caught.value.code == code and wires.clocks == clocks
    hint = explain(code, "bme280", "i2c0", "0x76")
    assert f"{short.upper()} is held low" in hint.what and f"from {short.upper()} to ground" in " ".join(hint)
