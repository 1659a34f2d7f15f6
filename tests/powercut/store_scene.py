"""The city's store under power: edges hand over batches, hot commits are sealed into files meanwhile."""

import asyncio
import json
from functools import partial
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from aggregator.clocks.table import ClockTable
from aggregator.ingest import Ingest
from aggregator.ledger.view import Reported
from aggregator.registry import Registry
from aggregator.store import compactor, sealing
from aggregator.store.columns import table
from aggregator.store.snapshot import hot_frames
from aggregator.store.store import Store, Writes
from durable import DISK, Disk, GroupCommit
from protocol.city_link import Ack, Batch
from protocol.ledger import balance
from protocol.ranges import Ranges

from .sources import CLOCK, Source, make_sources, reboot
from .stepped import Stepped

EDGE = "edge-1"
FOLDER = "city"


class StoreScene:
    """What was acked to the edge, and what it still holds."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.sources = make_sources(2)
        self.registry = Registry()
        self.frozen = self.frozen_sure = 0
        self.problems: list[str] = []

    # Under power.

    def live(self, root: Path, disk: Disk, group: type[GroupCommit]) -> None:
        """Work until the power is cut, or, now and then, until an orderly end."""
        store = self._open(root, disk, group)
        ingest = self._ingest(store)
        acts = [self._take, self._take, self._take, self._seal, self._freeze, self._reboot]
        for _ in range(self.rng.choice((10, 40, 40))):
            self.rng.choice(acts)(store, ingest)
        store.close()

    def _open(self, root: Path, disk: Disk, group: type[GroupCommit]) -> Store:
        store = Store(root / FOLDER, disk, partial(Stepped, group=group, at_once=True))  # type: ignore[arg-type]
        compactor.clean(store)
        return store

    def _ingest(self, store: Store) -> Ingest:
        return Ingest(store.overlapping, store.received(), store.lost(), store.quarantined(), store.conflicts())

    def _take(self, store: Store, ingest: Ingest) -> None:
        """A few batches and gaps arrive, are committed, and acked."""
        for _ in range(self.rng.randint(1, 3)):
            source = self.rng.choice(self.sources)
            pieces = source.pieces()
            if (pieces and self.rng.random() < 0.4) or source is not self._newest(source.thing):
                spans = pieces[:1]
            else:
                spans = [source.make(self.rng)]
            for first, end in spans:
                self._arrive(ingest, source, first, end)
        self._commit(store, ingest)

    def _arrive(self, ingest: Ingest, source: Source, first: int, end: int) -> None:
        records = source.records(first, end - first)
        ingest.take_batch(EDGE, Batch(*source.key, first, end - first, CLOCK, 5, 6, records), 7)
        for gap in source.gaps.values():
            if gap.gap_id not in source.acked_gaps:
                ingest.take_gap(EDGE, gap)

    def _commit(self, store: Store, ingest: Ingest) -> None:
        group = ingest.close_group()
        asyncio.run(store.commit(Writes(group, accounts=self._accounts())))
        for _, ack in ingest.committed(group):
            self._acked(ack)

    def _acked(self, ack: Ack) -> None:
        for source in self.sources:
            if source.key == (ack.thing, ack.boot):
                for span in ack.ranges:
                    source.acked.add(*span)
                source.acked_gaps.update(ack.gaps)

    def _accounts(self) -> dict[tuple[str, str], Reported]:
        return {s.key: Reported(EDGE, s.head, s.held.to_list(), [], 9) for s in self.sources if s.head}

    def _seal(self, store: Store, ingest: Ingest) -> None:
        """Seal, while commits go on between its steps."""

        def step(name: str) -> None:
            if name in ("write", "rename") and self.rng.random() < 0.3:
                self._commit_meanwhile(store, ingest)

        asyncio.run(compactor.seal_once(store, self.registry, self.rng.choice((0, 1, 3)), step))

    def _commit_meanwhile(self, store: Store, ingest: Ingest) -> None:
        """As `_take`, from within the sealing's thread."""
        source = self._newest(self.sources[0].thing)
        first, end = source.make(self.rng)
        self._arrive(ingest, source, first, end)
        self._commit(store, ingest)

    def _freeze(self, store: Store, ingest: Ingest) -> None:
        """The engine's state is to be durable."""
        self.frozen += 1
        asyncio.run(store.commit(Writes(frozen=self.frozen.to_bytes(4, "little") * self.rng.randint(1, 3000))))
        self.frozen_sure = self.frozen

    def _reboot(self, store: Store, ingest: Ingest) -> None:
        if self.rng.random() < 0.2:
            self.sources.append(reboot(self._newest(self.rng.choice(self.sources).thing)))

    def _newest(self, thing: str) -> Source:
        return [s for s in self.sources if s.thing == thing][-1]

    # After the cut.

    def check(self, root: Path) -> list[str]:
        """Return what is wrong with what a start finds in `root`, which may be written to."""
        found = self._check_outsiders(root / FOLDER)
        (root / FOLDER).mkdir(exist_ok=True)
        store = self._open(root, DISK, GroupCommit)
        try:
            sound = store.committer.read(lambda c: c.execute("PRAGMA integrity_check").fetchall())
            found += [] if sound == [("ok",)] else [f"integrity: {sound[:3]}"]
            return found + self._check_files(store) + self._check_samples(store, final=False) + self._check_end(store)
        finally:
            store.close()

    def _check_outsiders(self, folder: Path) -> list[str]:
        """Whoever reads the manifest before our start finds a whole one, and the files it names."""
        manifest = folder / sealing.SEALED / sealing.CATALOGUE
        if not manifest.exists():
            return []
        try:
            files = [row["file"] for row in json.loads(manifest.read_bytes())["files"]]
        except ValueError as error:
            return [f"manifest.json is broken: {error}"]
        return [f"manifest.json names {name}, which is gone" for name in files if not (manifest.parent / name).exists()]

    def _check_files(self, store: Store) -> list[str]:
        known = {row[0] for row in store.committer.read(lambda c: c.execute("SELECT file FROM sealed").fetchall())}
        there = {path.name for path in (store.folder / sealing.SEALED).iterdir()} - {sealing.CATALOGUE}
        found = [] if known == there else [f"catalogue {sorted(known)}, files {sorted(there)}"]
        orphans = [path.name for path in (store.folder / sealing.STAGING).iterdir()]
        return found + ([f"orphans {orphans}"] if orphans else [])

    def _check_samples(self, store: Store, final: bool) -> list[str]:
        """Compare what is stored, hot and sealed, with what was acked, made and declared."""
        rows, found = self._rows(store)
        if store.conflicts() or store.quarantined():
            found.append(f"conflicts {store.conflicts()}, quarantined {store.quarantined()}")
        received, lost = store.received(), store.lost()
        for source in self.sources:
            had, gone = received.get(source.key, Ranges()), lost.get(source.key, Ranges())
            found += self._check_source(source, rows.get(source.key, []), had, gone, final)
        engine = store.engine()
        number = int.from_bytes(engine[1][:4], "little") if engine else 0
        if not self.frozen_sure <= number <= self.frozen or (engine and len(set(_words(engine[1]))) != 1):
            found.append(f"engine state {number}, not {self.frozen_sure} to {self.frozen}")
        return found

    def _check_source(
        self, source: Source, rows: list[tuple[int, float]], had: Ranges, gone: Ranges, final: bool
    ) -> list[str]:
        found = []
        seqs = [seq for seq, _ in rows]
        if len(seqs) != len(set(seqs)):
            found.append(f"{source.key}: {len(seqs) - len(set(seqs))} samples are stored twice")
        if Ranges((s, s + 1) for s in seqs).to_list() != had.to_list():
            found.append(f"{source.key}: received {had.to_list()} is not what is there")
        if missing := source.acked.difference(had):
            found.append(f"{source.key}: acked and gone: {missing.to_list()}")
        if any(value != source.value(seq) for seq, value in rows):
            found.append(f"{source.key}: samples have other content")
        sure = Ranges((g.first, g.end) for g in source.gaps.values() if g.gap_id in source.acked_gaps)
        if missing := sure.difference(gone):
            found.append(f"{source.key}: gaps acked and gone: {missing.to_list()}")
        account = balance(*source.key, source.head, had, Ranges() if final else source.held, gone, Ranges())
        if account.beyond or (account.unexplained and (final or not source.gaps)):
            found.append(f"{source.key}: unexplained {account.unexplained_ranges}, beyond {account.beyond}")
        return found

    def _rows(self, store: Store) -> tuple[dict[tuple[str, str], list[tuple[int, float]]], list[str]]:
        """Return (seq, value) of all samples per boot, and files that can not be read."""
        parts, found = [store.committer.read(lambda c: table(hot_frames(c), self.registry.manifest, ClockTable()))], []
        for (name,) in store.committer.read(lambda c: c.execute("SELECT file FROM sealed").fetchall()):
            try:
                parts.append(pq.read_table(store.folder / sealing.SEALED / name))
            except (OSError, pa.ArrowInvalid) as error:
                found.append(f"sealed file {name}: {error!r}")
        rows: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for part in parts:
            columns = [part[name].to_pylist() for name in ("thing", "boot", "seq", "value")]
            for thing, boot, seq, value in zip(*columns, strict=True):
                rows.setdefault((thing, boot), []).append((seq, value))
        return rows, found

    def _check_end(self, store: Store) -> list[str]:
        """Let the edge hand over all the rest, seal all: each sample is there once, the ledger balances."""
        mine = self.sources
        self.sources = [Source(*s.key, s.head, s.acked.copy(), s.gaps, set(s.acked_gaps)) for s in mine]
        try:
            ingest = self._ingest(store)
            for source in self.sources:
                for first, end in source.pieces():
                    self._arrive(ingest, source, first, end)
                for gap in source.gaps.values():
                    ingest.take_gap(EDGE, gap)
            self._commit(store, ingest)
            asyncio.run(compactor.seal_once(store, self.registry, 0))
            return self._check_samples(store, final=True)
        finally:
            self.sources = mine


def _words(blob: bytes) -> list[bytes]:
    return [blob[at : at + 4] for at in range(0, len(blob), 4)]
