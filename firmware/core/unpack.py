"""Reads what `pack.py` wrote. A module of its own, as a board needs it only after an outage. Sans-IO, both VMs."""

import struct

from .pack import DELTA, DEPTH, MANY, RAW, SMALL, WIDE, Model


class Unpacker(Model):
    """Gives back records, in order, from where `begin(buf, at)` says; a page with SLACK bytes behind it."""

    def __init__(self, channels: int) -> None:
        """Nothing was read yet."""
        super().__init__(channels)
        self._steps = [()] * channels

    def begin(self, buf: bytearray, at: int) -> None:
        """Read from buf[at:] from now on."""
        self._buf = buf
        self._at = 8 * at

    def get(self, to: bytearray, i: int) -> None:
        """Write the next record to to[i:i+12]. Raises: IndexError, the bits are not of a packer."""
        small = self.small
        channel = small[SMALL * self.last]
        what = small[SMALL * channel + 2]
        ones = self.ones(channel)
        start = self._at
        if self._bits(ones) == (1 << ones) - 1:
            channel, what = self._head()
        else:
            self._at = start
        self.last = channel
        self._stamp(channel, what & 3)
        to[i] = channel
        to[i + 1] = small[SMALL * channel + 1]
        low, high = self.stamp_low, self.stamp_high
        for part in range(3):
            to[i + 2 + part] = low >> 8 * part & 0xFF
            to[i + 5 + part] = high >> 8 * part & 0xFF
        if what >> 2:
            self._number(channel, to, i + 8)
            return
        self._value(channel)
        low, high = self.low[channel * DEPTH], self.high[channel * DEPTH]
        to[i + 8], to[i + 9] = low & 0xFF, low >> 8
        to[i + 10], to[i + 11] = high & 0xFF, high >> 8

    def _head(self) -> tuple:  # type: ignore[type-arg]
        """Return (channel, kind | how << 2) of a record that is not as expected."""
        small, n = self.small, self._bits(15)
        channel, kind, how = n >> 7, n >> 1 & 3, n & 1
        at = SMALL * channel
        small[SMALL * self.last] = channel
        small[at + 1] = n >> 3 & 15
        small[at + 2] = (kind if kind != RAW else DELTA) | how << 2
        if how and not small[at + 7]:
            small[at + 7] = 1
            self._steps[channel] = self._told()
        return channel, kind | how << 2

    def _told(self) -> tuple:  # type: ignore[type-arg]
        """Return what a count of a channel is worth."""
        zero = self._bits(16)
        num = self._bits(16)
        step = (zero - (zero >> 15 << 16), num, self._bits(16))
        if not self._bits(1):
            return step + (1, 0)
        return step + struct.unpack("<dd", bytes([self._bits(8) for _ in range(16)]))

    def _stamp(self, channel: int, kind: int) -> None:
        """Bring the stamp up to date."""
        if kind == DELTA:
            z = self._z(channel, 0)
            self.adapt(channel, 0, z)
            late_us = self._signed(z)
            at, wide = WIDE * channel + 5, self.wide
            low = wide[at] + (wide[at + 2] & 0xFFFFFF) + (late_us & 0xFFFFFF)
            self.stamp_high = wide[at + 1] + (wide[at + 2] >> 24) + (late_us >> 24) + (low >> 24)
            self.stamp_low = low & 0xFFFFFF
            self.follow(channel, late_us)
        elif kind == RAW:
            high = self._bits(16)
            low = self._bits(16)
            self.stamp_high = high << 8 | low >> 8
            self.stamp_low = (low & 0xFF) << 16 | self._bits(16)
            self.restart(channel)

    def _number(self, channel: int, to: bytearray, i: int) -> None:
        """Write the value of the next count."""
        at = WIDE * channel + 8
        apart = self._apart(channel, self._z(channel, 1))
        self.wide[at] += apart
        self.put_value(self._steps[channel], self.wide[at], to, i)

    def _value(self, channel: int) -> None:
        """Put the next value in front of its channel's."""
        at = channel * DEPTH
        if self.small[SMALL * channel + 8] and not self._bits(1):
            place = self._ones(DEPTH - 1)
            self.wide[WIDE * channel + 2] = 0
            high, low = self.high[at + place], self.low[at + place]
        else:
            z = self._z(channel, 1)
            if z < 0:
                self.wide[WIDE * channel + 2] = 0
                high = self._bits(16)
                low = self._bits(16)
            else:
                low = self.low[at] + self._apart(channel, z)
                high = self.high[at] + (low >> 16)
                low &= 0xFFFF
        self.remember(channel, self.place(channel, high, low), high, low)

    def _apart(self, channel: int, z: int) -> int:
        """Return how far a value is from the last one."""
        apart = self._signed(z) + self.ahead(channel)
        self.learn(channel, apart)
        self.adapt(channel, 1, z)
        return apart

    def _z(self, channel: int, code: int) -> int:
        """Return a number that is not signed yet, or -1 for the sign that none follows."""
        k = self.small[SMALL * channel + 3 + code]
        q = self._ones(MANY)
        if q == MANY:
            if self._bits(1):
                self._bits(1)
                return -1
            q, k = 0, 30
        z = q << k
        if k > 15:
            z |= self._bits(k - 15) << 15
            k = 15
        return z | self._bits(k)

    def _signed(self, z: int) -> int:
        """Return n of zigzag(n)."""
        return -(z + 1 >> 1) if z & 1 else z >> 1

    def _ones(self, most: int) -> int:
        """Return how many ones come before a zero, which is skipped, or `most`, after which there is none."""
        n = 0
        while n < most and self._bits(1):
            n += 1
        return n

    def _bits(self, count: int) -> int:
        """Return the next `count` bits, at most 16."""
        at = self._at
        self._at = at + count
        n, buf = 0, self._buf
        for i in range(at >> 3, (at + count + 7) >> 3):
            n = n << 8 | buf[i]
        return n >> (-(at + count) & 7) & (1 << count) - 1
