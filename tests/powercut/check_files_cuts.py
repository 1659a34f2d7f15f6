"""On the MicroPython VM: settings, `state.json` and the flash ring on one flash that loses power, under real littlefs.

    micropython check_files_cuts.py SEED CUTS [BUG]

The flash is a NOR flash mounted as `/`, as a board has it; an operation that is cut leaves a page or a sector half
done. A life opens the ring as a start does, then commits settings, replaces `state.json`, writes pages of the ring and
erases its blocks, in random order. After each cut there are the old settings or the new ones, the old state or the new
one, a file nobody wrote, and each page that was in the ring. Sometimes somebody removes files of the ring between two
lives. Prints a line per harm, then how many cuts and operations there were. BUG is one of BUGS.
"""

import gc
import os
import random
import sys

import vfs

from firmware.console import settings
from firmware.core.boot import sealed
from firmware.core.spill import FRESH, PER_SECTOR, Page
from firmware.port import ring_files
from firmware.port.flash import Files

BLOCK, BLOCKS, RING, OPERATIONS = 4096, 44, 12, 40
KEPT = b"nobody writes this" * 500
FOREIGN = ".DS_Store", "-01", "abcd"  # in the ring's folder, of somebody else
BUGS = ("in_place", "one_file", "old_places")


class Flash:
    """Block device; operation number `cut_at` is done in part only, and all later ones fail.

    It answers with -EIO and does not raise: littlefs also writes when the collector closes a file.
    """

    def __init__(self):
        self.data = bytearray(b"\xff" * BLOCK * BLOCKS)
        self.power_on(0)

    def power_on(self, cut_at):
        self.count, self.cut_at, self.dead = 0, cut_at, False

    def _cut(self):
        self.count += 1
        self.dead = self.dead or self.count == self.cut_at
        return self.count == self.cut_at

    def readblocks(self, n, buf, off=0):
        at = n * BLOCK + off
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, n, buf, off=None):
        if off is None:
            self.ioctl(6, n)
            off = 0
        for page in range(0, len(buf), 256):
            if self.dead:
                return -5
            size = min(256, len(buf) - page)
            if self._cut():
                size = random.randrange(size)
            at = n * BLOCK + off + page
            for i in range(size):
                self.data[at + i] &= buf[page + i]
        return -5 if self.dead else 0

    def ioctl(self, op, arg):
        if op == 6:
            if self.dead:
                return -5
            start, end = 0, BLOCK
            if self._cut():
                start, end = sorted((random.randrange(BLOCK), random.randrange(BLOCK)))
            self.data[arg * BLOCK + start : arg * BLOCK + end] = b"\xff" * (end - start)
            return -5 if self.dead else 0
        return {4: BLOCKS, 5: BLOCK}.get(op, 0)


