"""The virtual board's wires to the simulator: calls with an answer, pin events (interrupts), and shared registers.

A call is `op u8, length u16 LE, payload`; the answer `status u8, length u16 LE, payload`. An op with bit 7
set has no answer. An event is `pin u8, level u8, edge u16 LE, time u64 LE` with the time in us of the host's
monotonic clock, the one `utime.ticks_us` counts on the unix port. A level that the board sets carries that time, too:
a train of pulses arrives at another board as it was made, however late the simulator carries it.
The registers are those of `simulator/registers.py`: levels of pins, and when the watchdog was fed.

A handler runs with the heap locked, like a hard interrupt on a board, at the time the edge happened:
`time.ticks_*` answer with the edge's time while it runs.
"""

import os
import struct
import sys

import micropython
import uselect
import utime

I2C_TRANSFER = 1
PIN_INIT = 2
PIN_GET = 3
UART_OPEN = 4
UART_ANY = 5
I2C_OPEN = 6
ONE_WIRE = 7
I2S_OPEN = 8
I2S_READ = 9
I2S_ANY = 10
PIN_SET = 0x81
PIN_IRQ = 0x82
WDT_START = 0x83
RESET = 0x84
IRQ_FAILED = 0x85
FED = 128
I2S_NOTIFY = 0x86
SOFT = 0xF0  # from this pin on: events of I2S inputs, whose callbacks run with the heap free

_calls = open(int(os.getenv("BOARD_CALLS", "0")), "r+b")  # noqa: SIM115
events = open(int(os.getenv("BOARD_EVENTS", "0")), "r+b")  # noqa: SIM115
_registers = open(int(os.getenv("BOARD_REGISTERS", "0")), "r+b")  # noqa: SIM115
_head = bytearray(3)
_one = bytearray(1)
_eight = bytearray(8)
# told[0]: 1 while the simulator may not have seen yet what was told it without asking
told = [0]
_event = bytearray(12)
handlers = {}
# now[0]: 1 while a handler runs; now[1]: us of the edge on the utime.ticks_us scale
now = [0, 0]


def _send(op, payload):
    struct.pack_into("<BH", _head, 0, op, len(payload))
    _calls.write(bytes(_head) + bytes(payload))


def call(op, payload=b""):
    """(status, answer bytes) of a call; delivers waiting interrupts afterwards."""
    _send(op, payload)
    head = _calls.read(3)
    if not head or len(head) < 3:
        sys.exit(0)
    told[0] = 0
    status, length = struct.unpack("<BH", head)
    answer = _calls.read(length) if length else b""
    if handlers:
        dispatch()
    return status, answer


def tell(op, payload=b""):
    """Send an op that has no answer."""
    told[0] = 1
    _send(op, payload)


def level(pin):
    """Level of a pin: from the registers, or asked where these may be behind or cannot know."""
    if not told[0]:
        _registers.seek(pin)
        _registers.readinto(_one)
        found = _one[0]
        if found < 2:
            if handlers:
                dispatch()
            return found
    return call(PIN_GET, bytes((pin,)))[1][0]


def feed():
    """Put down that the watchdog was fed now."""
    struct.pack_into("<Q", _eight, 0, utime.ticks_us())
    _registers.seek(FED)
    _registers.write(_eight)


def dispatch():
    """Run the handlers of all pin events that have arrived."""
    while not now[0] and events.readinto(_event):
        pin, level, edge, stamp = struct.unpack("<BBHQ", _event)
        entry = handlers.get(pin)
        if entry is not None and pin >= SOFT:
            entry[2](entry[0])
        elif entry is not None and entry[1] & edge:
            _run(entry, level, stamp)


def _run(entry, level, stamp):
    pin, _, handler = entry
    now[1] = stamp
    now[0] = 1
    pin.seen = level
    micropython.heap_lock()
    failure = None
    try:
        handler(pin)
    except Exception as error:
        failure = error
    micropython.heap_unlock()
    pin.seen = -1
    now[0] = 0
    if failure is not None:
        sys.print_exception(failure)
        tell(IRQ_FAILED, bytes((pin.number,)))


def sleep_us(duration_us):
    """Wait while delivering interrupts."""
    poller = uselect.poll()
    poller.register(events, 1)
    end = utime.ticks_us() + duration_us
    while True:
        dispatch()
        left = end - utime.ticks_us()
        if left <= 0:
            return
        if left < 1000:
            utime.sleep_us(left)
        else:
            poller.poll(left // 1000)
