"""The edge's journal under power: boards hand over samples, the city acks, own numbers and tasks are kept."""

from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from durable import DISK, Disk, GroupCommit
from edge_node.city.uplink import Ask
from edge_node.journal import rows
from edge_node.journal.journal import Journal, Stored
from edge_node.journal.quota import Limits
from edge_node.journal.rows import NewBatch
from protocol.ranges import Ranges

from .sources import CLOCK, Source, make_sources, reboot
from .stepped import Stepped

OPTIONS: dict[str, Any] = {"schema": rows.SCHEMA, "migrations": rows.MIGRATIONS}
FILE = "edge/journal.db"
OWN = 2


class JournalScene:
    """What the tests know for sure (acked), and what may or may not have happened (asked)."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.sources = make_sources(3)
        self.at_city: dict[tuple[str, str], Ranges] = {}
        self.boots: list[str] = []
        self.counters = Ranges()
        self.own: dict[tuple[str, str, int], bytes] = {}
        self.kept: dict[str, list[bytes]] = {}
        self.problems: list[str] = []
        self._serial = self._now_us = 0

    # Under power.

    def live(self, root: Path, disk: Disk, group: type[GroupCommit]) -> None:
        """Work until the power is cut, or, now and then, until an orderly end."""
        committer = Stepped(root / FILE, disk=disk, group=group, **OPTIONS)
        journal = Journal(committer, lambda call: call(), "edge-1", Limits(retain_h=self.rng.choice((0, 0.01))))
        own_boot = self._begin(journal)
        self._tell_again(journal)
        acts = [self._take] * 3 + [self._city, self._keep, self._sweep, self._own_counters, self._reboot]
        for _ in range(self.rng.choice((15, 60, 60))):
            self.rng.choice(acts)(journal, own_boot)
            if self.rng.random() < 0.5:
                committer.flush()
        journal.close()

    def _begin(self, journal: Journal) -> str:
        identity = journal.begin(random_bits=self.rng.getrandbits)
        if identity.boot in self.boots:
            self.problems.append(f"boot {identity.boot} began twice")
        self.boots.append(identity.boot)
        self._count(*identity.counters)
        return identity.boot

    def _count(self, first: int, end: int) -> None:
        if len(Ranges([(first, end)]).intersection(self.counters).to_list()):
            self.problems.append(f"command counters [{first}, {end}) were given twice")
        self.counters.add(first, end)

    def _own_counters(self, journal: Journal, own_boot: str) -> None:
        if self.rng.random() < 0.2:
            journal.reserve_counters(self._count, lambda error: None)

    def _tell_again(self, journal: Journal) -> None:
        """Boards say what they have after every start of the edge."""
        for source in self.sources:
            if source.head:
                journal.began(source.thing, source.boot)
            if source is self._present(source.thing):
                self._status(journal, source)
            for gap in source.gaps.values():
                if gap.gap_id not in source.acked_gaps:
                    journal.gap(gap, lambda told, source=source: source.acked_gaps.add(told.gap_id))

    def _status(self, journal: Journal, source: Source) -> None:
        held = source.held.to_list()
        if source.head:
            journal.status(source.thing, source.boot, held[0][0] if held else source.head, source.head)

    def _take(self, journal: Journal, own_boot: str) -> None:
        source = self._present()
        pieces = source.pieces()
        first, end = self.rng.choice(pieces) if pieces and self.rng.random() < 0.3 else source.make(self.rng)
        self._status(journal, source)
        self._hand_over(journal, source, first, end, own_boot)

    def _hand_over(self, journal: Journal, source: Source, first: int, end: int, own_boot: str) -> None:
        batch = NewBatch(*source.key, first, end - first, CLOCK, 5, source.records(first, end - first))
        own = None
        if own_boot and self.rng.random() < 0.3:
            self._serial += 1
            samples = self._serial.to_bytes(12, "little") * OWN
            own = NewBatch("edge-1", own_boot, 0, OWN, CLOCK, 5, samples)
        if journal.is_new(batch):
            journal.store(batch, own, partial(self._stored, source, first, end))
        else:
            journal.repeated(batch)
            if not journal.streams.of(*source.key).received.missing(first, end):
                source.acked.add(first, end)

    def _stored(self, source: Source, first: int, end: int, stored: Stored) -> None:
        source.acked.add(first, end)
        if stored.own is not None and stored.own.records is not None:
            self.own[stored.own.thing, stored.own.boot, stored.own.first] = stored.own.records

    def _city(self, journal: Journal, own_boot: str) -> None:
        """The city acks some of what it was sent."""
        for key, stream in list(journal.streams.by_key.items()):
            pending = stream.pending.to_list()
            if pending and self.rng.random() < 0.5:
                spans = [span for span in pending if self.rng.random() < 0.7]
                gaps = [gap for thing, boot, gap in journal.gaps if (thing, boot) == key]
                for span in spans:
                    self.at_city.setdefault(key, Ranges()).add(*span)
                journal.city_has(*key, spans, gaps)

    def _sweep(self, journal: Journal, own_boot: str) -> None:
        """Time passes: what the city has had for long enough is deleted."""
        self._now_us += 20_000_000
        journal.tick(self._now_us)

    def _keep(self, journal: Journal, own_boot: str) -> None:
        """A snapshot or a task is to be durable."""
        self._serial += 1
        blob = b"state %d " % self._serial * self.rng.randint(1, 400)
        name = self.rng.choice(("engine", "nonce", "task-1", "task-2"))
        self.kept.setdefault(name, []).append(blob)
        if name.startswith("task"):
            work = partial(rows.put_task, task_id=name.encode().ljust(16), state=1, changed_us=0, blob=blob)
        else:
            work = partial(rows.put, table="snapshots", key="name", name=name, blob=blob)
        journal.submit(work, lambda _: self._kept(name, blob))

    def _kept(self, name: str, blob: bytes) -> None:
        """It is durable: nothing older may come back."""
        asked = self.kept[name]
        del asked[: asked.index(blob)]
        asked[0] = blob + b"!"

    def _reboot(self, journal: Journal, own_boot: str) -> None:
        if self.rng.random() < 0.2:
            old = self._present()
            self.sources.append(reboot(old))
            for gap in old.gaps.values():
                if gap.gap_id not in old.acked_gaps:
                    journal.gap(gap, lambda told: old.acked_gaps.add(told.gap_id))

    def _present(self, thing: str = "") -> Source:
        """Return the newest boot of a board, of any board if none is named."""
        thing = thing or self.rng.choice([s.thing for s in self.sources])
        return [s for s in self.sources if s.thing == thing][-1]

    # After the cut.

    def check(self, root: Path) -> list[str]:
        """Return what is wrong with what a start finds in `root`, which may be written to."""
        (root / FILE).parent.mkdir(exist_ok=True)
        committer = Stepped(root / FILE, disk=DISK, **OPTIONS)
        journal = Journal(committer, lambda call: call())
        try:
            sound = committer.read(lambda c: c.execute("PRAGMA integrity_check").fetchall())
            found = [] if sound == [("ok",)] else [f"integrity: {sound[:3]}"]
            return found + self._check_samples(journal) + self._check_kept(journal) + self._check_end(journal)
        finally:
            journal.close()

    def _check_samples(self, journal: Journal) -> list[str]:
        found = ["quarantined blobs"] if journal.quarantined else []
        by_key = {source.key: source for source in self.sources}
        own: dict[tuple[str, str, int], bytes] = {}
        held: dict[tuple[str, str], Ranges] = {}
        for pending in journal.page(Ask(0, journal.next_row, 1_000_000)).items:
            records, key = pending.records, (pending.thing, pending.boot)
            if held.setdefault(key, Ranges()).add(pending.first, pending.end) != [(pending.first, pending.end)]:
                found.append(f"{key} [{pending.first}, {pending.end}) is held twice")
            if key in by_key:
                wrong = records != by_key[key].records(pending.first, pending.n)
                found += [f"{key} [{pending.first}, {pending.end}) has other content"] if wrong else []
            else:
                own[*key, pending.first] = records
        for key, source in by_key.items():
            lost = source.acked.difference(held.get(key, Ranges())).difference(self.at_city.get(key, Ranges()))
            found += [f"{key}: acked and gone: {lost.to_list()}"] if lost else []
            doubted = source.acked.difference(journal.streams.of(*key).received)
            found += [f"{key}: acked and not known as received: {doubted.to_list()}"] if doubted else []
            found += self._check_gaps(journal, source)
        return found + self._check_own(own)

    def _check_own(self, own: dict[tuple[str, str, int], bytes]) -> list[str]:
        found = []
        for (thing, boot, first), records in self.own.items():
            gone = self.at_city.get((thing, boot), Ranges()).covers(first, first + OWN)
            if own.get((thing, boot, first), records if gone else None) != records:
                found.append(f"own samples {boot} {first} are gone or others")
        return found

    def _check_gaps(self, journal: Journal, source: Source) -> list[str]:
        lost = journal.streams.of(*source.key).lost
        acked = [source.gaps[number] for number in sorted(source.acked_gaps)]
        return [f"{source.key}: gap {g.gap_id} was acked and is gone" for g in acked if lost.missing(g.first, g.end)]

    def _check_kept(self, journal: Journal) -> list[str]:
        saved = journal.saved("snapshots")
        tasks = journal.run(rows.get_tasks)
        found = []
        for name, asked in self.kept.items():
            sure = asked[0].endswith(b"!")
            may = [blob.removesuffix(b"!") for blob in asked]
            there = [blob for blob in tasks if blob in may] if name.startswith("task") else [saved.get(name)]
            if not any(blob in may for blob in there) and (sure or any(there)):
                found.append(f"{name}: what was kept is gone, or what is there was never asked for")
        return found

    def _check_end(self, journal: Journal) -> list[str]:
        """Let the boards hand over all the rest: nothing twice, nothing unexplained."""
        self._check_begin(journal)
        copies = [Source(*s.key, s.head, s.acked.copy(), s.gaps, set(s.acked_gaps)) for s in self.sources]
        mine, self.sources = self.sources, copies
        try:
            self._tell_again(journal)
            for source in self.sources:
                for first, end in source.pieces():
                    self._hand_over(journal, source, first, end, "")
            for _ in range(9):  # what waited for a commit under way comes with the next one
                journal.run(lambda c: None)
            found = [f"{s.key}: not taken over: {s.held.to_list()}" for s in self.sources if s.held]
        finally:
            self.sources = mine
        found += [f"{a.thing} {a.boot}: unexplained {a.unexplained_ranges}" for a in journal.streams.ledger()
                  if a.unexplained]  # fmt: skip
        return found + (["conflicts"] if journal.conflicts else [])

    def _check_begin(self, journal: Journal) -> None:
        """What a start would take now must be new, but is not taken: the next life begins from the image."""
        boots, counters = list(self.boots), self.counters.copy()
        self._begin(journal)
        self.boots, self.counters = boots, counters
