"""A-weighted sound levels of a stream of samples: equivalent level, highest level with time weighting F, peak.

`sound_kernel` filters each sample with whole numbers; here is what happens once in 8 ms and once a reading. A reading
takes floats of 16 bytes, what comes before none.

The A-weighting of IEC 61672-1:2013, annex E, has four real poles and four zeros at 0 Hz: a pair of low-passes at f4 and
high-passes at f1 (two), f2, f3. Each is a section of first order here. High-passes are bilinear; low-passes, which may
lie above half the sample rate, have their pole by impulse invariance and their zero so that the gain is right at 0 Hz
and at half the sample rate. Where a section is rounded to eight bits, its response is known all the same: what the
whole filter gives at 1 kHz is taken off.

Source: IEC 61672-1:2013, 5.5, 5.8, annex E. Tolerances that this keeps: tests/drivers/test_sound.py.
"""

import math
from array import array

try:
    from .sound_kernel_native import weigh  # type: ignore # the kit made it
except (ImportError, ValueError):  # there is none, or it is another processor
    from .sound_kernel import weigh

_POLES_HZ = (20.598997, 107.65265, 737.86223)  # annex E, table E.1: f1 (twice), f2, f3
_POLE_PAIR_HZ = 12194.217  # f4
_BLOCKS_A_SECOND = 125  # 8 ms: a sixteenth of the time constant of F (125 ms), so that a shift does the averaging
_LOW_BITS = 0xFFFFF
_ZERO = 0x10000000
_HIGH, _LOW, _HH, _HL, _LL = 15, 16, 17, 18, 19  # places in the kernel's state
_FULL = 0x7FFF0  # a sample of 20 bits at which the converter is at its end
_DB = 4.3429448  # 10 / ln 10
_DB2 = 8.6858896
_LIMB_DB = 60.206  # 10 lg 2 ** 20
_FULL_SCALE_DB = 111.3811  # 10 lg of 2 ** 37, the mean square of a full-scale sine in counts of 20 bits


def checked_rate(rate_hz: int) -> int:
    """Return the sample rate in Hz. Raises: ValueError if blocks of 8 ms are no whole number of its samples."""
    if not isinstance(rate_hz, int) or not 8000 <= rate_hz <= 48000 or rate_hz % _BLOCKS_A_SECOND:
        raise ValueError(f"rate_hz: found {rate_hz!r}; expected a multiple of 125 from 8000 to 48000")
    return rate_hz


def weights(rate_hz: int) -> list:
    """Return the kernel's numbers: zero and pole of the low-passes in 1/256; factor and shift of f1, f2, f3."""
    a = round(256 * math.exp(-2 * math.pi * _POLE_PAIR_HZ / rate_hz))
    gain = 1 / math.sqrt(1 + (rate_hz / 2 / _POLE_PAIR_HZ) ** 2)
    found = [round((256 - a - gain * (256 + a)) / 2), a]
    for pole_hz in _POLES_HZ:
        half = math.tan(math.pi * pole_hz / rate_hz)
        factor, shift = 2 * half / (1 + half), 0
        while factor < 127.5:
            factor, shift = factor * 2, shift + 1
        found += [round(factor), shift]
    return found


def response_db(numbers, rate_hz: int, frequency_hz: float) -> float:
    """Return what the kernel with these numbers does to a tone, in dB."""
    square = math.sin(math.pi * frequency_hz / rate_hz) ** 2
    b, a = numbers[0] / 256, numbers[1] / 256
    power = ((1 - a) ** 2 - 4 * (1 - b - a) * b * square) / ((1 - a) ** 2 + 4 * a * square)
    power *= power
    for place, times in ((2, 2), (4, 1), (6, 1)):
        k = numbers[place] / (1 << numbers[place + 1])
        power *= (4 * square / (k * k + 4 * (1 - k) * square)) ** times
    return _DB * math.log(power)


def compensate_level(mean_square: float, sensitivity_dbfs: float) -> float:
    """Return the level in dB of a mean square in counts of 20 bits; sensitivity: what 94 dB are, below full scale."""
    return _DB * math.log(mean_square) - _FULL_SCALE_DB - sensitivity_dbfs + 94


