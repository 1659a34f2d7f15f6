"""A-weighting of 24-bit samples in whole numbers: the loop that runs for each sample, and nothing else.

Plain Python that allocates nothing where small integers have 31 bits; from the line marked `native` the kit also makes
machine code for the board's processor (`sound_kernel_native`), with the same results bit for bit. `sound.py` says what
the numbers mean.
"""


def ptr8(buf):
    """The buffer itself: only machine code wants its address."""
    return buf


ptr32 = ptr8


# native: viper
def weigh(buf, start, count, state):  # noqa: PLR0915 (calls cost more than the loop)
    """Filter `count` little-endian words of `buf` from word `start` on; add up in `state` what `sound.py` reads."""
    raw = ptr8(buf)
    s = ptr32(state)
    zero = 0x10000000  # memory is stored above it, as machine code of 64 bits loads words without a sign
    b, a = s[0], s[1]
    k1, n1 = s[2], s[3]
    k2, n2 = s[4], s[5]
    k3, n3 = s[6], s[7]
    r1 = 1 << n1 >> 1
    r2 = 1 << n2 >> 1
    r3 = 1 << n3 >> 1
    x1, u, v = s[8] - zero, s[9] - zero, s[10] - zero
    h1, h2 = s[11] - zero, s[12] - zero
    h3, h4 = s[13] - zero, s[14] - zero
    high, low = s[15] - zero, s[16] - zero
    hh, hl, ll = s[17], s[18], s[19]
    at = int(start) * 4
    end = at + int(count) * 4
    while at < end:
        x = raw[at + 3] << 16 | raw[at + 2] << 8 | raw[at + 1]
        if x & 0x800000:
            x -= 0x1000000
        x >>= 4
        if x > high:  # noqa: PLR1730 (so are these three: max() is no machine code)
            high = x
        if x < low:  # noqa: PLR1730
            low = x
        w = x + (b * (x1 - x) + a * (u - x) + 128 >> 8)
        x1 = x
        x = w + (b * (u - w) + a * (v - w) + 128 >> 8)
        u = w
        w = h1 - (k1 * h1 + r1 >> n1) + x - v
        v = x
        x = h2 - (k1 * h2 + r1 >> n1) + w - h1
        h1 = w
        w = h3 - (k2 * h3 + r2 >> n2) + x - h2
        h2 = x
        x = h4 - (k3 * h4 + r3 >> n3) + w - h3
        h3, h4 = w, x
        if x < 0:
            x = -x
        if x > 0xFFFFF:  # noqa: PLR1730
            x = 0xFFFFF
        w = x >> 10
        x &= 0x3FF
        hh += w * w
        hl += w * x
        ll += x * x
        at += 4
    s[8], s[9], s[10] = x1 + zero, u + zero, v + zero
    s[11], s[12] = h1 + zero, h2 + zero
    s[13], s[14] = h3 + zero, h4 + zero
    s[15], s[16] = high + zero, low + zero
    s[17], s[18], s[19] = hh, hl, ll
