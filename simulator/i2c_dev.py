"""A virtual bus as /dev/i2c-1 of Linux, for programs that nobody has changed: `run` starts one on it.

umockdev's library stands between the program and its kernel and hands each ioctl of the device to `i2c_dev_bed.py`,
which the system's Python runs, as it has umockdev's bindings. That asks here, over a socket, what the bus says.

Source: Linux, Documentation/i2c/dev-interface.rst and include/uapi/linux/i2c.h: I2C_RDWR, I2C_SMBUS.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from errno import EINVAL, EIO, EOPNOTSUPP, EREMOTEIO
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from simulator.bus import Nack, VirtualI2C
from simulator.faces.wire import Wire

BED = Path(__file__).with_name("i2c_dev_bed.py")
WRAPPER = "umockdev-wrapper"
SYSTEM_PYTHON = "/usr/bin/python3"
BINDINGS = "import gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev"
PACKAGES = "umockdev gir1.2-umockdev-1.0 python3-gi"
QUICK, BYTE, BYTE_DATA, WORD_DATA, PROC_CALL, BLOCK_DATA, I2C_BLOCK = 0, 1, 2, 3, 4, 5, 8
WIDTHS = {BYTE_DATA: 1, WORD_DATA: 2}
BLOCK_MAX = 32  # I2C_SMBUS_BLOCK_MAX


class Message(NamedTuple):
    """One message of I2C_RDWR: `data` to write, or how many bytes to read."""

    address: int
    data: bytes
    length: int = 0
    reads: bool = False


class LinuxDevice:
    """What i2c-dev does on a bus; a missing acknowledgement is EREMOTEIO, as most adapters have it."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        """`on_transfer(bytes)` is called before each transfer, e.g. to let time pass."""
        self._wire = Wire(bus, on_transfer)

    def rdwr(self, messages: Sequence[Message]) -> list[bytes]:
        """Return what each message read, with repeated starts between them. Raises: OSError."""
        return [self._message(message, message is messages[-1]) for message in messages]

    def smbus(self, address: int, reads: bool, command: int, size: int, block: bytes) -> bytes:
        """Return the union i2c_smbus_data after the call, given it before. Raises: OSError."""
        if size not in (QUICK, BYTE, *WIDTHS, PROC_CALL, BLOCK_DATA, I2C_BLOCK) or (size == BLOCK_DATA and reads):
            raise OSError(EOPNOTSUPP, os.strerror(EOPNOTSUPP))
        _check_union(reads, size, block)
        sends = bytes((command,))
        if size == I2C_BLOCK:
            width = block[0]
            return self._register(address, reads, sends, block[1 : width + 1], width, block[:1])
        if size == PROC_CALL:
            return self._register(address, True, sends + block[:2], b"", 2, b"")
        if size in WIDTHS:
            return self._register(address, reads, sends, block[: WIDTHS[size]], WIDTHS[size], b"")
        if size == BYTE and reads:
            return self._read(address, 1)
        counted = block[: block[0] + 1] if size == BLOCK_DATA else b""
        self._write(address, b"" if size == QUICK else sends + counted, True)
        return block

    def _register(self, address: int, reads: bool, sends: bytes, data: bytes, width: int, head: bytes) -> bytes:
        """Write to a register, or read from it after a repeated start; what a read gives follows `head`."""
        if not reads:
            self._write(address, sends + data, True)
            return head + data
        self._write(address, sends, False)
        return head + self._read(address, width)

    def _message(self, message: Message, last: bool) -> bytes:
        if message.reads:
            return self._read(message.address, message.length)
        self._write(message.address, message.data, last)
        return b""

    def _write(self, address: int, data: bytes, stop: bool) -> None:
        try:
            self._wire.write(address, data, stop)
        except Nack as error:
            raise OSError(EREMOTEIO, os.strerror(EREMOTEIO)) from error

    def _read(self, address: int, count: int) -> bytes:
        try:
            return self._wire.read(address, count)
        except Nack as error:
            raise OSError(EREMOTEIO, os.strerror(EREMOTEIO)) from error


def _check_union(reads: bool, size: int, block: bytes) -> None:
    """Refuse what Linux refuses: no union where one is needed, blocks of a wrong length. Raises: OSError, EINVAL."""
    if size == QUICK or (size == BYTE and not reads):
        return
    blocks = size in (BLOCK_DATA, I2C_BLOCK)
    if not block or (blocks and not int(reads) <= block[0] <= BLOCK_MAX):
        raise OSError(EINVAL, os.strerror(EINVAL))


class Server:
    """Answers the bed over a Unix socket at `path`, in a thread of its own, until it is closed."""

    def __init__(self, device: LinuxDevice, path: Path) -> None:
        self._device = device
        self._path = path
        self._told = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        self._path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection, connection.makefile("rw", encoding="ascii") as stream:
                stream.write(json.dumps(self._outcome(stream)) + "\n")

    def _outcome(self, stream: TextIO) -> dict[str, Any]:
        """Return the answer to the call that stands there: EIO for what nobody expected, which is told once."""
        try:
            return self._answer(json.loads(stream.readline()))
        except Exception:
            if not self._told:
                print("virtual I2C bus: a call failed; the program finds EIO; please report this:", file=sys.stderr)
                traceback.print_exc()
            self._told = True
            return {"errno": EIO}

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """Return {"read": [hex, ...]}, or {"errno": number}."""
        try:
            if "rdwr" in call:
                messages = [Message(at, bytes.fromhex(data), n, reads) for at, data, n, reads in call["rdwr"]]
                return {"read": [data.hex() for data in self._device.rdwr(messages)]}
            address, reads, command, size, block = call["smbus"]
            return {"read": [self._device.smbus(address, reads, command, size, bytes.fromhex(block)).hex()]}
        except OSError as error:
            return {"errno": error.errno}


def missing() -> str:
    """Return what this needs and is not there, or an empty text."""
    found = shutil.which(WRAPPER) and Path(SYSTEM_PYTHON).exists()
    if found and subprocess.run([SYSTEM_PYTHON, "-c", BINDINGS], capture_output=True, check=False).returncode == 0:
        return ""
    return f"umockdev or its Python bindings are missing: apt-get install {PACKAGES}"


def command(path: Path, device: str, program: Sequence[str]) -> list[str]:
    """Return the command that runs a program to which `device` is there; a `Server` at `path` answers."""
    return [WRAPPER, SYSTEM_PYTHON, "-I", str(BED), str(path), device, *program]


def run(bus: VirtualI2C, program: Sequence[str], device: str = "/dev/i2c-1") -> int:
    """Return the exit status of a program that finds the bus at `device`. Raises: FileNotFoundError, no umockdev."""
    if lacking := missing():
        raise FileNotFoundError(lacking)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bus"
        server = Server(LinuxDevice(bus), path)
        try:
            return subprocess.run(command(path, device, program), check=False).returncode
        finally:
            server.close()
