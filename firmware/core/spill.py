"""The flash ring behind the RAM ring: what the host does not take goes to raw flash, page by page. Sans-IO, both VMs.

`device` is a block device of MicroPython with blocks of 4096 bytes: readblocks and writeblocks(block, buf, offset),
ioctl(4) for the number of blocks, ioctl(6) to erase one. Page number n lies at place n modulo all pages, for ever in
turn, so every sector is erased equally often. A page, 256 bytes, little-endian:

| offset | size | field |
|---|---|---|
| 0 | u32 | CRC-32 of the rest |
| 4 | u32 | page number |
| 8 | u32 | first seq |
| 12 | u16 | how many records |
| 14 | u8 | channels that the packer knew |
| 15 | u8 | 16 (version 1), +1 if the packer began anew with this page |
| 16 | 8 | boot id |
| 24 | 232 | records, as `pack.py` has them |

The packer begins anew with each sector and each start. A page counts only if its CRC holds and its number belongs
to its place; what the power cut tore is none. `done`: pages below it owe the host nothing; kept in state.json.
"""

import binascii
import struct
import sys

from protocol.frames import GAP_OVERFLOW
from protocol.record import SIZE

from .boot import MAX_GAPS
from .node import IDLE_MAX_MS
from .pack import SLACK, Packer

PAGE = 256
HEADER = 6
FRESH_HEADER = 24
PER_SECTOR = 16
VERSION = 2
FRESH = 0x1000
HOLD_MS = 30000
AT_ONCE = 8
MAX_HOLES = 8
_FORM = "<II8sBB"


