"""`machine` whose chips answer with canned bytes, so that real driver code runs without allocating for the bench."""

import time

PWRON_RESET = 1
WDT_RESET = 3
mem32 = {0x40058008: 0, 0x40064008: 0x100}
uarts = {}
pins = {}
silent = []
RX = bytearray(8192)
TX = bytearray(6144)


def crc8(a, b):
    crc = 0xFF
    for byte in (a, b):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc


def words(*values):
    out = bytearray()
    for value in values:
        out += bytes((value >> 8, value & 255, crc8(value >> 8, value & 255)))
    return out


class Registers:
    """A register pointer over 256 bytes, as BME280 and PCA9685 have; the calibration of a BME280's datasheet."""

    def __init__(self):
        self.at = 0
        self.data = bytearray(256)
        signed = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
        for index, value in enumerate(signed):
            self.data[0x88 + 2 * index] = value & 255
            self.data[0x89 + 2 * index] = value >> 8 & 255
        self.data[0xA1] = 75
        self.data[0xE1:0xE8] = bytes((0x6A, 0x01, 0, 20, 0x24, 3, 30))
        self.data[0xD0] = 0x60
        self.data[0xF7:0xFF] = bytes((0x65, 0x5A, 0xC0, 0x7E, 0xED, 0x00, 0x6D, 0x60))

    def write(self, data):
        self.at = data[0]
        for i in range(1, len(data)):
            self.data[self.at + i - 1] = data[i]

    def read(self, buf):
        for i in range(len(buf)):
            buf[i] = self.data[self.at + i]


class Converter:
    """ADS1115: 0.84 V on every input, conversions end at once."""

    def __init__(self):
        self.at = 0
        self.config = bytearray((0x85, 0x83))

    def write(self, data):
        self.at = data[0]
        if len(data) == 3:
            self.config[0] = data[1]
            self.config[1] = data[2]

    def read(self, buf):
        buf[0] = self.config[0] | 0x80 if self.at else 0x1A
        buf[1] = self.config[1] if self.at else 0x40


class Air:
    """SCD41: data always ready, 800 ppm."""

    def __init__(self):
        self.answer = b""
        self.ready = words(0x8006)
        self.values = words(800, 0x6667, 0x8000)

    def write(self, data):
        self.answer = self.ready if data[0] == 0xE4 else self.values

    def read(self, buf):
        for i in range(len(buf)):
            buf[i] = self.answer[i]


CHIPS = {0: {0x76: Registers(), 0x62: Air(), 0x48: Converter()}, 1: {0x40: Registers()}}


class I2C:
    def __init__(self, id, *, sda, scl, freq, timeout):
        self.chips = CHIPS[id]

    def writeto(self, address, data, stop=True):
        if address in silent or address not in self.chips:
            raise OSError(5)
        if len(data):
            self.chips[address].write(data)

    def readfrom_into(self, address, buf):
        if address in silent:
            raise OSError(5)
        self.chips[address].read(buf)


class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4

    def __init__(self, name, mode=-1, pull=-1, value=None):
        self.level = 1 if value is None else value
        self.handler = None
        pins[name] = self

    def init(self, mode=-1, pull=-1, value=None):
        pass

    def value(self, level=None):
        if level is None:
            return self.level
        self.level = level

    def irq(self, handler, trigger):
        self.handler = handler


class UART:
    """The link: what is in `rx` arrives, what is written collects in `tx`. The other one: A02YYUW, 2.000 m."""

    FRAME = b"\xff\x07\xd0\xd6"

    def __init__(self, id, baudrate, tx, rx, rxbuf, txbuf=32, timeout=0):
        self.id = id
        self.rx = RX
        self.left = self.at = 0
        self.tx = TX
        self.n = 0
        self.sent_ms = time.ticks_ms()
        uarts[id] = self

    def load(self, name):
        with open(name, "rb") as file:
            self.left = file.readinto(RX)
        self.at = self.n = 0

    def any(self):
        if self.id == 0:
            return self.left
        return 4 if time.ticks_diff(time.ticks_ms(), self.sent_ms) >= 100 else 0

    def readinto(self, buf, n=-1):
        if self.id == 0:
            count = min(self.left, len(buf))
            for i in range(count):
                buf[i] = RX[self.at + i]
            self.at += count
            self.left -= count
            return count
        for i in range(4):
            buf[i] = self.FRAME[i]
        count = 4
        self.sent_ms = time.ticks_ms()
        return count

    def write(self, data):
        for i in range(len(data)):
            self.tx[self.n + i] = data[i]
        self.n += len(data)
        return len(data)


class I2S:
    """A microphone at 16 kHz that hears a square wave of 1 kHz; its buffer counts, as on the heap of a board."""

    RX = MONO = 0
    WAVE = bytes((0, 0, 0, 8)) * 8 + bytes((0, 0, 0, 0xF8)) * 8

    def __init__(self, id, sck, ws, sd, mode, bits, format, rate, ibuf):
        self.storage = bytearray(ibuf)
        self.before_ms = time.ticks_ms()
        self.waiting = 0

    def readinto(self, buf):
        now_ms = time.ticks_ms()
        self.waiting = min(640, self.waiting + 16 * time.ticks_diff(now_ms, self.before_ms))
        self.before_ms = now_ms
        count = min(len(buf) // 4, self.waiting)
        for i in range(4 * count):
            buf[i] = self.WAVE[i & 63]
        self.waiting -= count
        return 4 * count


class WDT:
    def __init__(self, timeout):
        pass

    def feed(self):
        pass


def unique_id():
    return b"\x01\x02\x03\x04\x05\x06\x07\x08"


def reset_cause():
    return PWRON_RESET
