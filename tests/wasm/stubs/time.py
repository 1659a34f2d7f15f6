"""`time` with a clock that only moves when told to, shortly before a wrap at the start."""

MASK = 0x3FFFFFFF
HALF = 0x20000000
_now = [MASK - 5000000, MASK - 8000, 0]


def forward_ms(ms):
    for _ in range(ms):
        _now[0] = (_now[0] + 1000) & MASK
        _now[1] = (_now[1] + 1) & MASK


def ticks_us():
    return _now[0]


def ticks_ms():
    return _now[1]


def ticks_add(ticks, delta):
    return (ticks + delta) & MASK


def ticks_diff(later, earlier):
    return ((later - earlier + HALF) & MASK) - HALF


def sleep_us(us):
    pass


def sleep_ms(ms):
    forward_ms(ms)
