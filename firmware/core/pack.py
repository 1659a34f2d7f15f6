"""Packs sample records, without loss, into the pages of the flash ring. Sans-IO, both VMs; `unpack.py` reads them.

A stream of bits, the first one the highest of a byte. A record is as expected (the channel that came after the last
one before, its last quality, kind and how), or HEAD comes first: ten ones, eleven where a place could come first, then

    channel:8 quality:4 kind:2 how:1, and with how 1, once: zero:16 num:16 den:16 and 0, or 1 scale:64 offset:64

    kind 1: RICE(stamp - forecast)       kind 2: stamp:48, expected is 1 after it      kind 0: that of the record before
    how 1: RICE(count - forecast)        the value is offset + scale * (zero + num * count / den), each step a float32
    how 0: 0 unary(place)                the value is among the last DEPTH of its channel, newest first
           1 RICE(bits - forecast)       or it is near, the float32 taken as an integer
           1 1111111110 bits:32          or not;  without the 0 or 1, and a place, where those were rare of late

RICE(n), zigzag(n) = z < 2**30, with a k for the stamps and one for the values of each channel: z >> k ones, a zero, the
low k bits; or 8 ones, a zero, 30 bits if z >> k is 8 or more. k is the least with 2**(k+1) not below the mean of z.
A stamp's forecast: a period, in whole ms, after the last one; what jitters about that moves it by an eighth. A value's:
the last one or the mean of those before, whichever was nearer of late. `Model` has the numbers.

Sources: R. F. Rice, JPL 79-22, 1979 (the code); M. J. Weinberger, G. Seroussi and G. Sapiro, HPL-98-193R1, 3.3 (k from
a mean). Values go through as halves of 16 bits, as 32 are too many for a small int. Nothing is allocated here save the
floats of a channel with counts.
"""

import struct
from array import array

DEPTH = 4
SLACK = 48  # bytes behind a page for the record that no longer fits: 40 at worst
RAW = 2
DELTA = 1
SAME = 0
MANY = 8
SMALL = 9  # after, quality, kind | how << 2, k of stamps, of values, how many made these two, steps told, places
MEMORY = 16
RARE = 8
WIDE = 9  # mean z of stamps, of values; mean ahead of the last, error of last, of mean; stamp low, high; period; count
FIRST_K = 8
NEAR = 0x100000
JITTER_US = 4096
COUNTS = 0xFFFFFF


