"""The faces of a virtual bus do what the libraries and boards do whose place they take."""

import errno
from pathlib import Path
from typing import Any

import pytest

from simulator import faces
from simulator.bus import VirtualI2C
from tests.drivers.fake_i2c_dev import real_smbus
from tests.drivers.test_bus_contract import ABSENT, ADDRESS, Notebook

SMBUS_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("write_quick", ()),
    ("write_byte", (0x20,)),
    ("read_byte", ()),
    ("write_byte_data", (0x21, 0xAB)),
    ("read_byte_data", (0x21,)),
    ("write_word_data", (0x30, 0x1234)),
    ("read_word_data", (0x30,)),
    ("process_call", (0x40, 0xBEEF)),
    ("write_i2c_block_data", (0x50, [1, 2, 3])),
    ("read_i2c_block_data", (0x4F, 5)),
    ("write_block_data", (0x60, [7, 8])),
    ("read_i2c_block_data", (0xF0, 32)),
]


@pytest.mark.parametrize("address", [ADDRESS, ABSENT])
def test_smbus_face_does_what_the_real_smbus2_does(
    address: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, theirs = Notebook(), Notebook()
    face = faces.SMBus(VirtualI2C([ours]))
    real = real_smbus(VirtualI2C([theirs]), monkeypatch, tmp_path / "i2c-1")
    for name, arguments in SMBUS_CALLS:
        found = [_outcome(getattr(bus, name), address, *arguments) for bus in (face, real)]
        assert found[0] == found[1], name
    assert ours.log == theirs.log
    assert bool(ours.log) == (address == ADDRESS)


def _outcome(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except OSError as error:
        return error.errno


def test_smbus_face_bounds_blocks_and_is_a_context() -> None:
    with faces.SMBus(VirtualI2C([Notebook()])) as face:
        with pytest.raises(ValueError, match="32"):
            face.read_i2c_block_data(ADDRESS, 0, 33)
        with pytest.raises(ValueError, match="32"):
            face.write_i2c_block_data(ADDRESS, 0, [0] * 33)
        with pytest.raises(ValueError, match="at least one"):
            face.write_block_data(ADDRESS, 0, [])


def test_machine_face_has_memory_operations() -> None:
    chip = Notebook()
    face = faces.MachineI2C(VirtualI2C([chip]))
    assert face.scan() == [ADDRESS]
    face.writeto_mem(ADDRESS, 0x10, b"\x01\x02")
    assert face.readfrom_mem(ADDRESS, 0x10, 3) == b"\x01\x02\x12"
    buf = bytearray(2)
    face.readfrom_mem_into(ADDRESS, 0x11, buf)
    assert buf == b"\x02\x12"
    assert face.writevto(ADDRESS, [b"\x20", b"\x07\x08"]) == 3
    assert face.readfrom(ADDRESS, 1) == b"\x07"
    face.writeto_mem(ADDRESS, 0x0102, b"", addrsize=16)
    assert chip.log[-1] == b"\x01\x02"


@pytest.mark.parametrize(("line", "number"), [(None, errno.EIO), ("sda_stuck", errno.ETIMEDOUT)])
def test_machine_face_has_the_errors_of_a_board(line: str | None, number: int) -> None:
    virtual = VirtualI2C([Notebook()])
    if line:
        setattr(virtual, line, True)
    for stop in (True, False):
        with pytest.raises(OSError) as caught:
            faces.MachineI2C(virtual).writeto(ABSENT, b"\x00", stop)
        assert caught.value.errno == number


def test_a_write_without_stop_is_ended_by_anything_but_a_read_of_the_same_chip() -> None:
    first, second = Notebook(), Notebook()
    second.address = ABSENT
    face = faces.MachineI2C(VirtualI2C([first, second]))
    face.writeto(ADDRESS, b"\x10\x01", False)
    face.writeto(ADDRESS, b"\x20", False)
    face.readfrom(ABSENT, 1)
    face.readfrom(ADDRESS, 1)
    assert first.log == [b"\x10\x01", b"\x20", 1]
    assert second.log == [1]


def test_a_write_without_stop_arrives_at_once() -> None:
    chip = Notebook()
    virtual = VirtualI2C([chip])
    face = faces.MachineI2C(virtual)
    face.writeto(ADDRESS, b"\x10", False)
    assert chip.log == [b"\x10"]
    face.readfrom(ADDRESS, 1)
    assert chip.log == [b"\x10", 1]
    assert virtual.transfers == 1
    face.readfrom(ADDRESS, 1)
    assert virtual.transfers == 2


def test_busio_face_needs_its_lock() -> None:
    face = faces.BusioI2C(VirtualI2C([Notebook()]))
    calls = (
        face.scan,
        lambda: face.writeto(ADDRESS, b""),
        lambda: face.readfrom_into(ADDRESS, bytearray(1)),
        lambda: face.writeto_then_readfrom(ADDRESS, b"\x00", bytearray(1)),
    )
    for call in calls:
        with pytest.raises(RuntimeError, match="lock"):
            call()
    assert face.try_lock()
    assert not face.try_lock()
    for call in calls:
        call()
    face.unlock()
    with face as same:
        assert same.try_lock()
    assert face.try_lock()


def test_busio_face_takes_slices_and_probes_with_nothing() -> None:
    chip = Notebook()
    face = faces.BusioI2C(VirtualI2C([chip]))
    face.try_lock()
    assert face.scan() == [ADDRESS]
    chip.log.clear()
    face.writeto(ADDRESS, b"")
    face.writeto(ADDRESS, b"\x00\x10\x55\x66", start=1, end=3)
    found = bytearray(4)
    face.writeto_then_readfrom(ADDRESS, b"\x00\x10", found, out_start=1, in_start=1, in_end=3)
    assert found == b"\x00\x55\x11\x00"
    face.readfrom_into(ADDRESS, found, end=2)
    assert found == b"\x12\x13\x11\x00"
    assert chip.log == [b"", b"\x10\x55", b"\x10", 2, 2]
    with pytest.raises(ValueError, match="at least length 1"):
        face.readfrom_into(ADDRESS, found, start=4)


def test_busio_face_has_the_error_of_circuitpython() -> None:
    face = faces.BusioI2C(VirtualI2C([]))
    face.try_lock()
    for call in (
        lambda: face.writeto(ADDRESS, b""),
        lambda: face.readfrom_into(ADDRESS, bytearray(1)),
        lambda: face.writeto_then_readfrom(ADDRESS, b"\x00", bytearray(1)),
    ):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.ENODEV
