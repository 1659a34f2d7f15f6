"""The simulator's end of a virtual board's wires: answers the calls of `simulator/vm/_bridge.py`."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from simulator.bus import Nack, Stuck, VirtualI2C
from simulator.i2s import VirtualI2S
from simulator.onewire import VirtualOneWire
from simulator.pins import MODE_OUT, PinBank
from simulator.uart import VirtualUart

I2C_TRANSFER, PIN_INIT, PIN_GET, UART_OPEN, UART_ANY, I2C_OPEN, ONE_WIRE, I2S_OPEN, I2S_READ, I2S_ANY = range(1, 11)
PIN_SET, PIN_IRQ, WDT_START, RESET, IRQ_FAILED, I2S_NOTIFY = range(0x81, 0x87)
SOFT = 0xF0
OK, NACK, TIMEOUT = 0, 1, 2
HEAD = struct.Struct("<BH")
EVENT = struct.Struct("<BBHQ")


class Bus(Protocol):
    """What the bridge needs of a virtual I2C bus."""

    sda_stuck: bool
    scl_stuck: bool

    def transfer(self, address: int, write: bytes, nread: int) -> bytes:
        """Bytes read after writing; raises Nack or Stuck."""

    def clock(self) -> None:
        """A pulse on SCL made by hand."""


class BoardPower(Protocol):
    """What the bridge tells the board's supervisor."""

    def watchdog_start(self, timeout_ms: int) -> None:
        """Arm the watchdog."""

    def request_reset(self) -> None:
        """`machine.reset()`."""


@dataclass
class BoardIO:
    """Everything soldered to a board; lives through resets of its VM."""

    pins: PinBank = field(default_factory=PinBank)
    i2c: dict[int, Bus] = field(default_factory=dict)
    uarts: dict[int, VirtualUart] = field(default_factory=dict)
    onewires: dict[int, VirtualOneWire] = field(default_factory=dict)
    i2s: dict[int, VirtualI2S] = field(default_factory=dict)
    irq_failures: int = 0
    irq_lost: int = 0


