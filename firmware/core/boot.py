"""What must survive a restart: who this board is, how often it started, which samples it lost. Both VMs.

One small JSON file, written to a new name and renamed, so a cut leaves the old or the new one:

    incarnation  random, made when there is no usable file or another chip's: erase, restore, board swap
    counter      starts of this incarnation
    reserved     sequence numbers below this may have been used in this boot
    floor        sequence numbers below this need no declaration any more
    tries        starts in a row, this one included, since one ran healthily for 20 s
    gaps         losses not yet acked: [counter, gap id, from, to], those of the flash ring with cause, incarnation
    flash        page number below which the flash ring owes nothing; only with one

The second line is the CRC-32 of the first in hex: a file that is damaged or wrong makes a new incarnation.

At start, [floor, reserved) of the boot before is declared lost with cause power: bounded by the reservation,
which covers twice the 20 s between two writes, and a floor that old: 60 s at most. What the host had stored of
it counts as stored. What the flash ring has of it is not lost.
"""

import binascii
import json

POWER = 2
SAVE_MS = 20000
HEALTHY_MS = 20000
MAX_FAILED = 3
MAX_GAPS = 32
_ID_STEP = 65536
_ID_BOOTS = 16384
_LAST = 0xFFFFFFFF


def sealed(text: str) -> str:
    """Return the file's text: `text` and, in a line of its own, its checksum."""
    return "%s\n%08x" % (text, binascii.crc32(text.encode()))


class Boot:
    """The identity of this boot. `files` has read(name) -> str or None and replace(name, text).

    `failed` counts the starts in a row before this one that the watchdog ended early; those that lost their power,
    or were reset by somebody, count neither for nor against. After three `safe_mode` says to do without sensors
    and actuators.
    """

    FILE = "state.json"

    def __init__(self, files, chip: str, entropy: bytes, block: int, bitten: bool = False, spill=None) -> None:  # type: ignore[no-untyped-def]
        """Start a boot: `chip` is the chip's id, `entropy` 12 random bytes, `block` the numbers to reserve.

        `bitten`: the watchdog ended the boot before; `spill`: the flash ring, or None.
        """
        self.files = files
        self._chip = chip
        self._block = block
        self._sequence = 0
        self.failed = 0
        self.spill = spill
        self._read(entropy, bitten)
        self.safe_mode = self.failed >= MAX_FAILED
        self._tries = self.failed + 1
        self.nonce = bytes(entropy[4:12])
        self.id = self.id_of(self.counter)
        self.reserved = block
        self.floor = 0
        self.saved_ms = 0
        self._write()

    def _read(self, entropy: bytes, bitten: bool) -> None:
        """Take over the last boot's file, or begin a new incarnation."""
        state = self._load()
        if state is None:
            self.incarnation = int.from_bytes(entropy[:4], "little")
            self.counter = 1
            self.gaps = []
            return
        self.incarnation = state["incarnation"]
        self.counter = state["counter"] + 1
        self.gaps = state["gaps"]
        self.failed = state["tries"] if bitten else max(0, state["tries"] - 1)
        if self.spill:
            self.spill.recover(state, self)
        elif state["floor"] < state["reserved"]:
            gap = [state["counter"], self.gap_id(), state["floor"], state["reserved"]]
            self.gaps.append(gap)
        self.gaps = self.gaps[-MAX_GAPS:]

    def _load(self):  # type: ignore[no-untyped-def]
        """Return the last boot's state, or None if there is none that is whole and of this chip."""
        text = self.files.read(self.FILE)
        if text is None or text != sealed(text[:-9]):
            return None
        try:
            state = json.loads(text[:-9])
            state.setdefault("tries", 0)
            numbers = [state[key] for key in ("incarnation", "counter", "reserved", "floor", "tries")]
            for gap in state["gaps"]:
                if len(gap) not in (4, 6):
                    return None
                numbers += gap
            for number in numbers:
                if type(number) is not int or not 0 <= number < _LAST:
                    return None
            return state if state["chip"] == self._chip and isinstance(state["gaps"], list) else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _write(self) -> None:
        """Replace the file."""
        state = {
            "chip": self._chip,
            "incarnation": self.incarnation,
            "counter": self.counter,
            "reserved": self.reserved,
            "floor": self.floor,
            "tries": self._tries,
            "gaps": self.gaps,
        }
        if self.spill:
            state["flash"] = self.spill.done
        self.files.replace(self.FILE, sealed(json.dumps(state)))

    def id_of(self, counter: int, incarnation: int = -1) -> bytes:
        """Return the 8-byte boot id of a start of this incarnation, or of an earlier one."""
        if incarnation < 0:
            incarnation = self.incarnation
        return incarnation.to_bytes(4, "little") + counter.to_bytes(4, "little")

    def gap_id(self) -> int:
        """Return a number for a gap, unique among those of the last 16384 boots, below 2**30."""
        self._sequence += 1
        return self.counter % _ID_BOOTS * _ID_STEP + self._sequence % _ID_STEP

    def ack_gap(self, gap_id: int) -> None:
        """Forget a gap the host has taken over (durably at the next save)."""
        self.gaps = [gap for gap in self.gaps if gap[1] != gap_id]

    def save_due(self, head: int, now_ms: int) -> bool:
        """Return whether the file must be written: every 20 s, or when the reservation runs out."""
        return now_ms - self.saved_ms >= SAVE_MS or head + self._block // 8 >= self.reserved

    def save(self, head: int, floor: int, now_ms: int, healthy: bool = True) -> None:
        """Reserve a new block from `head` on and note `floor`; all below it is acked or declared.

        `healthy`: the loop does its work now; once it did for 20 s, this start has not failed.
        """
        if healthy and now_ms >= HEALTHY_MS:
            self._tries = 0
        self.saved_ms = now_ms
        self.floor = floor
        self.reserved = head + self._block
        self._write()
