"""A kernel's /dev/i2c-1 for the real, unmodified smbus2, in this process: its `ioctl` leads to a virtual bus."""

from pathlib import Path
from typing import Any

import smbus2.smbus2 as library

from simulator.bus import VirtualI2C
from simulator.i2c_dev import LinuxDevice, Message

I2C_SLAVE, I2C_SLAVE_FORCE, I2C_FUNCS, I2C_RDWR, I2C_SMBUS = 0x0703, 0x0706, 0x0705, 0x0707, 0x0720
READS = 1
ALL_BUT_PEC_AND_BLOCKS = 0x0EFF0009


class FakeDevice:
    """What the file descriptor of /dev/i2c-1 does with smbus2's structures."""

    def __init__(self, bus: VirtualI2C, on_transfer: Any = None) -> None:
        self._device = LinuxDevice(bus, on_transfer)
        self._address = 0

    def ioctl(self, _fd: int, request: int, argument: Any) -> int:
        if request in (I2C_SLAVE, I2C_SLAVE_FORCE):
            self._address = argument
        elif request == I2C_FUNCS:
            argument.value = ALL_BUT_PEC_AND_BLOCKS
        elif request == I2C_RDWR:
            self._rdwr([argument.msgs[index] for index in range(argument.nmsgs)])
        else:
            assert request == I2C_SMBUS, hex(request)
            self._smbus(argument)
        return 0

    def _rdwr(self, messages: list[Any]) -> None:
        told = [Message(m.addr, m.buf[: m.len], m.len, bool(m.flags & READS)) for m in messages]
        for message, found in zip(messages, self._device.rdwr(told), strict=True):
            for index, byte in enumerate(found):
                message.buf[index] = bytes((byte,))

    def _smbus(self, call: Any) -> None:
        data = call.data.contents if call.data else None
        before = bytes(data.block) if data is not None else b""
        found = self._device.smbus(self._address, bool(call.read_write), call.command, call.size, before)
        for index, byte in enumerate(found if data is not None else b""):
            data.block[index] = byte


def real_smbus(bus: VirtualI2C, monkeypatch: Any, device_file: Path, on_transfer: Any = None) -> Any:
    """The library's own SMBus on a device file whose calls lead to the virtual bus."""
    device_file.touch()
    monkeypatch.setattr(library, "ioctl", FakeDevice(bus, on_transfer).ioctl)
    return library.SMBus(str(device_file))