class Model:
    """What writer and reader know of the records before, for `channels` channels."""

    def __init__(self, channels: int) -> None:
        """Nothing is known yet."""
        self.channels = channels
        self.high = array("H", bytes(2 * DEPTH * channels))
        self.low = array("H", bytes(2 * DEPTH * channels))
        self.wide = array("i", bytes(4 * WIDE * channels))
        self.small = bytearray(SMALL * channels)
        self.one = array("f", [0.0])
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        for i in range(DEPTH * self.channels):
            self.high[i] = self.low[i] = 0
        for i in range(WIDE * self.channels):
            self.wide[i] = 16 << FIRST_K if i % WIDE < 2 else 0
        for i in range(self.channels):
            at = SMALL * i
            self.small[at] = i
            for k in (1, 2, 5, 6, 7):
                self.small[at + k] = 0
            self.small[at + 3] = self.small[at + 4] = FIRST_K
            self.small[at + 8] = RARE
        self.last = 0
        self.stamp_high = self.stamp_low = 0

    def place(self, channel: int, high: int, low: int) -> int:
        """Return where among the last of its channel a value is, DEPTH if it is not; note whether it was."""
        at, place = channel * DEPTH, 0
        while place < DEPTH and (self.high[at + place] != high or self.low[at + place] != low):
            place += 1
        at = SMALL * channel + 8
        known = self.small[at]
        if place < DEPTH:
            self.small[at] = min(known + 4, MEMORY)
        elif known:
            self.small[at] = known - 1
        return place

    def remember(self, channel: int, place: int, high: int, low: int) -> None:
        """Put a value in front, over the one at `place` or, with DEPTH, over the oldest."""
        at = channel * DEPTH
        for i in range(at + min(place, DEPTH - 1), at, -1):
            self.high[i] = self.high[i - 1]
            self.low[i] = self.low[i - 1]
        self.high[at] = high
        self.low[at] = low

    def ones(self, channel: int) -> int:
        """Return how many ones say that what comes is not the record expected, of this channel."""
        at = SMALL * channel
        return 10 if self.small[at + 2] or not self.small[at + 8] else 11

    def adapt(self, channel: int, code: int, z: int) -> None:
        """Fit the k of stamps (0) or values (1) to what was coded with it; the first counts nothing."""
        small, at, place = self.small, WIDE * channel + code, SMALL * channel + 3 + code
        n, mean = small[place + 2], self.wide[at]
        small[place + 2] = min(n + 1, MEMORY)
        if n == 0:
            return
        if n == MEMORY:
            z = min(z, (mean >> 1) + 16)
        mean += ((min(z, COUNTS) << 4) - mean) // n
        self.wide[at] = mean
        k = small[place]
        while mean > 32 << k:
            k += 1
        while k and mean <= 16 << k:
            k -= 1
        small[place] = k

    def ahead(self, channel: int) -> int:
        """Return how far from its last value the next one of a channel is expected."""
        at, wide = WIDE * channel, self.wide
        return (wide[at + 2] + 4) >> 3 if wide[at + 4] < wide[at + 3] else 0

    def learn(self, channel: int, apart: int) -> None:
        """Take a value, so far from the last one, into the mean."""
        at, wide = WIDE * channel + 2, self.wide
        if not self.small[SMALL * channel + 6]:
            return
        if not -NEAR < apart < NEAR:
            wide[at] = 0
            return
        off = apart - ((wide[at] + 4) >> 3)
        wide[at] += off - 8 * apart
        wide[at + 1] += abs(apart) - (wide[at + 1] >> 4)
        wide[at + 2] += abs(off) - (wide[at + 2] >> 4)

    def follow(self, channel: int, late_us: int) -> None:
        """Take the present stamp, so late behind the forecast of its channel, into the next forecast."""
        at, wide = WIDE * channel + 5, self.wide
        period = wide[at + 2]
        if -JITTER_US < late_us < JITTER_US:
            low = wide[at] + (period & 0xFFFFFF)
            wide[at + 1] += (period >> 24) + (low >> 24)
            low = (low & 0xFFFFFF) + (late_us >> 3)
            wide[at + 1] += low >> 24
            wide[at] = low & 0xFFFFFF
            return
        period = (period + late_us + 500) // 1000 * 1000
        wide[at + 2] = period if 0 <= period < 1 << 29 else 0
        wide[at] = self.stamp_low
        wide[at + 1] = self.stamp_high

    def restart(self, channel: int) -> None:
        """Take the present stamp for one that no forecast could reach."""
        at = WIDE * channel + 5
        self.wide[at] = self.stamp_low
        self.wide[at + 1] = self.stamp_high
        self.wide[at + 2] = 0

    def put_value(self, step: tuple, count: int, to: bytearray, i: int) -> None:  # type: ignore[type-arg]
        """Write to to[i:i+4] the float32 of a count, with the roundings of a sensor."""
        one = self.one
        one[0] = step[0] + count * step[1] / step[2]
        if step[3] == 1 and not step[4]:
            struct.pack_into("<f", to, i, one[0])
        else:
            struct.pack_into("<f", to, i, step[4] + step[3] * one[0])


def with_inverse(zero: int, num: int, den: int, scale: float, offset: float) -> tuple:  # type: ignore[type-arg]
    """Return what counts are worth, and then gain and offset that bring a value back to its count."""
    gain = den / (num * scale)
    return zero, num, den, scale, offset, gain, -(offset + scale * zero) * gain


