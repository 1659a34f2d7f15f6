"""The host's end of a board's link: a raw pseudo-terminal behind a stable symlink.

The simulator keeps the slave open too, so that a host may close and reopen the port without the master seeing
a hang-up. Bytes nobody reads are lost once the terminal's buffer is full, as on a wire.
"""

import asyncio
import os
import pty
import tty
from pathlib import Path

from simulator.uart import VirtualUart

HOST_QUEUE = 1024
CHUNK = 512


class PtyPort:
    """A pseudo-terminal joined to a virtual UART."""

    def __init__(self, link: Path, uart: VirtualUart) -> None:
        self.link = link
        self._uart = uart
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._slave))
        uart.far_end = self._to_host
        uart.on_drained = self._resume
        self._reading = False
        self._resume()

    def close(self) -> None:
        """Unplug: the symlink goes, an open host sees an error."""
        if self._master < 0:
            return
        self._pause()
        self._uart.far_end = self._uart.on_drained = None
        self.link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def _resume(self) -> None:
        if not self._reading and len(self._uart.to_board) < HOST_QUEUE:
            asyncio.get_running_loop().add_reader(self._master, self._from_host)
            self._reading = True

    def _pause(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._master)
            self._reading = False

    def _from_host(self) -> None:
        self._uart.send(os.read(self._master, CHUNK))
        if len(self._uart.to_board) >= HOST_QUEUE:
            self._pause()

    def _to_host(self, data: bytes) -> None:
        try:
            sent = os.write(self._master, data)
        except BlockingIOError:
            sent = 0
        self._uart.counters.unheard += len(data) - sent
