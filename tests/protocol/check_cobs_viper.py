"""Compares COBS in native code with a reference whose every sum is masked to a chip's 32 bits. Runs on MicroPython.

Prints how many cases agreed, a line for each that did not, and the heap that 100 frames took. The buffer lies within a
larger one, whose rim must stay as it was: native code writes unchecked.
"""

import gc

from protocol import cobs

SEED = 20261201
RIM = b"\xa5" * 40


def mask(number, bits=32):
    """Return `number` as a signed word of `bits` bits holds it."""
    half = 1 << (bits - 1)
    return ((number + half) & ((1 << bits) - 1)) - half


def reference(src, n, dst, at):
    """Return what encoding must: written anew from the definition, each sum masked to 32 bits."""
    code_at = at
    at = mask(at + 1)
    code = 1
    for i in range(n):
        if src[i]:
            dst[at] = src[i]
            at = mask(at + 1)
            code = mask(code + 1)
        if not src[i] or (code == 255 and i + 1 < n):
            dst[code_at] = code
            code_at = at
            at = mask(at + 1)
            code = 1
    dst[code_at] = code
    return at


def plain(src, n, dst, at):
    """Encode in Python, whatever the VM can; refuse as the definition of `encode_into` says."""
    if not (0 <= n <= len(src) and at >= 0 and at + cobs.encoded_max(n) <= len(dst)):
        raise IndexError("COBS: buffer too short")
    return cobs.stuff_plain(src, n, dst, at)


def outcome(encode, src, n, room, at):
    """Return (end or the error's text, the buffer with its rim) of one call."""
    whole = bytearray(RIM + bytes(room) + RIM)
    try:
        end = encode(src, n, memoryview(whole)[len(RIM) : len(RIM) + room], at)
    except IndexError as error:
        end = str(error)
    return end, bytes(whole)


def inputs():
    """Yield byte strings: all short ones of three letters, runs around the block length, and random ones."""
    for length in range(8):
        for number in range(3**length):
            yield bytes([b"\x00\x01\xff"[number // 3**place % 3] for place in range(length)])
    for length in (253, 254, 255, 507, 508, 509, 762, 1016):
        for tail in (b"", b"\0", b"\0\0", b"x", b"x\0"):
            yield b"y" * length + tail
            yield b"\0" + b"y" * length + tail
    state = SEED
    for length in range(300):
        data = bytearray(length)
        for i in range(length):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            data[i] = 0 if state >> 28 == 0 else state >> 16 & 255
        yield bytes(data)


def same_output():
    """Return how many inputs gave the same bytes, at several places of the buffer."""
    count = 0
    for data in inputs():
        n = len(data)
        for at in (0, 1, 7):
            room = at + cobs.encoded_max(n)
            found = outcome(cobs.encode_into, data, n, room, at)
            if found != outcome(reference, data, n, room, at):
                print("differs", data, at, found)
            if found != outcome(plain, data, n, room, at):
                print("plain differs", data, at)
            count += 1
    return count


def same_refusals():
    """Return how many lengths and places were taken or refused alike, also those that a chip's word would cut."""
    count = 0
    data = b"ab\0cd"
    huge = (1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) + 3, 1 << 63, (1 << 63) - 1, 1 << 64, (1 << 64) + 3)
    numbers = tuple(range(-2, 8)) + huge + tuple([-number for number in huge])
    for n in numbers:
        for at in numbers:
            for room in (0, 1, 5, 6, 9, 12):
                found = outcome(cobs.encode_into, data, n, room, at)
                if found != outcome(plain, data, n, room, at):
                    print("refuses otherwise", n, at, room, found)
                count += 1
    return count


def heap_taken():
    """Return the bytes of heap that 100 frames of 800 bytes take."""
    data = bytearray(bytes(range(200)) * 4)
    out = bytearray(cobs.encoded_max(len(data)))
    cobs.encode_into(data, len(data), out)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(100):
        cobs.encode_into(data, len(data), out)
    taken = gc.mem_alloc() - before
    gc.enable()
    return taken


if __name__ == "__main__":
    print("native", cobs.stuff is not cobs.stuff_plain)
    print("outputs", same_output())
    print("refusals", same_refusals())
    print("heap", heap_taken())
