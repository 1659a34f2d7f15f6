"""Prints how many bytes of heap each hot path takes in 100 rounds. Runs on MicroPython only.

Meant for the 32-bit VM: on 64 bits an int of 2**30 is free and the figures say nothing of a board.
"""

import gc

from protocol import cobs, crc32, frames, framing, interlock, lease, record, stamp

LATE = (1 << 30) - 1
BOOT = bytes(8)
VALUE = 1.5
N = 800

data = bytearray(N + 4)
for i in range(N):
    data[i] = i * 7 & 255
encoded = bytearray(cobs.encoded_max(N))
decoded = bytearray(N + 8)
encoded_end = cobs.encode_into(data, N, encoded)
writer = framing.FrameWriter(frames.MAX_BODY_TO_HOST)
decoder = framing.Decoder(frames.MAX_BODY_TO_HOST)
clock = stamp.WrapClock(lambda: LATE)
held = lease.Lease()
held.grant("edge", 0, 1000000)
pair = interlock.Exclusive(2, 100)


def control():
    bytearray(1)


def cobs_encode():
    cobs.encode_into(data, N, encoded)


def cobs_decode():
    cobs.decode_into(encoded, 0, encoded_end, decoded)


def crc_append():
    crc32.append(data, N)


def crc_check():
    crc32.check(data, N + 4)


def record_put():
    record.put(data, 0, 255, 9, LATE >> 12, LATE, VALUE)


def samples_frame():
    writer.packer.reset()
    frames.put_samples(writer.packer, BOOT, LATE, 768)
    writer.packer.raw(data, 768)
    return writer.finish()


def sync_frame():
    writer.packer.reset()
    frames.put_sync(writer.packer, LATE, 1, LATE, 2, LATE)
    writer.finish()


def decoder_bytes():
    for i in range(frame_end):
        decoder.feed_byte(writer.wire[i])


def decoder_chunk():
    decoder.feed(writer.wire, frame_end)
    while decoder.next():
        pass


def decoder_noise():
    for i in range(N):
        decoder.feed_byte(data[i])


def clock_now():
    clock.now()


def stamp_diff():
    stamp.diff_ms(700, 5, 1, LATE)


def lease_renew():
    held.renew(held.fence, 5, 1000000)
    held.lapsed(6)
    held.left_ms(6)


def interlock_allow():
    pair.allow(1, 1, True, 5)
    pair.allow(0, 1, True, 500)


PATHS = (
    control,
    cobs_encode,
    cobs_decode,
    crc_append,
    crc_check,
    record_put,
    sync_frame,
    samples_frame,
    decoder_bytes,
    decoder_chunk,
    decoder_noise,
    clock_now,
    stamp_diff,
    lease_renew,
    interlock_allow,
)
NAMES = [
    "control", "cobs_encode", "cobs_decode", "crc_append", "crc_check", "record_put", "sync_frame",
    "samples_frame", "decoder_bytes", "decoder_chunk", "decoder_noise", "clock_now", "stamp_diff",
    "lease_renew", "interlock_allow",
]  # fmt: skip

frame_end = samples_frame()
taken = [0] * len(PATHS)
gc.collect()
gc.disable()
for index, path in enumerate(PATHS):
    path()
    taken[index] = gc.mem_alloc()
    for _ in range(100):
        path()
    taken[index] = gc.mem_alloc() - taken[index]
for name, n_bytes in zip(NAMES, taken):  # noqa: B905 - MicroPython's zip has no strict
    print(name, n_bytes)
