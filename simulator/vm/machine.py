"""`machine` of a virtual board: the calls of the RP2 port that firmware uses, bridged to virtual chips.

Differences from the chip, on purpose: every interrupt handler runs with the heap locked, also without
`hard=True`; interrupts are delivered at calls into `machine`, `time.sleep*` and `select.poll`.
"""

import errno
import io
import os
import struct

import _bridge  # type: ignore[import-not-found]
import uselect
import utime

PWRON_RESET = 1
WDT_RESET = 3
WDT_MAX_MS = 8388
LED = 64


def _number(pin):
    """GPIO number of a pin, a name such as "GP4", "LED" or "4", or a number."""
    if isinstance(pin, Pin):
        return pin.number
    text = str(pin)
    if text == "LED":
        return LED
    number = int(text[2:] if text.startswith("GP") else text)
    if not 0 <= number <= 29:
        raise ValueError("unknown named pin " + repr(text))
    return number


class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_LOW_LEVEL = 1
    IRQ_HIGH_LEVEL = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    def __init__(self, id, mode=-1, pull=-1, *, value=None, alt=-1):
        self.number = _number(id)
        self.seen = -1
        if mode != -1 or pull != -1 or value is not None:
            self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, alt=-1):
        mode = 255 if mode in (-1, None) else mode
        pull = 255 if pull == -1 else (0 if pull is None else pull)
        level = 255 if value is None else int(bool(value))
        _bridge.call(_bridge.PIN_INIT, bytes((self.number, mode, pull, level)))

    def value(self, level=None):
        if level is not None:
            _bridge.tell(_bridge.PIN_SET, struct.pack("<BBQ", self.number, int(bool(level)), utime.ticks_us()))
            return None
        if self.seen >= 0:
            return self.seen
        return _bridge.level(self.number)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    high = on
    low = off

    def toggle(self):
        self.value(1 - self.value())

    def irq(self, handler=None, trigger=12, hard=False):
        if handler is None:
            _bridge.handlers.pop(self.number, None)
            trigger = 0
        else:
            _bridge.handlers[self.number] = (self, trigger, handler)
        _bridge.tell(_bridge.PIN_IRQ, bytes((self.number, trigger)))
        return self

    def __repr__(self):
        return f"Pin(GP{self.number})"


class I2C:
    """An I2C bus. A write with stop=False is sent together with what follows, as one repeated start."""

    def __init__(self, id=0, *, scl=None, sda=None, freq=400000, timeout=50000):
        self._id = id
        self._pending = b""
        pins = tuple(255 if pin is None else _number(pin) for pin in (sda, scl))
        status, _ = _bridge.call(_bridge.I2C_OPEN, struct.pack("<BBBI", id, pins[0], pins[1], freq))
        if status:
            raise ValueError(f"bad SCL or SDA pin for I2C{id}")

    def _transfer(self, address, write, count):
        write = self._pending + bytes(write)
        self._pending = b""
        status, answer = _bridge.call(
            _bridge.I2C_TRANSFER, struct.pack("<BBH", self._id, address, count) + write
        )
        if status:
            raise OSError(errno.EIO if status == 1 else errno.ETIMEDOUT)
        return answer

    def scan(self):
        found = []
        for address in range(8, 0x78):
            try:
                self._transfer(address, b"", 0)
                found.append(address)
            except OSError:
                pass
        return found

    def writeto(self, addr, buf, stop=True):
        if not stop:
            self._pending += bytes(buf)
            return len(buf)
        self._transfer(addr, buf, 0)
        return len(buf)

    def writevto(self, addr, vector, stop=True):
        return self.writeto(addr, b"".join(bytes(part) for part in vector), stop)

    def readfrom(self, addr, nbytes, stop=True):
        return self._transfer(addr, b"", nbytes)

    def readfrom_into(self, addr, buf, stop=True):
        buf[:] = self._transfer(addr, b"", len(buf))

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        return self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big"), nbytes)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf), addrsize=addrsize)

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf), 0)


class UART(io.IOBase):
    """A UART whose receive FIFO (`rxbuf`) and line speed are the simulator's. Reads never wait."""

    INV_TX = 1
    INV_RX = 2

    def __init__(self, id, baudrate=115200, **options):
        descriptors = os.getenv(f"BOARD_UART{id}")
        if descriptors is None:
            raise ValueError(f"UART({id}) doesn't exist")
        rx, tx = (int(text) for text in descriptors.split(","))
        self._id = bytes((id,))
        self._rx_number = rx
        self._rx = open(rx, "rb")  # noqa: SIM115
        self._tx = open(tx, "wb")  # noqa: SIM115
        self._poll = uselect.poll()
        self._poll.register(self._rx, 1)
        self.init(baudrate, **options)

    def init(self, baudrate=115200, bits=8, parity=None, stop=1, *, rxbuf=256, **options):
        _bridge.call(_bridge.UART_OPEN, self._id + struct.pack("<IH", baudrate, max(32, rxbuf)))

    def deinit(self):
        pass

    def any(self):
        if not self._poll.poll(0):
            return 0
        return struct.unpack("<H", _bridge.call(_bridge.UART_ANY, self._id)[1])[0]

    def read(self, nbytes=4096):
        return self._rx.read(nbytes)

    def readinto(self, buf, nbytes=-1):
        if nbytes < 0 or nbytes >= len(buf):
            return self._rx.readinto(buf)
        return self._rx.readinto(memoryview(buf)[:nbytes])

    def readline(self):
        return self._rx.readline()

    def write(self, buf):
        return self._tx.write(buf)

    def flush(self):
        pass

    def txdone(self):
        return True

    def ioctl(self, request, argument):
        return self._rx_number if request == 10 else 0