class Packer(Model):
    """Writes records into `buf` between `begin(buf, at, end)` and its end; SLACK bytes more are there to write to.

    `steps` has for each channel None or (zero, num, den, scale, offset), the first three whole numbers, for `how` 1.
    """

    def __init__(self, channels: int, steps: list) -> None:  # type: ignore[type-arg]
        """Nothing was written yet."""
        super().__init__(channels)
        self._steps = [step and with_inverse(*step) for step in steps]
        self._four = bytearray(4)
        self._buf = self._four
        self._at = self._end = self._mark = self._count = self._late_us = 0

    def begin(self, buf: bytearray, at: int, end: int) -> int:
        """Write to buf[at:end], cleared, from now on; return how many records that did not fit before are there."""
        mark, held, count = self._mark & 7, b"", self._at - self._mark
        if self._at > self._end:
            held = bytes(memoryview(self._buf)[self._mark >> 3 : (self._at + 7) >> 3])
        for i in range(len(buf)):
            buf[i] = 0
        self._buf = buf
        self._at = self._mark = 8 * at
        self._end = 8 * end
        if held:
            for i in range(mark, mark + count):
                self._bits(held[i >> 3] >> (~i & 7) & 1, 1)
        return 1 if held else 0

    def reset(self) -> None:
        """Forget everything, also what did not fit."""
        super().reset()
        self._at = self._end = 0

    def put(self, source: bytearray, i: int) -> bool:
        """Write the record at source[i:i+12]; return whether it fits. If not, `begin` takes it along."""
        self._mark = self._at
        channel = source[i]
        low = source[i + 2] | source[i + 3] << 8 | source[i + 4] << 16
        high = source[i + 5] | source[i + 6] << 8 | source[i + 7] << 16
        how = 1 if self._counted(channel, source, i + 8) else 0
        kind = self._kind(channel, high, low)
        self._head(channel, source[i + 1], kind, how)
        self.stamp_high, self.stamp_low = high, low
        if kind == DELTA:
            self._rice(channel, 0, self._late_us)
            self.follow(channel, self._late_us)
        elif kind == RAW:
            self._halves(high >> 8, (high & 0xFF) << 8 | low >> 16)
            self._bits(low & 0xFFFF, 16)
            self.restart(channel)
        if how:
            self._number(channel)
        else:
            self._value(channel, source[i + 10] | source[i + 11] << 8, source[i + 8] | source[i + 9] << 8)
        return self._at <= self._end

    def _counted(self, channel: int, source: bytearray, i: int) -> bool:
        """Return whether the float32 at source[i:i+4] is, bit by bit, that of a count: `_count`."""
        step = self._steps[channel]
        if not step:
            return False
        count = struct.unpack_from("<f", source, i)[0] * step[5] + step[6]
        if not -COUNTS < count < COUNTS:
            return False
        self._count = round(count)
        self.put_value(step, self._count, self._four, 0)
        for part in range(4):
            if self._four[part] != source[i + part]:
                return False
        return True

    def _kind(self, channel: int, high: int, low: int) -> int:
        """Return the kind of a stamp; `_late_us` has how far it is behind the forecast."""
        if low == self.stamp_low and high == self.stamp_high:
            return SAME
        at, wide = WIDE * channel + 5, self.wide
        high -= wide[at + 1]
        if not -16 < high < 48:
            return RAW
        late_us = ((high - (wide[at + 2] >> 24)) << 24) + low - wide[at] - (wide[at + 2] & 0xFFFFFF)
        if not -0x10000000 < late_us < 0x10000000:
            return RAW
        self._late_us = late_us
        return DELTA

    def _head(self, channel: int, quality: int, kind: int, how: int) -> None:
        """Say which channel, quality, kind and how, unless they are the expected ones."""
        small, at = self.small, SMALL * channel
        expected = small[SMALL * self.last]
        what = kind | how << 2
        if channel != expected or quality != small[at + 1] or what != small[at + 2]:
            ones = self.ones(expected)
            self._bits((1 << ones) - 1, ones)
            self._bits(channel << 7 | quality << 3 | kind << 1 | how, 15)
            small[SMALL * self.last] = channel
            small[at + 1] = quality
            small[at + 2] = what if kind != RAW else DELTA | how << 2
            if how and not small[at + 7]:
                small[at + 7] = 1
                self._tell(self._steps[channel])
        self.last = channel

    def _tell(self, step: tuple) -> None:  # type: ignore[type-arg]
        """Say what a count of a channel is worth."""
        for part in step[:3]:
            self._bits(part & 0xFFFF, 16)
        if step[3] == 1 and not step[4]:
            self._bits(0, 1)
            return
        self._bits(1, 1)
        for byte in struct.pack("<dd", step[3], step[4]):
            self._bits(byte, 8)

    def _number(self, channel: int) -> None:
        """Write the count."""
        at = WIDE * channel + 8
        apart = self._count - self.wide[at]
        self.wide[at] = self._count
        off = apart - self.ahead(channel)
        self.learn(channel, apart)
        self._rice(channel, 1, off)

    def _value(self, channel: int, high: int, low: int) -> None:
        """Write a float32, given as its upper and lower half."""
        at, known = channel * DEPTH, self.small[SMALL * channel + 8]
        place = self.place(channel, high, low)
        if known and place < DEPTH:
            self.wide[WIDE * channel + 2] = 0
            self._bits((2 << place) - 2 if place < DEPTH - 1 else (1 << place) - 1, place + 1 + (place < DEPTH - 1))
            self.remember(channel, place, high, low)
            return
        if known:
            self._bits(1, 1)
        apart = high - self.high[at]
        if -0x800 < apart < 0x7FF:
            apart = apart * 0x10000 + low - self.low[at]
            off = apart - self.ahead(channel)
            self.learn(channel, apart)
            self._rice(channel, 1, off)
        else:
            self._bits(0x3FE, 10)
            self._halves(high, low)
            self.wide[WIDE * channel + 2] = 0
        self.remember(channel, place, high, low)

    def _rice(self, channel: int, code: int, n: int) -> None:
        """Write a signed number with the k of the channel's stamps (0) or values (1)."""
        z = n << 1 if n >= 0 else (-n << 1) - 1
        k = self.small[SMALL * channel + 3 + code]
        if z >> k < MANY:
            self._bits((1 << (z >> k)) - 1 << 1, (z >> k) + 1)
        else:
            k = 30
            self._bits(0x1FE, 9)
        if k > 15:
            self._bits(z >> 15 & (1 << k - 15) - 1, k - 15)
            k = 15
        self._bits(z & (1 << k) - 1, k)
        self.adapt(channel, code, z)

    def _halves(self, high: int, low: int) -> None:
        """Write 32 bits."""
        self._bits(high, 16)
        self._bits(low, 16)

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
