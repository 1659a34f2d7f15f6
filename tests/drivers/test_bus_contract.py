"""One contract, five ways to a bus: on a board, the face of smbus2, the real smbus2, also on /dev/i2c-1, straight."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import smbus2

from drivers import errors
from drivers.bus import I2CBus
from drivers.machine_bus import MachineI2C
from drivers.smbus_bus import SmbusI2C
from simulator import faces, i2c_dev
from simulator.bus import VirtualI2C
from simulator.chips.base import I2CChip, Nack
from tests.drivers.fake_i2c_dev import real_smbus

ADDRESS, ABSENT = 0x29, 0x2A


class Notebook(I2CChip):
    """256 registers with auto-increment; writes down what it is told; refuses register 0xEE."""

    def __init__(self) -> None:
        super().__init__(ADDRESS, lambda: 0)
        self.memory = bytearray(range(256))
        self.pointer = 0
        self.log: list[Any] = []

    def write(self, data: bytes) -> None:
        self.log.append(data)
        if data[:1] == b"\xee":
            raise Nack("refused")
        if data:
            self.pointer = data[0]
            for offset, value in enumerate(data[1:]):
                self.memory[(self.pointer + offset) & 0xFF] = value

    def read(self, count: int) -> bytes:
        self.log.append(count)
        answer = bytes(self.memory[(self.pointer + offset) & 0xFF] for offset in range(count))
        self.pointer = (self.pointer + count) & 0xFF
        return answer


class Wired:
    """A bus with the chip, and what stuck lines are to this adapter."""

    def __init__(self, bus: I2CBus, virtual: VirtualI2C, chip: Notebook, names_lines: bool) -> None:
        self.bus, self.virtual, self.chip = bus, virtual, chip
        self.sda_code = errors.SDA_LOW if names_lines else errors.TIMEOUT
        self.scl_code = errors.SCL_LOW if names_lines else errors.TIMEOUT


SOCKET = os.environ.get("CITYREFLEX_I2C_SOCKET")  # set where test_i2c_dev.py runs this under umockdev
WAYS = ["umockdev"] if SOCKET else ["machine", "smbus2 face", "smbus2", "virtual"]


@pytest.fixture(params=WAYS)
def wired(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Wired]:
    chip = Notebook()
    virtual = VirtualI2C([chip], "bus")
    make: dict[str, Callable[[], I2CBus]] = {
        "machine": lambda: MachineI2C(
            faces.MachineI2C(virtual), "sda", "scl", lambda line: faces.LinePin(virtual, line), name="bus"
        ),
        "smbus2 face": lambda: SmbusI2C(faces.SMBus(virtual), "bus"),
        "smbus2": lambda: SmbusI2C(real_smbus(virtual, monkeypatch, tmp_path / "i2c-1"), "bus"),
        "virtual": lambda: faces.ContractI2C(virtual),
        "umockdev": lambda: SmbusI2C(smbus2.SMBus("/dev/i2c-1"), "bus"),
    }
    server = i2c_dev.Server(i2c_dev.LinuxDevice(virtual), Path(SOCKET)) if SOCKET else None
    try:
        yield Wired(make[request.param](), virtual, chip, request.param in ("machine", "virtual"))
    finally:
        if server is not None:
            server.close()


def test_a_write_arrives_whole(wired: Wired) -> None:
    wired.bus.write(ADDRESS, b"\x10\x01\x02")
    wired.bus.write(ADDRESS, bytearray(b"\x12\x03"))
    wired.bus.write_register(ADDRESS, 0x13, 0xFF)
    assert wired.chip.log == [b"\x10\x01\x02", b"\x12\x03", b"\x13\xff"]
    assert wired.chip.memory[0x10:0x14] == b"\x01\x02\x03\xff"


def test_a_read_fills_the_buffer_in_place(wired: Wired) -> None:
    buf = bytearray(b"....")
    same = buf
    wired.bus.read_into(ADDRESS, buf)
    assert same == bytes(range(4))
    wired.bus.read_into(ADDRESS, buf)
    assert same == bytes(range(4, 8))
    assert wired.chip.log == [4, 4]


def test_write_and_read_are_one_transfer_without_a_stop_between(wired: Wired) -> None:
    buf = bytearray(3)
    wired.bus.write_then_read_into(ADDRESS, b"\x80\xaa", buf)
    assert buf == b"\xaa\x81\x82"
    wired.bus.read_register_into(ADDRESS, 0x40, buf)
    assert buf == b"\x40\x41\x42"
    assert wired.chip.log == [b"\x80\xaa", 3, b"\x40", 3]
    assert wired.virtual.transfers == 2


def test_a_probe_is_an_address_and_nothing_else(wired: Wired) -> None:
    assert wired.bus.probe(ADDRESS)
    assert wired.chip.log == [b""]
    assert not wired.bus.probe(ABSENT)
    assert wired.bus.scan() == [ADDRESS]


OPERATIONS: dict[str, Callable[[I2CBus, int, bytearray], None]] = {
    "write": lambda bus, address, _: bus.write(address, b"\x00"),
    "write nothing": lambda bus, address, _: bus.write(address, b""),
    "read": lambda bus, address, buf: bus.read_into(address, buf),
    "write then read": lambda bus, address, buf: bus.write_then_read_into(address, b"\x00", buf),
    "read register": lambda bus, address, buf: bus.read_register_into(address, 0x00, buf),
    "write register": lambda bus, address, _: bus.write_register(address, 0x00, 0x00),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_acknowledgement_is_a_nack_that_names_address_and_bus(wired: Wired, operation: str) -> None:
    buf = bytearray(b"\x55\x55")
    for _ in range(2):
        with pytest.raises(errors.BusError, match="0x2a on bus") as caught:
            OPERATIONS[operation](wired.bus, ABSENT, buf)
        assert caught.value.code == errors.NACK
    assert buf == b"\x55\x55"
    assert wired.chip.log == []
    OPERATIONS[operation](wired.bus, ADDRESS, buf)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("line", ["sda", "scl"])
def test_a_line_held_low_is_an_error_and_heals(wired: Wired, operation: str, line: str) -> None:
    setattr(wired.virtual, f"{line}_stuck", True)
    with pytest.raises(errors.BusError) as caught:
        OPERATIONS[operation](wired.bus, ADDRESS, bytearray(2))
    assert caught.value.code == getattr(wired, f"{line}_code")
    assert wired.chip.log == []
    assert not wired.bus.probe(ADDRESS)
    setattr(wired.virtual, f"{line}_stuck", False)
    OPERATIONS[operation](wired.bus, ADDRESS, bytearray(2))


def test_a_byte_that_is_refused_is_a_nack_and_leaves_nothing_behind(wired: Wired) -> None:
    with pytest.raises(errors.BusError) as caught:
        wired.bus.write_then_read_into(ADDRESS, b"\xee\x01", bytearray(1))
    assert caught.value.code == errors.NACK
    wired.bus.write(ADDRESS, b"\x05")
    assert wired.chip.log == [b"\xee\x01", b"\x05"]


def test_an_unplugged_chip_is_a_nack(wired: Wired) -> None:
    wired.chip.unplugged = True
    with pytest.raises(errors.BusError) as caught:
        wired.bus.read_into(ADDRESS, bytearray(1))
    assert caught.value.code == errors.NACK
    wired.chip.unplugged = False
    wired.bus.read_into(ADDRESS, bytearray(1))