class Page:
    """One page in memory; after `load` its fields are those of its records, if the one before it was loaded before."""

    def __init__(self, device) -> None:  # type: ignore[no-untyped-def]
        """An empty one."""
        self.device = device
        self.pages = PER_SECTOR * device.ioctl(4, 0)
        self.buf = bytearray(PAGE + SLACK)
        self._whole = memoryview(self.buf)[:PAGE]
        self.first = self.n = self.channels = self.flags = 0
        self.boot = b""

    def _crc(self, number: int) -> int:
        """Return the checksum of what is in memory as the page of a number."""
        return binascii.crc32(self._whole[4:], binascii.crc32(struct.pack("<I", number)))

    def load(self, number: int) -> bool:
        """Return whether the page of this number is in flash, whole."""
        place = number % self.pages
        self.device.readblocks(place // PER_SECTOR, self._whole, place % PER_SECTOR * PAGE)
        crc, n = struct.unpack_from("<IH", self.buf)
        if crc != self._crc(number):
            return False
        self.flags = n & FRESH
        if self.flags:
            found, self.first, self.boot, self.channels, version = struct.unpack_from(_FORM, self.buf, HEADER)
            if found != number or version != VERSION:
                return False
        else:
            self.first += self.n
        self.n = n & 0xFFF
        return True

    @property
    def at(self) -> int:
        """Where the records begin."""
        return FRESH_HEADER if self.flags else HEADER

    def number_at(self, place: int) -> int:
        """Return the number that a fresh page at a place, which may be none, says it has."""
        self.device.readblocks(place // PER_SECTOR, self._whole, place % PER_SECTOR * PAGE)
        return struct.unpack_from("<I", self.buf, HEADER)[0]

    def write(self, number: int, channels: int, boot: bytes) -> bool:
        """Return whether this page got to its place, which is erased, under a number: it is read back."""
        first, n = self.first, self.n
        if self.flags:
            struct.pack_into(_FORM, self.buf, HEADER, number, first, boot, channels, VERSION)
        struct.pack_into("<H", self.buf, 4, n | self.flags)
        struct.pack_into("<I", self.buf, 0, self._crc(number))
        place = number % self.pages
        self.device.writeblocks(place // PER_SECTOR, self._whole, place % PER_SECTOR * PAGE)
        taken = self.load(number)
        self.first, self.n = first, n
        return taken

    def blank(self, number: int) -> bool:
        """Return whether nothing was written to the place of this number since it was erased."""
        self.number_at(number % self.pages)
        for byte in self._whole:
            if byte != 0xFF:
                return False
        return True


class Spill:
    """Pages [low, head) are in flash. What is there is read first, for Boot; `attach` adds the board.

    Of the present boot it owes the host [ring.owed_from, ring.owed_to), of earlier ones all that is not `done`.
    `errors`: pages that could not be written; `given_up`: samples that had to make room. While something is owed and
    the host listens, `refill.py` gives it back.
    """

    def __init__(self, device, steps: list) -> None:  # type: ignore[no-untyped-def,type-arg]
        """Find where the ring ends. `steps`: what a count of each channel is worth, or None, see `pack.py`."""
        self.page = Page(device)
        self.pages = self.page.pages
        self.done = 0
        self.head = self._find_head()
        self.errors = 0
        self.given_up = 0
        self._blank = self.head % PER_SECTOR > 0
        self._packer = Packer(len(steps), steps)

    def _find_head(self) -> int:
        """Return the number after the newest page; the next sector's if that place is not blank."""
        page, newest = self.page, -1
        for place in range(0, self.pages, PER_SECTOR):
            number = page.number_at(place)
            if number % self.pages == place and number > newest and page.load(number):
                newest = number
        if newest < 0:
            return 0
        end = newest + PER_SECTOR
        number = end - 1
        while not page.load(number):
            number -= 1
        return number + 1 if number + 1 == end or page.blank(number + 1) else end

    @property
    def low(self) -> int:
        """The lowest page number that is neither erased nor done."""
        return max(self.done, (self.head + PER_SECTOR - 1) // PER_SECTOR * PER_SECTOR - self.pages)

    def readable(self, start: int, end: int):  # type: ignore[no-untyped-def]
        """Yield the numbers in [start, end) whose page can be unpacked; `page` holds it then.

        A page is worth something only with all of its sector since the packer began anew.
        """
        sound = False
        for number in range(start - start % PER_SECTOR, end):
            sound = self.page.load(number) and (sound or bool(self.page.flags & FRESH))
            if sound and number >= start:
                yield number

    def recover(self, state: dict, boot) -> None:  # type: ignore[no-untyped-def,type-arg]
        """Take over from the last boot's `state` what is done, and declare what is neither acked nor here."""
        done, counter = state.get("flash", 0), state["counter"]
        self.done = min(done, self.head) if type(done) is int else 0
        for start, end in self.holes(boot.id_of(counter), state["floor"], state["reserved"]):
            boot.gaps.append([counter, boot.gap_id(), start, end])
        self.join(boot.gaps)

    def holes(self, boot: bytes, start: int, end: int) -> list:  # type: ignore[type-arg]
        """Return the [first, end] within [start, end) that no page of a boot has; many are joined to MAX_HOLES."""
        found = []
        for _ in self.readable(self.low, self.head):
            if self.page.boot == boot and len(found) < MAX_HOLES - 1:
                if start < min(end, self.page.first):
                    found.append([start, min(end, self.page.first)])
                start = max(start, self.page.first + self.page.n)
        if start < end:
            found.append([start, end])
        return found

    def attach(self, node) -> None:  # type: ignore[no-untyped-def]
        """Stand behind the ring of `node`."""
        self._node = node
        self._void()

    def _void(self) -> None:
        """Begin a page anew with the oldest record that is not in flash."""
        self.at = max(self._node.ring.safe, self._node.ring.tail)
        self._begin(FRESH)

    def _begin(self, fresh: int) -> None:
        """Begin a page with the record `at`, which leans on the page before unless it is fresh."""
        page = self.page
        page.first, page.flags = self.at, fresh
        if fresh:
            self._packer.reset()
        self._full = False
        page.n = self._packer.begin(page.buf, page.at, PAGE)
        self.at += page.n
        self._opened_ms = self._node.clock.ms

    def step(self) -> None:
        """Pack or write a little, or look after what is owed; call it when nothing urgent waits."""
        node, ring = self._node, self._node.ring
        silent = node.link.mode == 0
        if ring.tail >= self.at and ring.tail > self.page.first:
            self._void()
        if silent or ring.head - ring.tail > ring.capacity * 3 // 4:
            self._take(node, silent)
        refill = None
        if not silent and self.low < self.head:
            refill = node.link.refill or self._make_refill()
            refill.step()
        node.idle_max_ms = 1 if refill and refill.busy else IDLE_MAX_MS
        node.link.refill = refill

    def _make_refill(self):  # type: ignore[no-untyped-def]
        """Return what gives back the pages; on a board its code is gone when it is let go of."""
        from .refill import Refill  # noqa: PLC0415 (its code takes room only while something is owed)

        if sys.implementation.name == "micropython":
            core = sys.modules["firmware.core"]
            del sys.modules["firmware.core.refill"], sys.modules["firmware.core.unpack"], core.refill, core.unpack
        return Refill(self, self._node)

    def _take(self, node, silent: bool) -> None:  # type: ignore[no-untyped-def]
        """Pack some records; or erase or write, but only while no actuator moves or is commanded."""
        if self._blank and not self._full:
            self._pack(node.ring, node.clock.ms)
        elif self._full or self.at < node.ring.head:
            for actuator in node.actuators.actuators:
                if not actuator.driver.settled or (actuator.held and not silent):
                    return
            self._stall(node)

    def _pack(self, ring, now_ms: int) -> None:  # type: ignore[no-untyped-def]
        """Pack some records; the page is full if it is, or if its oldest record may not wait any longer."""
        page = self.page
        for _ in range(AT_ONCE):
            if self.at == ring.head:
                break
            if not self._packer.put(ring.buf, self.at % ring.capacity * SIZE):
                self._full = True
                return
            if not page.n:
                self._opened_ms = now_ms
            page.n += 1
            self.at += 1
        crowded = ring.head - page.first > ring.capacity * 3 // 4
        self._full = page.n > 0 and (crowded or now_ms - self._opened_ms >= HOLD_MS)

    def _stall(self, node) -> None:  # type: ignore[no-untyped-def]
        """Erase or write, which stops the board, and note for how long."""
        clock = node.clock
        started_ms = clock.ms
        try:
            if self._blank:
                self._write(node)
            else:
                self._make_room(node)
        except OSError:
            self._skip_sector()
        clock.tick()
        extra = node.extra
        extra["flash_pages"] = self.head - self.low
        extra["flash_stall_ms"] = max(extra.get("flash_stall_ms", 0), clock.ms - started_ms)
        extra["flash_errors"] = self.errors
        extra["flash_dropped"] = self.given_up

    def _write(self, node) -> None:  # type: ignore[no-untyped-def]
        """Write the page and begin the next one."""
        if not self.page.write(self.head, self._packer.channels, node.boot.id):
            self._skip_sector()
            return
        node.ring.safe = self.at
        self.head += 1
        self._blank = self.head % PER_SECTOR > 0
        self._begin(0 if self._blank else FRESH)

    def _skip_sector(self) -> None:
        """The flash did not take what was written: the records go to the next sector."""
        self.errors += 1
        self.head += PER_SECTOR - self.head % PER_SECTOR
        self._blank = False
        self._void()

    def _make_room(self, node) -> None:  # type: ignore[no-untyped-def]
        """Erase the next sector; what its old pages still owe is declared, durably, before they go."""
        end = self.head - self.pages + PER_SECTOR
        if end > self.done:
            node.link.refill = None
            foreign = False
            for _ in self.readable(max(end - PER_SECTOR, self.done), end):
                page = self.page
                foreign = self.lose(page.boot, page.first, page.first + page.n) or foreign
            self.done = end
            if foreign:
                node.boot.save(node.ring.head, node.link.losses.floor(), node.clock.ms, node.healthy())
        self.page.device.ioctl(6, self.head % self.pages // PER_SECTOR)
        self._blank = True
        self._void()

    def lose(self, boot: bytes, first: int, end: int) -> bool:
        """Declare that samples of a boot are gone, if they are owed; return whether it was an earlier one."""
        ring, gaps = self._node.ring, self._node.boot.gaps
        if boot == self._node.boot.id:
            first, end = max(first, ring.owed_from), min(end, ring.owed_to)
            if first >= end:
                return False
            ring.owed_from = end
            gaps = self._node.link.losses.overflows
        self.given_up += end - first
        incarnation, counter = struct.unpack("<II", boot)
        if gaps and gaps[-1][0] == counter and gaps[-1][3:] == [first, GAP_OVERFLOW, incarnation]:
            first = gaps.pop()[2]
        gaps.append([counter, self._node.boot.gap_id(), first, end, GAP_OVERFLOW, incarnation])
        self.join(gaps)
        return boot != self._node.boot.id

    def join(self, gaps: list) -> None:  # type: ignore[type-arg]
        """Keep at most MAX_GAPS gaps, if that many boots had any: two of one boot become one, the newest gives the id.

        What is between them and comes after all counts as stored. The host may have taken the shorter one over: so a
        gap that grows gets another id.
        """
        if len(gaps) > MAX_GAPS:
            gaps.sort(key=lambda gap: gap[0])
        at = len(gaps) - 1
        while len(gaps) > MAX_GAPS and at > 0:
            one, other = gaps[at - 1], gaps[at]
            if one[0] == other[0] and (one[5:] or other[5:]) == (other[5:] or one[5:]):
                other = other + one[len(other) :]
                other[2:4] = [min(one[2], other[2]), max(one[3], other[3])]
                gaps[at - 1 : at + 1] = [other]
            at -= 1