class Bridge:
    """Serves one run of a VM over its two sockets."""

    def __init__(self, io: BoardIO, calls: socket.socket, events: socket.socket, power: BoardPower) -> None:
        self._io = io
        self._calls = calls
        self._events = events
        self._power = power
        self._buffer = bytearray()
        self._ops: dict[int, Callable[[bytes], tuple[int, bytes]]] = {
            I2C_OPEN: self._i2c_open,
            I2C_TRANSFER: self._i2c_transfer,
            ONE_WIRE: self._one_wire,
            I2S_OPEN: self._i2s_open,
            I2S_READ: self._i2s_read,
            I2S_ANY: self._i2s_any,
            PIN_INIT: self._pin_init,
            PIN_GET: self._pin_get,
            PIN_SET: self._pin_set,
            PIN_IRQ: self._pin_irq,
            UART_OPEN: self._uart_open,
            UART_ANY: self._uart_any,
            WDT_START: self._wdt_start,
            RESET: self._reset,
            IRQ_FAILED: self._irq_failed,
            I2S_NOTIFY: self._i2s_notify,
        }
        calls.setblocking(False)
        events.setblocking(False)
        io.pins.on_edge = self._send_event
        asyncio.get_running_loop().add_reader(calls.fileno(), self._on_readable)

    def close(self) -> None:
        """Stop serving and close both sockets."""
        asyncio.get_running_loop().remove_reader(self._calls.fileno())
        self._io.pins.on_edge = None
        self._calls.close()
        self._events.close()

    def _on_readable(self) -> None:
        try:
            data = self._calls.recv(65536)
        except (BlockingIOError, ConnectionResetError):
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self._calls.fileno())
            return
        self._buffer += data
        while (message := self._next_message()) is not None:
            self._answer(*message)

    def _next_message(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < HEAD.size:
            return None
        op, length = HEAD.unpack_from(self._buffer)
        end = HEAD.size + length
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[HEAD.size : end])
        del self._buffer[:end]
        return op, payload

    def _answer(self, op: int, payload: bytes) -> None:
        status, data = self._ops[op](payload)
        if op < 0x80:
            self._calls.send(HEAD.pack(status, len(data)) + data)

    def _send_event(self, pin: int, level: int, edge: int, stamp_us: int) -> None:
        try:
            self._events.send(EVENT.pack(pin, level, edge, stamp_us or _now_us()))
        except OSError:  # nobody reads, or the VM has ended
            self._io.irq_lost += 1

    def _i2c_open(self, payload: bytes) -> tuple[int, bytes]:
        bus_id, sda, scl, _frequency = struct.unpack("<BBBI", payload)
        bus = self._io.i2c.get(bus_id)
        if bus is None:
            return NACK, b""
        lines = [pin for pin in (sda, scl) if pin != 255]
        for pin, source, on_level in ((sda, _sda_source(bus), []), (scl, _scl_source(bus), [_clock(bus)])):
            if pin != 255:
                net = self._io.pins.net(pin)
                net.source, net.outside_pull, net.watchers = source, 1, on_level
                net.told = isinstance(bus, VirtualI2C)
                net.reset()
        if isinstance(bus, VirtualI2C):
            bus.on_lines = partial(self._show, lines)
        self._show(lines)
        return OK, b""

    def _show(self, pins: list[int]) -> None:
        for pin in pins:
            self._io.pins.refresh(pin)

    def _i2c_transfer(self, payload: bytes) -> tuple[int, bytes]:
        bus_id, address, count = struct.unpack_from("<BBH", payload)
        try:
            return OK, self._io.i2c[bus_id].transfer(address, payload[4:], count)
        except Nack:
            return NACK, b""
        except Stuck:
            return TIMEOUT, b""

    def _one_wire(self, payload: bytes) -> tuple[int, bytes]:
        """Slots on a line, as `vm/onewire.py` asks for them; nobody is on a pin without one."""
        line, what, data = self._io.onewires.get(payload[0], VirtualOneWire()), payload[1], payload[2:]
        done: list[Callable[[], bytes | None]] = [
            lambda: bytes((line.reset(),)),
            lambda: line.write_bit(data[0] & 1),
            lambda: bytes((line.read_bit(),)),
            lambda: line.write(data),
            lambda: line.read(data[0]),
        ]
        return OK, done[what]() or b""

    def _i2s_open(self, payload: bytes) -> tuple[int, bytes]:
        number, rate_hz, buffer_bytes = struct.unpack("<BII", payload)
        self._io.i2s.setdefault(number, VirtualI2S((), time.monotonic_ns)).open(rate_hz, buffer_bytes)
        return OK, b""

    def _i2s_read(self, payload: bytes) -> tuple[int, bytes]:
        number, frames = struct.unpack("<BH", payload)
        return OK, self._io.i2s[number].take(frames)

    def _i2s_any(self, payload: bytes) -> tuple[int, bytes]:
        return OK, bytes((self._io.i2s[payload[0]].available() > 0,))

    def _i2s_notify(self, payload: bytes) -> tuple[int, bytes]:
        """Send an event when so many frames wait; the VM asks again if somebody took them before."""
        number, frames = struct.unpack("<BI", payload)
        wait_s = self._io.i2s[number].wait_ns(frames) / 1e9
        asyncio.get_running_loop().call_later(wait_s, self._send_event, SOFT + number, 0, 255, 0)
        return OK, b""

    def _pin_init(self, payload: bytes) -> tuple[int, bytes]:
        pin, mode, pull, value = payload
        self._io.pins.board_init(pin, mode, pull, value, _now_us())
        if pin in self._io.onewires:
            net = self._io.pins.net(pin)
            self._io.onewires[pin].strong_pull_up(net.mode == MODE_OUT and net.out == 1)
        return OK, b""

    def _pin_get(self, payload: bytes) -> tuple[int, bytes]:
        return OK, bytes((self._io.pins.level(payload[0]),))

    def _pin_set(self, payload: bytes) -> tuple[int, bytes]:
        pin, level, stamp_us = struct.unpack("<BBQ", payload)
        self._io.pins.board_set(pin, level, stamp_us)
        return OK, b""

    def _pin_irq(self, payload: bytes) -> tuple[int, bytes]:
        self._io.pins.listen(payload[0], payload[1])
        return OK, b""

    def _uart_open(self, payload: bytes) -> tuple[int, bytes]:
        number, baud, rxbuf = struct.unpack("<BIH", payload)
        self._io.uarts[number].configure(baud, rxbuf)
        return OK, b""

    def _uart_any(self, payload: bytes) -> tuple[int, bytes]:
        return OK, struct.pack("<H", min(self._io.uarts[payload[0]].unread(), 65535))

    def _wdt_start(self, payload: bytes) -> tuple[int, bytes]:
        self._power.watchdog_start(struct.unpack("<H", payload)[0])
        return OK, b""

    def _reset(self, payload: bytes) -> tuple[int, bytes]:
        self._power.request_reset()
        return OK, b""

    def _irq_failed(self, payload: bytes) -> tuple[int, bytes]:
        self._io.irq_failures += 1
        return OK, b""


def _sda_source(bus: Bus) -> Callable[[], int | None]:
    return lambda: 0 if bus.sda_stuck else None


def _scl_source(bus: Bus) -> Callable[[], int | None]:
    return lambda: 0 if bus.scl_stuck else None


def _clock(bus: Bus) -> Callable[[int], None]:
    """Each rise of SCL outside a transfer is a clock pulse for a chip that holds SDA."""
    return lambda level: bus.clock() if level else None


def _now_us() -> int:
    return time.monotonic_ns() // 1000
