"""Maintenance: a raw REPL on the link port, for an unmodified mpremote; the application is not started.

Loaded only then. It speaks MicroPython's raw mode (reference, "The MicroPython Interactive Interpreter Mode", raw
mode; raw-paste mode is declined) in Python, so the same code serves on every chip and needs no second console.
What is executed prints with `print`; code that reads `sys.stdin`, as `mpremote mount` does, finds nothing there.

It ends, and the board starts its application, with a reset of any kind, Ctrl-D at the prompt, a soft reset after
which nothing is executed (`mpremote soft-reset`), and after ten minutes in which nothing was executed.
"""

import builtins
import io
import select
import sys
from time import sleep_ms, ticks_diff, ticks_ms

import machine

QUIET_MS = 600000
POLL_MS = 100
BLINK_MS = 250
PUT_TRIES = 500
SENDING_MS = 50  # for what is still in the UART
MAX_CODE = 32768
RX_BUFFER = 1024
_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D, _CTRL_E = 1, 2, 3, 4, 5
_RAW = b"raw REPL; CTRL-B to exit\r\n>"
_PROMPT = b"\r\nmaintenance: CTRL-A for the raw REPL, CTRL-D starts the application\r\n>>> "


class Repl:
    """Takes bytes with `feed`; `done` once the application shall start. `put(data)` sends."""

    def __init__(self, put) -> None:  # type: ignore[no-untyped-def]
        """Begin in raw mode: what asked for maintenance was an mpremote, whose next byte the reset swallowed."""
        self._put = put
        self._raw = True
        self._code = bytearray()
        self._names = {"__name__": "__main__"}
        self._fresh = False
        self.done = False
        self.executed = 0
        put(_RAW)

    def feed(self, chunk: bytes) -> None:
        """Take what has arrived."""
        if self._raw and min(chunk) > _CTRL_E:
            self._collect(chunk)
            return
        for byte in chunk:
            if self._raw:
                self._raw_byte(byte)
            elif byte == _CTRL_A:
                self._enter()
            elif byte == _CTRL_D:
                self.done = True
            elif byte in (10, 13):
                self._put(b"\r\n>>> ")

    def _enter(self) -> None:
        """Raw mode, from the start."""
        self._raw = True
        self._code = bytearray()
        self._put(_RAW)

    def _collect(self, chunk: bytes) -> None:
        """Keep code; what is too long fails when it is executed."""
        if len(self._code) <= MAX_CODE:
            self._code.extend(chunk)

    def _raw_byte(self, byte: int) -> None:
        """One byte in raw mode: code, or what to do with it."""
        if byte == _CTRL_A:
            if len(self._code) == 2 and self._code[0] == _CTRL_E:
                self._code = bytearray()
                self._put(b"R\x00")
            else:
                self._enter()
        elif byte == _CTRL_B:
            self._raw = False
            self.done = self._fresh
            self._put(_PROMPT)
        elif byte == _CTRL_C:
            self._code = bytearray()
        elif byte == _CTRL_D:
            self._execute()
        else:
            self._collect(bytes((byte,)))

    def _execute(self) -> None:
        """Run the code collected and answer OK, output, 04, errors, 04; no code is a soft reset."""
        code = bytes(self._code).strip()
        self._code = bytearray()
        self._put(b"OK")
        self._fresh = not code
        if self._fresh:
            self._names = {"__name__": "__main__"}
            self._put(b"\r\nMPY: soft reboot\r\n" + _RAW)
            return
        problem = self._run(code)
        self._put(b"\x04" + problem.replace("\n", "\r\n").encode() + b"\x04>")

    def _run(self, code: bytes) -> str:
        """Return what went wrong, as text, or "". Whatever the code raises is its writer's to read."""
        try:
            if len(code) > MAX_CODE:
                raise MemoryError("code is longer than %d bytes: copy it to a file and import that" % MAX_CODE)
            self.executed += 1
            exec(code.decode(), self._names)
        except BaseException as error:
            text = io.StringIO()
            sys.print_exception(error, text)
            return text.getvalue()
        return ""


class Port:
    """The link's UART, for text."""

    def __init__(self, config: dict) -> None:  # type: ignore[type-arg]
        """`config` is the link of board.json."""
        tx, rx = machine.Pin(config["tx"]), machine.Pin(config["rx"])
        self.uart = machine.UART(config["uart"], baudrate=config["baud"], tx=tx, rx=rx, rxbuf=RX_BUFFER, timeout=0)

    def put(self, data: bytes) -> None:
        """Send all of it; what a stuck UART does not take within PUT_TRIES ms is lost."""
        for _ in range(PUT_TRIES + len(data)):
            data = data[self.uart.write(data) or 0 :]
            if not data:
                return
            sleep_ms(1)

    def print(self, *values, sep: str = " ", end: str = "\n", file=None) -> None:  # type: ignore[no-untyped-def]
        """`print` of what is executed."""
        text = sep.join([str(value) for value in values]) + end
        if file:
            file.write(text)
        else:
            self.put(text.replace("\n", "\r\n").encode())


def serve(config: dict, outputs_off) -> None:  # type: ignore[no-untyped-def,type-arg]
    """Serve until maintenance ends, then reset, whatever happens. `config` is board.json; outputs are off already."""
    try:
        outputs_off(config["outputs"])
        port = Port(config["link"])
        led = machine.Pin(config["led"], machine.Pin.OUT) if config["led"] else None
        builtins.print = port.print  # type: ignore[assignment]
        talk(port, Repl(port.put), led)
        sleep_ms(SENDING_MS)
    finally:
        machine.reset()


def talk(port: Port, repl: Repl, led) -> None:  # type: ignore[no-untyped-def]
    """Carry bytes until the REPL is done, or nothing was executed for long."""
    poller = select.poll()
    poller.register(port.uart, select.POLLIN)
    executed = 0
    since_ms = ticks_ms()
    while not repl.done and ticks_diff(ticks_ms(), since_ms) < QUIET_MS:
        if led:
            led.value(ticks_diff(ticks_ms(), since_ms) // BLINK_MS & 1)
        if poller.poll(POLL_MS):
            chunk = port.uart.read()
            if chunk:
                repl.feed(chunk)
        if repl.executed != executed:
            executed = repl.executed
            since_ms = ticks_ms()
