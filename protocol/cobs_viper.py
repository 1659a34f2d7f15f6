# mypy: ignore-errors
"""The loop of COBS encoding as native code; `cobs.py` takes it from here where the VM can make or load such code.

Its integers are words of the chip, 32 bits on boards, and memory is written unchecked: `cobs.encode_into` compared all
lengths before. Runs on MicroPython with an emitter (RP2040, RP2350, ESP32-S3, unix) only.

Source: as `cobs.py`; MicroPython reference, "Maximising MicroPython speed", viper code emitter.
"""

import micropython


@micropython.viper
def stuff(src, n: int, dst, at: int) -> int:
    """Return what `cobs.stuff_plain` does, many times as fast. Allocates nothing."""
    data = ptr8(src)  # noqa: F821 (viper's own name)
    out = ptr8(dst)  # noqa: F821
    code_at = at
    at += 1
    code = 1
    i = 0
    while i < n:
        if code == 255:
            out[code_at] = 255
            code_at = at
            at += 1
            code = 1
        byte = data[i]
        i += 1
        if byte:
            out[at] = byte
            at += 1
            code += 1
        else:
            out[code_at] = code
            code_at = at
            at += 1
            code = 1
    out[code_at] = code
    return at
