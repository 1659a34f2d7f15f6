"""On the MicroPython VM: real littlefs on a flash that loses power at any block operation, mid-page too.

`firmware.port.flash.Files.replace` must leave the old or the new text. Prints one line per cut that does harm, and
how many cuts there were. Argument `remove_first` plants a bug: the old file is removed before the new one is renamed.
"""

import gc
import os
import sys

from firmware.port.flash import Files

BLOCK, BLOCKS = 512, 64
ERASED = b"\xff" * BLOCK
TEXTS = [f"text {n} " * (n * 37 + 1) for n in range(12)]


class Flash:
    """Block device; operation number `cut_at` is done in part only, and all later ones fail.

    It answers with -EIO and does not raise: littlefs also writes when the collector closes a file.
    """

    def __init__(self, data, cut_at):
        self.data, self.cut_at, self.count = data, cut_at, 0

    def _act(self, at, buf):
        self.count += 1
        if self.count > self.cut_at:
            return -5
        size = len(buf)
        if self.count == self.cut_at:
            size //= 2
        self.data[at : at + size] = buf[:size]
        return 0 if size == len(buf) else -5

    def readblocks(self, n, buf, off=0):
        at = n * BLOCK + off
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, n, buf, off=None):
        if off is None:
            self.ioctl(6, n)
            off = 0
        return self._act(n * BLOCK + off, buf)

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK
        if op == 6:
            return self._act(arg * BLOCK, ERASED)
        return 0


def _remove_first(name, text):
    with open(name + ".new", "w") as file:
        file.write(text)
    try:  # noqa: SIM105 (no contextlib on the VM)
        os.remove(name)
    except OSError:
        pass
    os.rename(name + ".new", name)


def _run(cut_at, replace):
    """Replace a file again and again until the power goes; return (flash content, last done, last begun)."""
    flash = Flash(bytearray(b"\xff" * BLOCK * BLOCKS), 1 << 30)
    os.VfsLfs2.mkfs(flash)
    flash.count, flash.cut_at = 0, cut_at
    done = begun = -1
    try:
        os.mount(os.VfsLfs2(flash), "/cut")
        for n in range(len(TEXTS)):
            begun = n
            replace("/cut/state.json", TEXTS[n])
            done = n
    except OSError:
        pass
    os.umount("/cut")
    gc.collect()  # files that the cut left open are closed now, not when the flash works again
    return flash, done, begun


def main():
    replace = _remove_first if "remove_first" in sys.argv else Files().replace
    cuts = 0
    while True:
        cuts += 1
        flash, done, begun = _run(cuts, replace)
        if flash.count < cuts:
            break
        flash.cut_at = 1 << 30
        os.mount(os.VfsLfs2(flash), "/cut")
        found = Files().read("/cut/state.json")
        os.umount("/cut")
        if found not in ([None] if done < 0 else [TEXTS[done]]) and (begun < 0 or found != TEXTS[begun]):
            print("cut", cuts, "done", done, "begun", begun, "found", found and found[:12])
    print("cuts", cuts - 1)


main()
