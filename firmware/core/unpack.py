"""Reads what `pack.py` wrote. A module of its own, as a board needs it only after an outage. Sans-IO, both VMs."""

from .pack import DELTA, DEPTH, MANY, RAW, Model


class Unpacker(Model):
    """Gives back records, in order, from where `begin(buf, at)` says; a page of 256 bytes with what follows zero."""

    def begin(self, buf: bytearray, at: int) -> None:
        """Read from buf[at:] from now on."""
        self._buf = buf
        self._at = 8 * at

    def get(self, to: bytearray, i: int) -> None:
        """Write the next record to to[i:i+12]. Raises: IndexError, the bits are not of a packer."""
        small = self.small
        if self._bits(1):
            n = self._bits(14)
            channel = small[5 * self.last] = n >> 6
            small[5 * channel + 1] = n >> 2 & 15
            small[5 * channel + 2] = n & 3
        else:
            channel = small[5 * self.last]
        self.last = channel
        self._stamp(channel, small[5 * channel + 2])
        to[i] = channel
        to[i + 1] = small[5 * channel + 1]
        low, high = self.stamp_low, self.stamp_high
        for part in range(3):
            to[i + 2 + part] = low >> 8 * part & 0xFF
            to[i + 5 + part] = high >> 8 * part & 0xFF
        self._value(channel)
        low, high = self.low[channel * DEPTH], self.high[channel * DEPTH]
        to[i + 8], to[i + 9] = low & 0xFF, low >> 8
        to[i + 10], to[i + 11] = high & 0xFF, high >> 8

    def _stamp(self, channel: int, kind: int) -> None:
        """Bring the stamp up to date."""
        if kind == DELTA:
            step = self.step[channel] = self.step[channel] + self._signed(self._z(5 * channel + 3))
            low = self.stamp_low + (step & 0xFFFFFF)
            self.stamp_low = low & 0xFFFFFF
            self.stamp_high += (step >> 24) + (low >> 24)
        elif kind == RAW:
            high = self._bits(12) << 12
            self.stamp_high = high | self._bits(12)
            low = self._bits(12) << 12
            self.stamp_low = low | self._bits(12)

    def _value(self, channel: int) -> None:
        """Put the next value in front of its channel's."""
        at = channel * DEPTH
        if not self._bits(1):
            place = self._ones(DEPTH - 1)
            self.remember(channel, place, self.high[at + place], self.low[at + place])
            return
        z = self._z(5 * channel + 4)
        if z < 0:
            high = self._bits(16)
            self.remember(channel, DEPTH, high, self._bits(16))
            return
        low = self.low[at] + self._signed(z)
        self.remember(channel, DEPTH, self.high[at] + (low >> 16), low & 0xFFFF)

    def _z(self, at: int) -> int:
        """Return a number that is not signed yet, or -1 for the sign that none follows."""
        k = self.small[at]
        q = self._ones(MANY)
        if q == MANY:
            if self._bits(1):
                return -1
            q, k = 0, 30
        z = q << k
        if k > 15:
            z |= self._bits(k - 15) << 15
            k = 15
        z |= self._bits(k)
        self.adapt(at, z)
        return z

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
