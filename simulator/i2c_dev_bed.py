"""Gives a program a device of umockdev's for an I2C bus: i2c_dev_bed.py SOCKET DEVICE PROGRAM [ARGUMENT ...]

Runs under umockdev-wrapper in the system's Python, so it imports nothing of ours; `i2c_dev.py` answers at SOCKET. Each
ioctl is one connection, one line of JSON each way.

Source: Linux, include/uapi/linux/i2c-dev.h and i2c.h (numbers, structures of 64-bit machines); umockdev's IoctlBase.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from errno import EIO
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # type: ignore[import-not-found]  # noqa: E402

I2C_RETRIES, I2C_TIMEOUT, I2C_SLAVE, I2C_TENBIT, I2C_FUNCS, I2C_SLAVE_FORCE, I2C_RDWR, I2C_PEC, I2C_SMBUS = (
    0x0701, 0x0702, 0x0703, 0x0704, 0x0705, 0x0706, 0x0707, 0x0708, 0x0720,
)  # fmt: skip
READS = 1
BLOCK_BYTES = 34
FUNCTIONS = 0x0EFF0009  # all but packet error checking and blocks whose length the chip sends
MAJOR = 89


class Device:
    """The far end of the device's ioctls."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._address: dict[Any, int] = {}

    def on_ioctl(self, _base: Any, client: Any) -> bool:
        """Answer one ioctl; whatever goes wrong here is an input/output error there."""
        try:
            done = self._ioctl(client, client.get_request(), client.get_arg())
        except OSError as error:
            client.complete(-1, error.errno or EIO)
            return True
        except Exception:
            traceback.print_exc()
            client.complete(-1, EIO)
            return True
        if done is not None:
            client.complete(done, 0)
        return done is not None

    def _ioctl(self, client: Any, request: int, argument: Any) -> "int | None":
        if request in (I2C_SLAVE, I2C_SLAVE_FORCE):
            self._address[client] = struct.unpack_from("<Q", content(argument))[0]
        elif request == I2C_FUNCS:
            argument.resolve(0, 8).update(0, list(struct.pack("<Q", FUNCTIONS)))
        elif request == I2C_RDWR:
            return self._rdwr(argument.resolve(0, 16))
        elif request == I2C_SMBUS:
            self._smbus(self._address.get(client, 0), argument.resolve(0, 16))
        elif request not in (I2C_RETRIES, I2C_TIMEOUT, I2C_TENBIT, I2C_PEC):
            return None
        return 0

    def _rdwr(self, data: Any) -> int:
        """struct i2c_rdwr_ioctl_data: a pointer to messages, and their number."""
        (count,) = struct.unpack_from("<I", content(data), 8)
        messages = data.resolve(0, 16 * count)
        raw = content(messages)
        calls: list[tuple[int, str, int, bool]] = []
        buffers: list[Any] = []
        for at in range(0, 16 * count, 16):
            address, flags, length = struct.unpack_from("<HHH", raw, at)
            buffers.append(messages.resolve(at + 8, length) if length else None)
            reads = bool(flags & READS)
            calls.append((address, "" if reads or not length else content(buffers[-1]).hex(), length, reads))
        for buffer, found in zip(buffers, self._ask({"rdwr": calls})):  # noqa: B905 (the system's Python may be old)
            if found:
                buffer.update(0, list(bytes.fromhex(found)))
        return int(count)

    def _smbus(self, address: int, call: Any) -> None:
        """struct i2c_smbus_ioctl_data: read or write, command, kind, and a pointer to data of 34 bytes or none."""
        reads, command, size, pointer = struct.unpack("<BBxxIQ", content(call)[:16])
        block = call.resolve(8, BLOCK_BYTES) if pointer else None
        before = content(block).hex() if block else ""
        (found,) = self._ask({"smbus": (address, bool(reads), command, size, before)})
        if block:
            block.update(0, list(bytes.fromhex(found)))

    def _ask(self, call: "dict[str, Any]") -> "list[str]":
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            with connection.makefile("rw", encoding="ascii") as stream:
                stream.write(json.dumps(call) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return list(answer["read"])


def content(data: Any) -> bytes:
    """The bytes of a piece of the program's memory."""
    return bytes(data.retrieve())


def describe(device: str) -> str:
    """The device as umockdev wants it told."""
    name = device.rpartition("/")[2]
    number = name.rpartition("-")[2]
    rows = (
        f"P: /devices/platform/{name}/i2c-dev/{name}", f"N: {name}", f"E: DEVNAME={device}", "E: SUBSYSTEM=i2c-dev",
        f"E: MAJOR={MAJOR}", f"E: MINOR={number}", "A: name=virtual bus\\n", f"A: dev={MAJOR}:{number}\\n",
    )  # fmt: skip
    return "\n".join(rows) + "\n"


def main(path: str, device: str, *program: str) -> int:
    """Run the program; its exit status."""
    bed = UMockdev.Testbed.new()
    bed.add_from_string(describe(device))
    base = UMockdev.IoctlBase()
    base.connect("handle-ioctl", Device(path).on_ioctl)
    bed.attach_ioctl(device, base)
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the program's to answer
    return subprocess.call(program, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
