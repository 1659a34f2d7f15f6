"""A kernel's /dev/i2c-1 for the real, unmodified smbus2: its `ioctl` leads to a virtual bus.

Source: Linux, Documentation/i2c/dev-interface.rst and include/uapi/linux/i2c.h: I2C_RDWR, I2C_SMBUS, I2C_FUNCS.
"""

import os
from errno import EREMOTEIO
from pathlib import Path
from typing import Any

import smbus2.smbus2 as library

from simulator.bus import Nack, VirtualI2C
from simulator.faces.wire import Wire

I2C_SLAVE, I2C_SLAVE_FORCE, I2C_FUNCS, I2C_RDWR, I2C_SMBUS = 0x0703, 0x0706, 0x0705, 0x0707, 0x0720
QUICK, BYTE, BYTE_DATA, WORD_DATA, PROC_CALL, I2C_BLOCK = 0, 1, 2, 3, 4, 8
READS = 1
ALL_BUT_PEC_AND_BLOCKS = 0x0EFF0009


class FakeDevice:
    """What the file descriptor of /dev/i2c-1 does."""

    def __init__(self, bus: VirtualI2C, on_transfer: Any = None) -> None:
        self._wire = Wire(bus, on_transfer)
        self._address = 0

    def ioctl(self, _fd: int, request: int, argument: Any) -> int:
        try:
            return self._ioctl(request, argument)
        except Nack as error:
            raise OSError(EREMOTEIO, os.strerror(EREMOTEIO)) from error

    def _ioctl(self, request: int, argument: Any) -> int:
        if request in (I2C_SLAVE, I2C_SLAVE_FORCE):
            self._address = argument
        elif request == I2C_FUNCS:
            argument.value = ALL_BUT_PEC_AND_BLOCKS
        elif request == I2C_RDWR:
            for index in range(argument.nmsgs):
                self._message(argument.msgs[index], index == argument.nmsgs - 1)
        else:
            assert request == I2C_SMBUS, hex(request)
            self._smbus(argument)
        return 0

    def _message(self, message: Any, last: bool) -> None:
        if message.flags & READS:
            for index, byte in enumerate(self._wire.read(message.addr, message.len)):
                message.buf[index] = bytes((byte,))
        else:
            self._wire.write(message.addr, message.buf[: message.len], last)

    def _smbus(self, call: Any) -> None:
        command, data = bytes((call.command,)), call.data.contents if call.data else None
        if call.size == QUICK or (call.size == BYTE and not call.read_write):
            self._wire.write(self._address, b"" if call.size == QUICK else command)
        elif call.size == BYTE:
            data.byte = self._wire.read(self._address, 1)[0]
        elif call.read_write or call.size == PROC_CALL:
            self._read(command, call.size, data)
        else:
            self._wire.write(self._address, command + self._sent(call.size, data))

    @staticmethod
    def _sent(size: int, data: Any) -> bytes:
        if size == BYTE_DATA:
            return bytes((data.byte,))
        if size in (WORD_DATA, PROC_CALL):
            return int(data.word).to_bytes(2, "little")
        count = data.block[0]
        return bytes(data.block[1 : count + 1]) if size == I2C_BLOCK else bytes(data.block[: count + 1])

    def _read(self, command: bytes, size: int, data: Any) -> None:
        if size == PROC_CALL:
            command += self._sent(size, data)
        self._wire.write(self._address, command, False)
        if size == I2C_BLOCK:
            for index, byte in enumerate(self._wire.read(self._address, data.block[0])):
                data.block[index + 1] = byte
        elif size == BYTE_DATA:
            data.byte = self._wire.read(self._address, 1)[0]
        else:
            data.word = int.from_bytes(self._wire.read(self._address, 2), "little")


def real_smbus(bus: VirtualI2C, monkeypatch: Any, device_file: Path, on_transfer: Any = None) -> Any:
    """The library's own SMBus on a device file whose calls lead to the virtual bus."""
    device_file.touch()
    monkeypatch.setattr(library, "ioctl", FakeDevice(bus, on_transfer).ioctl)
    return library.SMBus(str(device_file))
