"""`city console`: a terminal on a board's port. See docs/console.md."""

import contextlib
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

import rich_click as click
import serial

from cityreflex.exits import FAILED, NOT_FOUND, PERMISSION, USAGE, CityError
from cityreflex.port_view import IDLE_S, View
from edge_node.boards.serial_port import open_port
from edge_node.errors import PortError

PREFIX = b"\x1d"  # Ctrl-]
POLL_S = 0.02
AGAIN_S = 0.5
REPLY_S = 60.0
KEYS = """Ctrl-] and then:
  q  ends            t  times on or off      x  hex on or off
  ?  these keys      ]  sends Ctrl-] itself"""
_END = re.compile(r"^(ok|err E-.*?)\r?\n(?:.*\r?\n)*?\S+> $", re.M)


@click.command()
@click.argument("port")
@click.option("--baud", type=click.IntRange(300, 4_000_000), default=115_200, show_default=True)
@click.option("--times", is_flag=True, help="Begin each line with the time it came.")
@click.option("--hex", "as_hex", is_flag=True, help="Show bytes as hex, 16 in a row.")
@click.option("--only", metavar="REGEX", default="", help="Show lines that match, no others.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Append all that comes, with times.")
def console(port: str, baud: int, times: bool, as_hex: bool, only: str, log: Path | None) -> None:
    """Open a terminal on PORT, a device or any URL of pyserial, without toggling DTR or RTS.

    A port that goes is waited for. Ctrl-] and then ? shows the keys. Lines on stdin that is no terminal are commands
    for a board's console: each is sent when the reply before has ended; the exit code says whether all ended with ok.

    Example: city console /dev/serial/by-id/usb-... --times --log visit.log
    """
    try:
        view = View(times=times, as_hex=as_hex, only=only)
    except re.error as error:
        raise CityError(USAGE, f"--only {only!r}: {error}", "give a regular expression, such as 'err|fault'") from error
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(log.open("a")) if log else None
        session = Session(port, baud, view, file)
        stack.callback(session.close)
        if sys.stdin.isatty():
            stack.enter_context(_raw(sys.stdin.fileno()))
            session.say(f"{port}: Ctrl-] ? shows the keys")
            session.talk(sys.stdin.fileno())
        else:
            session.ask(sys.stdin)


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Give every key to the board, and the terminal back as it was."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


class Session:
    """A port that is opened again when it goes, and what is shown of it."""

    def __init__(self, url: str, baud: int, view: View, log: IO[str] | None) -> None:
        self.view = view
        self._url, self._baud, self._log = url, baud, log
        self._logged = View(times=True)
        self._port: serial.SerialBase | None = None
        self._state = ""
        self._heard_s = time.monotonic()
        self._try_s = 0.0

    def talk(self, keys: int) -> None:
        """Pass keys and text on until the person ends it."""
        command = False
        while True:
            self._open()
            for key in self._pressed(keys):
                if command:
                    command = False
                    if key in b"qQ":
                        return
                    self._obey(bytes((key,)))
                elif key == PREFIX[0]:
                    command = True
                else:
                    self._send(bytes((key,)))
            self._receive()

    def ask(self, lines: IO[str]) -> None:
        """Send commands one by one; show all replies. Raises: CityError."""
        self._open(patient=False)
        self._reply("", r"> $")
        failed = []
        for line in filter(None, map(str.strip, lines)):
            found = _END.search(self._reply(line, _END.pattern))
            if found is None or found[1] != "ok":
                failed.append(line)
        if failed:
            raise CityError(FAILED, f"{len(failed)} did not end with ok: {'; '.join(failed)}", "see what was said")

    def _reply(self, line: str, end: str) -> str:
        """Return what came after a line until its reply had ended."""
        text, limit_s = "", time.monotonic() + REPLY_S
        self._send(line.encode() + b"\r")
        while not re.search(end, text, re.M):
            if time.monotonic() > limit_s or self._port is None:
                hint = "is an edge node connected to this board? stop it and wait 5 s"
                raise CityError(NOT_FOUND, f"{self._url}: no end of a reply to {line or 'Enter'!r}", hint)
            text += self._receive().decode(errors="replace")
        return text

    def say(self, text: str) -> None:
        """Tell the person something that does not come from the board."""
        print(f"[{text}]", end="\r\n", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close the port and show what waited."""
        self._show(self.view.idle(_clock()) + self.view.end_line())
        if self._port is not None:
            self._port.close()

    def _obey(self, key: bytes) -> None:
        if key == b"t":
            self.view.times = not self.view.times
            self.say(f"times {'on' if self.view.times else 'off'}")
        elif key == b"x":
            self.view.as_hex = not self.view.as_hex
            self.say(f"hex {'on' if self.view.as_hex else 'off'}")
        elif key in (PREFIX, b"]"):
            self._send(PREFIX)
        else:
            for line in KEYS.splitlines():
                print(line, end="\r\n", file=sys.stderr, flush=True)

    def _open(self, patient: bool = True) -> None:
        """Open the port if it is not; say once why that is not possible."""
        if self._port is not None or time.monotonic() < self._try_s:
            return
        try:
            self._port = open_port(self._url, self._baud)
            self._port.timeout = POLL_S
            if patient:
                self._tell("open", "open")
        except PortError as error:
            if not patient:
                code = PERMISSION if error.state == "permission" else NOT_FOUND
                raise CityError(code, f"{self._url}: {error.state}", error.hint) from error
            self._tell(error.state, f"{error.state}: {error.hint}; tried again twice a second")
            self._try_s = time.monotonic() + AGAIN_S

    def _tell(self, state: str, text: str) -> None:
        if state != self._state:
            self._show(self.view.end_line())
            self.say(f"{self._url}: {text}")
        self._state = state

    def _pressed(self, keys: int) -> bytes:
        wait_s = 0.0 if self._port is not None else POLL_S
        return os.read(keys, 256) if select.select([keys], [], [], wait_s)[0] else b""

    def _send(self, data: bytes) -> None:
        with self._watched():
            if self._port is not None:
                self._port.write(data)

    def _receive(self) -> bytes:
        """Return and show what has come, waiting a moment for it."""
        data = b""
        with self._watched():
            if self._port is not None:
                data = self._port.read(max(1, self._port.in_waiting))
        now_s, clock = time.monotonic(), _clock()
        if data:
            self._heard_s = now_s
            self._show(self.view.feed(data, clock))
            if self._log is not None:
                self._log.write(self._logged.feed(data, datetime.now().astimezone().isoformat("T", "milliseconds")))
                self._log.flush()
        elif now_s - self._heard_s > IDLE_S:
            self._show(self.view.idle(clock))
        return data

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Notice that the port has gone."""
        try:
            yield
        except (OSError, TypeError, ValueError) as error:
            if self._port is not None:
                self._port.close()
            self._port = None
            self._try_s = time.monotonic() + AGAIN_S
            self._tell("gone", f"gone ({error}); waiting for it")

    def _show(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()


def _clock() -> str:
    return datetime.now().strftime("%H:%M:%S.%f")[:-3]