def _write_in_place(name, text):
    with open(name, "w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        file.write(text[len(text) // 2 :])


class Scene:
    """What is known to be in flash, over all lives."""

    def __init__(self, bug):
        self.flash, self.files, self.bug = Flash(), Files(), bug
        self.harm, self.places = [], None
        self.settings, self.state = [{"n": 0}], [None]  # what may be there: one, or the old and the new
        self.pages, self.heads = {}, [None] * RING  # number to the byte it is full of; the next number of a block
        ring_files.chip = lambda: self.flash
        vfs.VfsLfs2.mkfs(self.flash, progsize=256)
        self._mount()
        with open("kept.bin", "wb") as file:
            file.write(KEPT)
        os.mkdir(ring_files.FOLDER)
        for name in FOREIGN:
            with open(f"{ring_files.FOLDER}/{name}", "w") as file:
                file.write(name)
        self._unmount()

    def _mount(self):
        vfs.mount(vfs.VfsLfs2(self.flash, progsize=256), "/")
        os.chdir("/")

    def _unmount(self):
        vfs.umount("/")
        gc.collect()  # files that the cut left open are closed now, not when the flash works again

    def live(self, cut_at):
        """Run one life; return whether the power was cut in it."""
        self.flash.power_on(cut_at)
        try:
            self._mount()
            device = self._open()
            for _ in range(OPERATIONS):
                if device and not self.flash.dead:
                    random.choice((self._commit, self._replace, self._write, self._write, self._write))(device)
        except (OSError, ValueError) as error:
            if not self.flash.dead:
                self.harm.append(f"failed with power: {error!r}")
        self._unmount()
        return self.flash.dead

    def _open(self):
        device, problem = ring_files.open_ring(RING)
        if device is None and not self.flash.dead:
            self.harm.append(problem)
        if device and self.bug == "old_places":
            self.places = self.places or list(device._places)
            device._places = self.places
        return device

    def _commit(self, device):
        new = {"n": 0, "log": random.randrange(3), "period": {f"s{i}": random.randrange(9999) for i in range(9)}}
        if self.bug == "one_file":
            new["n"] = 2 * self.settings[-1]["n"] + 2
            self.settings.append(new)
            _write_in_place("settings.0", sealed(settings.json.dumps(new)))
        else:
            self.settings.append(new)
            settings.save(self.files, new)
        if not self.flash.dead:
            self.settings = [new]

    def _replace(self, device):
        text = f"state {random.randrange(1 << 20)} " * random.randrange(1, 60)
        self.state.append(text)
        if self.bug == "in_place":
            _write_in_place("state.json", text)
        else:
            self.files.replace("state.json", text)
        if not self.flash.dead:
            self.state = [text]

    def _write(self, device):
        """Write the next page of some block of the ring; erase it first if it is full, or nobody knows what it has."""
        block, page = random.randrange(RING), Page(device)
        number = self.heads[block]
        if number is None or number % PER_SECTOR == 0:
            number = block * PER_SECTOR + random.randrange(1 << 10) * RING * PER_SECTOR
            self.heads[block] = None
            self.pages = {at: byte for at, byte in self.pages.items() if at % page.pages // PER_SECTOR != block}
            device.ioctl(6, block)
        byte = random.randrange(256)
        page.flags, page.n, page.first = FRESH, 1, byte
        for i in range(24, 256):
            page.buf[i] = byte
        self.heads[block] = None
        if page.write(number, 1, bytes(8)) and not self.flash.dead:
            self.heads[block], self.pages[number] = number + 1, byte
        elif not self.flash.dead:
            self.harm.append(f"page {number} was not written")

    def check(self):
        """Look at what a cut left."""
        self.flash.power_on(0)
        self._mount()
        found, _ = settings.load(self.files)
        if found not in self.settings:
            self.harm.append(f"settings {found}, expected {self.settings}")
        state = self.files.read("state.json")
        if state not in self.state:
            self.harm.append(f"state {state and state[:20]}, expected {[s and s[:20] for s in self.state]}")
        self.settings, self.state = [found], [state]
        if self.files.read_bytes("kept.bin") != KEPT:
            self.harm.append("a file that nobody wrote has changed")
        if [self.files.read(f"{ring_files.FOLDER}/{name}") for name in FOREIGN] != list(FOREIGN):
            self.harm.append("a foreign file in the ring's folder has changed")
        device = self._open()
        if device:
            page = Page(device)
            for number, byte in self.pages.items():
                if not page.load(number) or page.first != byte or page.buf[255] != byte:
                    self.harm.append(f"page {number} is not there")
        if random.randrange(8) == 0:
            self._remove()
        self._unmount()

    def _remove(self):
        """Remove some files of the ring, and write others in their blocks' place."""
        for block in range(random.randrange(RING)):
            os.remove(ring_files.name_of(block))
            self.heads[block] = None
            self.pages = {at: b for at, b in self.pages.items() if at // PER_SECTOR % RING != block}
        with open("kept.bin", "wb") as file:
            file.write(KEPT)


def main():
    random.seed(int(sys.argv[1]))
    wanted = int(sys.argv[2])
    scene = Scene(sys.argv[3] if len(sys.argv) > 3 else "")
    cuts = operations = 0
    while cuts < wanted and not scene.harm:
        cuts += scene.live(random.randrange(1, 400))
        operations += scene.flash.count
        scene.check()
    for text in scene.harm[:5]:
        print("harm after cut", cuts, text)
    print("cuts", cuts, "operations", operations)


main()
