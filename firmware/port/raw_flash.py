"""The raw flash of an RP2040 behind its file system, for the flash ring.

MicroPython's own `_boot.py` gives all of the flash to the file system, and formats it when that is of another size: the
ring needs one that mounts `rp2.Flash(start=0, len=START)` only, see docs/flash.md. Nothing is written before the
superblock says that the file system ends below the ring.
Source: littlefs SPEC.md, "Superblock": block_count; MicroPython 1.28, ports/rp2/rp2_flash.c.
"""

import struct

import rp2

from firmware.core.spill import Spill

_SECTOR = 4096
_MAGIC_AT = 8
_COUNT_AT = 28


def file_system_end() -> int:
    """Where the file system ends, in bytes from the start of `rp2.Flash`. Raises: ValueError, there is none."""
    flash, found = rp2.Flash(), bytearray(_COUNT_AT + 4)
    for block in range(2):
        flash.readblocks(block, found, 0)
        if found[_MAGIC_AT : _MAGIC_AT + 8] == b"littlefs":
            return struct.unpack_from("<I", found, _COUNT_AT)[0] * _SECTOR
    raise ValueError("no littlefs")


def open_spill(config: dict) -> tuple:  # type: ignore[type-arg]
    """The (flash ring or None, why there is none) of board.json."""
    start, size = config["flash"]
    channels = sum([len(entry["channels"]) for entry in config["sensors"]])
    try:
        end = file_system_end()
        if end > start:
            return None, "no flash ring: the file system ends at %d, expected %d at most; see docs/flash.md" % (
                end,
                start,
            )
        return Spill(rp2.Flash(start=start, len=size), channels), ""
    except (ValueError, OSError) as error:
        return None, "no flash ring at %d, %d bytes: %r; see docs/flash.md" % (start, size, error)
