"""The samples that reports become, on their way into the store like those of any Thing. Sans-IO.

The city takes them into its next group, so they are stored, acked, balanced and seen by processes as others are.
"""

import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from protocol.city_link import Ack, Batch, Clock, ThingInfo
from protocol.columns import encode
from protocol.manifest import to_map
from protocol.ranges import Ranges

from ..errors import PeerError
from ..ingest import Ingest
from ..ledger.view import Accounts
from ..link.sessions import CITY
from ..registry import Registry
from ..tasks.dispatch import Now
from .section import ReportsSection

SIGMA_US = 60_000_000.0
Done = Callable[[str], None]


class Sample(NamedTuple):
    """One sample: number, channel, quality, stamp (city boottime us), value; its event time, and if that is known."""

    seq: int
    channel: int
    quality: int
    stamp_us: int
    value: float
    at_utc_us: int
    synced: bool


def float32(value: float) -> float:
    """Return a value as a record holds it."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


class ReportStream:
    """Samples that are not stored yet, by number. `begin` gives it its identity; without a section it is off."""

    def __init__(self, section: ReportsSection | None = None) -> None:
        self.section = section
        self.boot, self.next_seq, self.begun = "", 0, False
        self._waiting: dict[int, tuple[Sample, Done]] = {}

    def begin(self, boot: str, next_seq: int) -> None:
        """Go on with, or begin, the stream of this boot."""
        self.boot, self.next_seq, self.begun = boot, next_seq, True

    def owns(self, thing: str) -> bool:
        """Whether a Thing is the city's own, of which no edge node may speak."""
        return self.section is not None and thing == self.section.thing

    def accept(self, sample: Sample, done: Done) -> None:
        """Take in a sample whose report is durable; `done("")` once it is stored, `done(why)` if it has to wait."""
        self._waiting[sample.seq] = sample, done
        self.next_seq = max(self.next_seq, sample.seq + 1)

    def plan(
        self, ingest: Ingest, accounts: Accounts, registry: Registry, now: Now
    ) -> list[tuple[str, ThingInfo, int]]:
        """Plan all that waits into the open group; return the introduction, if it is news, to store beside it."""
        if self.section is None or not self._waiting:
            return []
        info = self._info(self.section)
        news = registry.introduce(CITY, info, now.utc_us)
        for _, (sample, done) in sorted(self._waiting.items()):
            try:
                ingest.take_batch(CITY, self._batch(sample), now.us)
            except PeerError as error:  # a quota: it is tried again with every group
                done(str(error))
        spans = Ranges((seq, seq + 1) for seq in self._waiting).to_list()
        account = {"thing": info.thing, "boot": info.boot, "sent": self.next_seq, "buffered": spans}
        accounts.take(CITY, [account], now.utc_us)
        return [(CITY, info, now.utc_us)] if news else []

    def settled(self, acks: Iterable[tuple[str, Ack]]) -> list[tuple[str, Ack]]:
        """Return the acks that go to edge nodes; what is acked of ours is stored."""
        rest: list[tuple[str, Ack]] = []
        for edge, ack in acks:
            if edge != CITY:
                rest.append((edge, ack))
                continue
            for seq in [seq for seq in self._waiting if any(first <= seq < end for first, end in ack.ranges)]:
                self._waiting.pop(seq)[1]("")
        return rest

    def _info(self, section: ReportsSection) -> ThingInfo:
        return ThingInfo(section.thing, self.boot, "", "", to_map(section.manifest()), True)

    def _batch(self, sample: Sample) -> Batch:
        assert self.section is not None
        columns = np.array([sample.stamp_us], np.int64)
        records = encode([sample.channel], [sample.quality], columns, [sample.value])
        clock = Clock(sample.stamp_us, sample.at_utc_us, 1.0, SIGMA_US, sample.synced)
        stamp = sample.stamp_us
        return Batch(self.section.thing, self.boot, sample.seq, 1, clock, stamp, stamp, records)
