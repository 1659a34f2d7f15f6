"""One serial port: a reading and a writing thread around pyserial. Opened without toggling DTR or RTS.

Opening leaves both lines as the kernel raises them and takes HUPCL away, so that closing does not drop DTR
(which resets many boards). Absent, permission, busy are different states, each with what to do.
"""

import contextlib
import errno
import queue
import threading
from collections.abc import Callable
from typing import Protocol

import serial

from service.host_time import boottime_us

from ..errors import PortError

try:
    import termios
except ImportError:  # pragma: no cover - not on Linux
    termios = None  # type: ignore[assignment]

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
READ_TIMEOUT_S = 0.2
MAX_QUEUED_WRITES = 256


class Listener(Protocol):
    """Who is told, on the event loop."""

    def opened(self, thing: str, now_us: int) -> None:
        """The port is open."""

    def closed(self, thing: str, reason: str, now_us: int) -> None:
        """The port is gone."""

    def received(self, thing: str, data: bytes, rx_us: int) -> None:
        """Bytes came in at rx_us."""


class SerialPort:
    """Keeps a port open. `state`: opening, open, absent, permission, busy, error; `hint` says what to do."""

    def __init__(
        self, thing: str, url: str, baud: int, listener: Listener, hop: Callable[[Callable[[], None]], None]
    ) -> None:
        self.thing, self.url, self.baud = thing, url, baud
        self.state, self.hint = "opening", ""
        self.dropped_writes = self.openings = 0
        self._listener, self._hop = listener, hop
        self._writes: queue.Queue[bytes | None] = queue.Queue(MAX_QUEUED_WRITES)
        self._stop = threading.Event()
        self._port: serial.SerialBase | None = None
        self._threads = [
            threading.Thread(target=self._read_loop, name=f"read {thing}", daemon=True),
            threading.Thread(target=self._write_loop, name=f"write {thing}", daemon=True),
        ]

    def look(self) -> tuple[str, str]:
        """Return (state, hint)."""
        return self.state, self.hint

    def start(self) -> None:
        """Begin to open and read."""
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes) -> None:
        """Queue bytes; dropped and counted when the port is closed or stuck (the session sends again)."""
        try:
            if data:
                self._writes.put_nowait(data)
        except queue.Full:
            self.dropped_writes += 1

    def close(self) -> None:
        """Stop both threads and close."""
        self._stop.set()
        with contextlib.suppress(queue.Full):
            self._writes.put_nowait(None)
        for thread in self._threads:
            thread.join(2.0)

    def _read_loop(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stop.is_set():
            try:
                self._port = open_port(self.url, self.baud)
            except PortError as error:
                self.state, self.hint = error.state, error.hint
                self._stop.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                continue
            wait_s = FIRST_WAIT_S
            self.state, self.hint, self.openings = "open", "", self.openings + 1
            self._tell_opened()
            reason = self._read_until_it_fails(self._port)
            self.state = "absent"
            self._tell_closed(reason)
        self._shut()

    def _read_until_it_fails(self, port: serial.SerialBase) -> str:
        while not self._stop.is_set():
            try:
                data = port.read(1)
                data += port.read(port.in_waiting) if data else b""
            except (OSError, TypeError, ValueError) as error:
                self._shut()
                return str(error)[:120]
            if data:
                self._tell_received(bytes(data), boottime_us())
        return "stopped"

    def _write_loop(self) -> None:
        while not self._stop.is_set():
            data, port = self._writes.get(), self._port
            if data is None:
                return
            if port is None or self.state != "open":
                continue
            try:
                port.write(data)
            except (OSError, TypeError, ValueError):
                self.dropped_writes += 1

    def _shut(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError, TypeError, ValueError):
                port.close()

    def _tell_opened(self) -> None:
        self._tell(lambda: self._listener.opened(self.thing, boottime_us()))

    def _tell_closed(self, reason: str) -> None:
        self._tell(lambda: self._listener.closed(self.thing, reason, boottime_us()))

    def _tell_received(self, data: bytes, rx_us: int) -> None:
        self._tell(lambda: self._listener.received(self.thing, data, rx_us))

    def _tell(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are stopping
            self._hop(call)


def open_port(url: str, baud: int) -> serial.SerialBase:
    """Return the open port. Raises: PortError with state and hint."""
    try:
        port = serial.serial_for_url(url, baudrate=baud, do_not_open=True)
        port.timeout, port.write_timeout = READ_TIMEOUT_S, 2.0
        if isinstance(port, serial.Serial):
            port.exclusive = True
        port.open()
    except (OSError, ValueError) as error:
        raise _port_error(url, error) from error
    _keep_dtr(port)
    return port


def _keep_dtr(port: serial.SerialBase) -> None:
    """Clear HUPCL, so that closing leaves DTR as it is."""
    descriptor = getattr(port, "fd", None)
    if termios is None or not isinstance(descriptor, int):
        return
    with contextlib.suppress(termios.error, OSError):
        attributes = termios.tcgetattr(descriptor)
        attributes[2] &= ~termios.HUPCL
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _port_error(url: str, error: Exception) -> PortError:
    """Return what is the matter with a port, and what to do."""
    number = getattr(error, "errno", None)
    text = str(error)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO):
        return PortError("absent", text, f"{url}: not there; check cable and power (ls /dev/serial/by-id)")
    if number in (errno.EACCES, errno.EPERM):
        return PortError("permission", text, f"{url}: no permission; join group dialout, log in anew")
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return PortError("busy", text, f"{url}: another process uses it; find it with: fuser -v {url}")
    return PortError("error", text, f"{url}: {text}")
