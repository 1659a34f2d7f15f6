"""Times COBS encoding in native code and in Python on the VM that runs this; prints JSON: us a frame by size.

Sizes: 64 bytes, a frame of six samples, the largest frame to a host; each about one zero in 16 bytes. Both go through
`cobs.encode_into`, in turn, five times; the least time of each counts, less that of an empty call.
"""

import json
import time

from protocol import cobs, frames

SIZES = (64, 24 + 6 * 12, frames.MAX_BODY_TO_HOST + 4)
ROUNDS = 5
BYTES = 100000


def nothing(src, n, dst):
    """The cost of a call."""
    return n


def us_a_frame(encode, src, dst):
    """Return the microseconds that a call takes."""
    count = BYTES // len(src)
    n = len(src)
    start_us = time.ticks_us()
    for _ in range(count):
        encode(src, n, dst)
    return time.ticks_diff(time.ticks_us(), start_us) / count


def measure(n):
    """Return the row of one size."""
    src = bytearray([i * 37 % 16 and i % 255 + 1 for i in range(n)])
    dst = bytearray(cobs.encoded_max(n))
    native = cobs.stuff
    best = [1e9, 1e9, 1e9]
    for _ in range(ROUNDS):
        for place, stuff in enumerate((cobs.stuff_plain, native)):
            cobs.stuff = stuff
            best[place] = min(best[place], us_a_frame(cobs.encode_into, src, dst))
        best[2] = min(best[2], us_a_frame(nothing, src, dst))
    plain_us, native_us = best[0] - best[2], best[1] - best[2]
    return {"bytes": n, "plain_us": plain_us, "native_us": native_us, "ratio": plain_us / native_us}


if cobs.stuff is cobs.stuff_plain:
    raise RuntimeError("this VM has no native code, there is nothing to compare")
print(json.dumps([measure(n) for n in SIZES]))