class I2S(io.IOBase):
    """An I2S input. As on an RP2040 WS is the pin after SCK, and who was asked for `poll` never waits in `readinto`."""

    RX, TX = 0, 1
    MONO, STEREO = 0, 1

    def __init__(self, id, *, sck, ws, sd, mode, bits, format, rate, ibuf):
        if not 0 <= id < 2:
            raise ValueError("invalid id")
        self._id = id
        self.init(sck=sck, ws=ws, sd=sd, mode=mode, bits=bits, format=format, rate=rate, ibuf=ibuf)

    def init(self, *, sck, ws, sd, mode, bits, format, rate, ibuf):
        if _number(ws) != _number(sck) + 1:
            raise ValueError("invalid ws (must be sck+1)")
        for name, found, able in (("mode", mode, (0,)), ("bits", bits, (16, 32)), ("format", format, (0, 1))):
            if found not in able:
                raise ValueError("invalid " + name)
        if ibuf <= 0:
            raise ValueError("invalid ibuf")
        self._size = bits // 8
        self._stereo = format
        self._waits = True
        self._handler = None
        self._pending = None
        _bridge.call(_bridge.I2S_OPEN, struct.pack("<BII", self._id, rate, ibuf))

    def deinit(self):
        _bridge.handlers.pop(_bridge.SOFT + self._id, None)

    def readinto(self, buf):
        frame = self._size << self._stereo
        if len(buf) % frame:
            raise OSError(errno.EINVAL)
        if self._handler is not None:
            self._pending = [buf, 0]
            self._ask()
            return len(buf)
        at = self._fill(buf, 0)
        while self._waits and at < len(buf):
            _bridge.sleep_us(1000)
            at = self._fill(buf, at)
        return at

    def _fill(self, buf, at):
        frame = self._size << self._stereo
        count = min((len(buf) - at) // frame, 4096)
        data = _bridge.call(_bridge.I2S_READ, struct.pack("<BH", self._id, count))[1]
        for i in range(0, len(data), 8):
            for word in range(0, 4 + 4 * self._stereo, 4):
                start = i + word + 4 - self._size
                buf[at : at + self._size] = data[start : start + self._size]
                at += self._size
        return at

    def irq(self, handler):
        self._handler = handler
        if handler is None:
            _bridge.handlers.pop(_bridge.SOFT + self._id, None)
            self._waits = True
        else:
            _bridge.handlers[_bridge.SOFT + self._id] = (self, 255, self._arrived)

    def _ask(self):
        buf, at = self._pending
        frames = (len(buf) - at) // (self._size << self._stereo)
        _bridge.tell(_bridge.I2S_NOTIFY, struct.pack("<BI", self._id, frames))

    def _arrived(self, _):
        if self._pending is None:
            return
        buf, at = self._pending
        self._pending[1] = at = self._fill(buf, at)
        if at < len(buf):
            self._ask()
            return
        self._pending = None
        self._handler(self)

    def ioctl(self, request, argument):
        if request != 3:
            return -1  # it has no file descriptor
        self._waits = False
        return argument & 1 if _bridge.call(_bridge.I2S_ANY, bytes((self._id,)))[1][0] else 0

    @staticmethod
    def shift(*, buf, bits, shift):
        size = bits // 8
        for at in range(0, len(buf), size):
            value = int.from_bytes(buf[at : at + size], "little")
            value -= (value >> bits - 1) << bits
            value = (value << shift if shift >= 0 else value >> -shift) & (1 << bits) - 1
            buf[at : at + size] = value.to_bytes(size, "little")


class WDT:
    """The watchdog. It cannot be stopped."""

    def __init__(self, id=0, timeout=5000):
        if not 1 <= timeout <= WDT_MAX_MS:
            raise ValueError(f"timeout exceeds {WDT_MAX_MS}")
        _bridge.tell(_bridge.WDT_START, struct.pack("<H", timeout))

    def feed(self):
        _bridge.feed()


def reset():
    _bridge.tell(_bridge.RESET)
    while True:
        uselect.poll().poll(1000)


soft_reset = reset


def reset_cause():
    return int(os.getenv("BOARD_RESET_CAUSE"))


class _Registers:
    """`mem32` of those registers of an RP2040 that tell what reset it."""

    def __getitem__(self, address):
        names = {0x40058008: "BOARD_WATCHDOG_REASON", 0x40064008: "BOARD_CHIP_RESET"}
        return int(os.getenv(names[address]))


mem32 = _Registers()


def unique_id():
    return bytes(int(os.getenv("BOARD_UID")[i : i + 2], 16) for i in range(0, 16, 2))


def freq(hz=None):
    return 125_000_000


def idle():
    _bridge.sleep_us(1000)


def disable_irq():
    return 0


def enable_irq(state=0):
    pass
