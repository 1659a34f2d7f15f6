"""Packs sample records, without loss, into the pages of the flash ring. Sans-IO, both VMs; `unpack.py` reads them.

A stream of bits, the first one the highest of a byte. Per record:

    0 | 1 channel:8 quality:4 kind:2     0: the channel that came after the last one before, its last quality and kind
    kind 1: RICE(zigzag(step - step before))     kind 2: stamp:48 as its upper and lower half     kind 0: nothing
    0 unary(place)                       the value is among the last DEPTH of its channel, newest first
    1 RICE(zigzag(bits - last bits))     or it differs by less than 2**27, the float32 taken as an integer
    1 111111111 bits:32                  or not

Kind 0: the stamp of the record before. `step`: microseconds since that one, less than 2**28; each channel has its
own. RICE(z), z < 2**30, with k of its own for steps and values of each channel: z >> k ones, a zero, the low k bits; or
8 ones, a zero, 30 bits if z >> k is 8 or more. Then k rises by one if z >> k was above 1, and falls by one, not below
0, if z was below 2**k / 2. At the start every k is 8, what is "before" is 0, and the channel after c is c.

Sources: R. F. Rice, JPL 79-22, 1979 (the code); N. Merhav, G. Seroussi and M. J. Weinberger, HPL-94-89R1 (adaptation).
Nothing here allocates: values go through as halves of 16 bits, as 32 are too many for a small int.
"""

from array import array

DEPTH = 4
WORST_BITS = 106
RAW = 2
DELTA = 1
SAME = 0
FIRST_K = 8
MANY = 8


class Model:
    """What writer and reader know of the records before, for `channels` channels."""

    def __init__(self, channels: int) -> None:
        """Nothing is known yet."""
        self.channels = channels
        self.high = array("H", bytes(2 * DEPTH * channels))
        self.low = array("H", bytes(2 * DEPTH * channels))
        self.step = array("i", bytes(4 * channels))
        self.small = bytearray(5 * channels)  # after, quality, kind, k of steps, k of values
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        for i in range(DEPTH * self.channels):
            self.high[i] = self.low[i] = 0
        for i in range(self.channels):
            self.step[i] = 0
            self.small[5 * i] = i
            self.small[5 * i + 1] = self.small[5 * i + 2] = 0
            self.small[5 * i + 3] = self.small[5 * i + 4] = FIRST_K
        self.last = 0
        self.stamp_high = self.stamp_low = 0

    def remember(self, channel: int, place: int, high: int, low: int) -> None:
        """Put a value in front, over the one at `place` or, with DEPTH, over the oldest."""
        at = channel * DEPTH
        for i in range(at + min(place, DEPTH - 1), at, -1):
            self.high[i] = self.high[i - 1]
            self.low[i] = self.low[i - 1]
        self.high[at] = high
        self.low[at] = low

    def adapt(self, at: int, z: int) -> None:
        """Fit a k to what was coded with it."""
        k = self.small[at]
        if z >> k > 1:
            self.small[at] = k + 1
        elif k and z < 1 << k - 1:
            self.small[at] = k - 1


class Packer(Model):
    """Writes records into `buf` between `begin(buf, at, end)` and its end."""

    def begin(self, buf: bytearray, at: int, end: int) -> None:
        """Write to buf[at:end] from now on, which is all zero."""
        self._buf = buf
        self._at = 8 * at
        self._end = 8 * end - WORST_BITS

    def put(self, source: bytearray, i: int) -> bool:
        """Write the record at source[i:i+12]; return whether there was room for it, whatever it holds."""
        if self._at > self._end:
            return False
        channel, quality = source[i], source[i + 1]
        low = source[i + 2] | source[i + 3] << 8 | source[i + 4] << 16
        high = source[i + 5] | source[i + 6] << 8 | source[i + 7] << 16
        if low == self.stamp_low and high == self.stamp_high:
            kind = SAME
        else:
            step = high - self.stamp_high
            step = (step << 24) + low - self.stamp_low if 0 <= step < 16 else -1
            kind = DELTA if step >= 0 and step >> 28 == 0 else RAW
        self._head(channel, quality, kind)
        at = 5 * channel
        if kind == DELTA:
            self._rice(at + 3, step - self.step[channel])
            self.step[channel] = step
        elif kind == RAW:
            self._bits(high >> 12, 12)
            self._bits(high & 0xFFF, 12)
            self._bits(low >> 12, 12)
            self._bits(low & 0xFFF, 12)
        self.stamp_high, self.stamp_low = high, low
        self._value(channel, source[i + 10] | source[i + 11] << 8, source[i + 8] | source[i + 9] << 8)
        return True

    def _head(self, channel: int, quality: int, kind: int) -> None:
        """Say which channel, quality and kind of stamp, in one bit if they are the expected ones."""
        small, at = self.small, 5 * channel
        if channel == small[5 * self.last] and quality == small[at + 1] and kind == small[at + 2]:
            self._bits(0, 1)
        else:
            self._bits(1, 1)
            self._bits(channel << 6 | quality << 2 | kind, 14)
            small[5 * self.last] = channel
            small[at + 1] = quality
            small[at + 2] = kind
        self.last = channel

    def _value(self, channel: int, high: int, low: int) -> None:
        """Write a float32, given as its upper and lower half."""
        at = channel * DEPTH
        place = 0
        while place < DEPTH and (self.high[at + place] != high or self.low[at + place] != low):
            place += 1
        if place < DEPTH:
            self._bits(
                (1 << place) - 1 << 1 if place < DEPTH - 1 else (1 << place) - 1, place + 1 + (place < DEPTH - 1)
            )
        else:
            self._bits(1, 1)
            apart = high - self.high[at]
            if -0x800 < apart < 0x7FF:
                self._rice(5 * channel + 4, apart * 0x10000 + low - self.low[at])
            else:
                self._bits(0x1FF, 9)
                self._bits(high, 16)
                self._bits(low, 16)
        self.remember(channel, place, high, low)

    def _rice(self, at: int, n: int) -> None:
        """Write a signed number with the k at small[at]."""
        z = n << 1 if n >= 0 else (-n << 1) - 1
        k = self.small[at]
        if z >> k < MANY:
            self._bits((1 << (z >> k)) - 1 << 1, (z >> k) + 1)
        else:
            k = 30
            self._bits(0x1FE, 9)
        if k > 15:
            self._bits(z >> 15 & (1 << k - 15) - 1, k - 15)
            k = 15
        self._bits(z & (1 << k) - 1, k)
        self.adapt(at, z)

    def _bits(self, n: int, count: int) -> None:
        """Write the low `count` bits of n, at most 16."""
        at = self._at
        self._at = at + count
        n <<= 24 - count - (at & 7)
        at >>= 3
        self._buf[at] |= n >> 16
        if n & 0xFFFF:
            self._buf[at + 1] |= n >> 8 & 0xFF
            if n & 0xFF:
                self._buf[at + 2] |= n & 0xFF