def _decibels(high, low: int, count: int) -> float:
    """10 lg of an energy in limbs of 20 bits over a number of samples, in units of the upper limb."""
    if high >= 512:
        return _DB * math.log(high / count)
    return _DB * math.log(((high << 20) + low + 1) / count) - _LIMB_DB


class Levels:
    """What is added up since `begin`: `blocks` of 8 ms, of which `dead_blocks` had the same value throughout."""

    def __init__(self, rate_hz: int, sensitivity_dbfs: float) -> None:
        numbers = weights(rate_hz)
        self.block = rate_hz // _BLOCKS_A_SECOND
        self._state = array("i", numbers + [_ZERO] * 9 + [0] * 3)
        self._peak_db = compensate_level(1.0, sensitivity_dbfs)
        self._mean_db = self._peak_db - response_db(numbers, rate_hz, 1000) + _LIMB_DB
        self._filled = 0
        self._fast1 = self._fast0 = 0
        self._new_extremes()
        self.begin()

    def begin(self) -> None:
        """Forget what was added up; filter and time weighting go on."""
        self.blocks = self.dead_blocks = self.peak = 0
        self._sum2 = self._sum1 = self._sum0 = 0
        self._max1, self._max0 = self._fast1, self._fast0

    def feed(self, buf, count: int) -> None:
        """Take `count` words of `buf`. Allocates nothing."""
        at = 0
        while at < count:
            take = min(count - at, self.block - self._filled)
            weigh(buf, at, take, self._state)
            at += take
            self._filled += take
            if self._filled == self.block:
                self._close_block()

    @property
    def overloaded(self) -> bool:
        """Whether a sample was at the end of the converter's range."""
        return self.peak >= _FULL

    def put(self, values) -> None:
        """Put equivalent level, highest F-weighted level, both in dB(A), and peak in dB in values[0..2]."""
        high = self._sum2 * 1048576.0 + self._sum1 if self._sum2 else self._sum1
        values[0] = _decibels(high, self._sum0, self.blocks * self.block) + self._mean_db
        values[1] = _decibels(self._max1, self._max0, self.block) + self._mean_db
        values[2] = _DB2 * math.log(self.peak or 1) + self._peak_db

    def _close_block(self) -> None:
        """Add the energy of a whole block, two limbs of 20 bits and more, to the sum and to what F remembers."""
        s = self._state
        low = s[_LL] + ((s[_HL] & 0x1FF) << 11)
        high = s[_HH] + (s[_HL] >> 9) + (low >> 20)
        low &= _LOW_BITS
        s[_HH] = s[_HL] = s[_LL] = 0
        self._filled = 0
        self.blocks += 1
        self._extremes()
        self._sum0 += low
        self._sum1 += (high & _LOW_BITS) + (self._sum0 >> 20)
        self._sum0 &= _LOW_BITS
        self._sum2 += (high >> 20) + (self._sum1 >> 20)
        self._sum1 &= _LOW_BITS
        self._weigh_fast(high - self._fast1, low - self._fast0)

    def _weigh_fast(self, high: int, low: int) -> None:
        """Move what F remembers a sixteenth of the way to the new energy; note the highest."""
        low = self._fast0 + (((high & 15) << 20) + low >> 4)
        self._fast1 += (high >> 4) + (low >> 20)
        self._fast0 = low & _LOW_BITS
        if self._fast1 > self._max1 or (self._fast1 == self._max1 and self._fast0 > self._max0):
            self._max1, self._max0 = self._fast1, self._fast0

    def _extremes(self) -> None:
        """Note the block's highest sample, and whether it had but one."""
        highest, lowest = self._state[_HIGH] - _ZERO, self._state[_LOW] - _ZERO
        if highest == lowest:
            self.dead_blocks += 1
        self.peak = max(self.peak, highest, -lowest)
        self._new_extremes()

    def _new_extremes(self) -> None:
        self._state[_HIGH] = _ZERO - _FULL - 16
        self._state[_LOW] = _ZERO + _FULL + 16
