"""Backup of a store at work, and its way back: whole or not at all, at any crash; nothing is deleted."""

import asyncio
import json
import os
import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.backup import manifest as backup_manifest
from aggregator.backup import swap
from aggregator.backup import taking as backup
from aggregator.backup.manifest import Entry
from aggregator.backup.taking import Source
from aggregator.errors import BackupError, DamagedError, RoomError
from aggregator.ingest import Ingest
from aggregator.registry import Registry
from aggregator.store import compactor, reader
from aggregator.store.store import Store, Writes
from durable import DISK, Disk, TooNewError

NOW_S = 1_800_000_000


def source(folder: Path, **keys: Path) -> Source:
    return Source("city", folder, keys)


def write(store: Store, kit: Any, first: int, commits: int) -> None:
    ingest = Ingest(store.overlapping, store.received())
    for at in range(first, first + commits):
        ingest.take_batch("edge-1", kit.batch(at * 10, 10), at)
        asyncio.run(store.commit(Writes(ingest.close_group(), [("edge-1", kit.info(), 1)])))


def seal(store: Store, kit: Any, keep: int) -> None:
    registry = Registry()
    registry.introduce("edge-1", kit.info(), 1)
    asyncio.run(compactor.seal_once(store, registry, keep))


@pytest.fixture
def made(store: Store, kit: Any, tmp_path: Path) -> Path:
    """A backup of 60 samples, 40 of them sealed; the store then went on to 100."""
    write(store, kit, 0, 6)
    seal(store, kit, 2)
    backup.take(source(store.folder), tmp_path / "b1", NOW_S)
    write(store, kit, 6, 4)
    return tmp_path / "b1"


def counted(folder: Path) -> Any:
    with reader.samples(folder) as query:
        return query.execute("SELECT count(*), count(DISTINCT seq), max(seq) FROM samples").fetchone()


def put_back(made: Path, folder: Path, now_s: int = NOW_S, disk: Disk = DISK) -> Path | None:
    swap.stage(made, swap.read(made), folder)
    swap.arm(folder, now_s, disk)
    return swap.finish(folder, disk)


def test_a_backup_is_the_store_of_one_moment(made: Path, store: Store) -> None:
    manifest = backup_manifest.load(made)
    assert (manifest.samples, manifest.epoch, manifest.keys_included) == (60, 0, False)
    assert {entry.name.split("/")[0] for entry in manifest.files} == {"store.db", "sealed"}
    assert {p.name for p in made.iterdir()} == {"store.db", "sealed", "backup.json"}
    assert counted(made) == (60, 60, 59)
    assert counted(store.folder) == (100, 100, 99)
    assert made.stat().st_mode & 0o777 == 0o700


def test_commits_go_on_while_a_backup_is_taken(store: Store, kit: Any, tmp_path: Path) -> None:
    write(store, kit, 0, 20)
    inside, go_on = threading.Event(), threading.Event()

    def progress(what: str, _: int) -> None:
        if what == "copying" and not inside.is_set():
            inside.set()
            assert go_on.wait(90)

    copier = threading.Thread(target=backup.take, args=(source(store.folder), tmp_path / "b", NOW_S),
                              kwargs={"progress": progress})  # fmt: skip
    copier.start()
    assert inside.wait(90)
    write(store, kit, 20, 20)
    seal(store, kit, 0)
    go_on.set()
    copier.join(90)
    assert backup_manifest.load(tmp_path / "b").samples == 200
    assert counted(tmp_path / "b") == (200, 200, 199)
    assert counted(store.folder) == (400, 400, 399)


def test_a_backup_never_replaces_anything_and_leaves_no_halves(made: Path, store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        backup.take(source(store.folder), made, NOW_S)
    with pytest.raises(FileNotFoundError):
        backup.take(source(store.folder, sign=tmp_path / "no-such-key"), tmp_path / "b2", NOW_S)
    assert {p.name for p in tmp_path.iterdir()} == {"city", "b1"}


def test_keys_come_along_only_if_asked(store: Store, tmp_path: Path) -> None:
    key = tmp_path / "city.secret"
    key.write_text("s" * 40)
    manifest = backup.take(source(store.folder, **{"city.secret": key}), tmp_path / "b", NOW_S)
    assert manifest.keys_included
    assert (tmp_path / "b/keys/city.secret").read_text() == "s" * 40
    assert (tmp_path / "b/keys/city.secret").stat().st_mode & 0o777 == 0o600
    assert swap.read(tmp_path / "b") == manifest


def test_a_restore_brings_a_keyring_where_there_is_none_and_never_replaces_one(store: Store, tmp_path: Path) -> None:
    (store.folder / "keyring.json").write_text("old")
    backup.take(source(store.folder), tmp_path / "b", NOW_S)
    (store.folder / "keyring.json").write_text("with a revocation")
    put_back(tmp_path / "b", tmp_path / "new-machine")
    store.close()
    put_back(tmp_path / "b", store.folder)
    assert (tmp_path / "new-machine/keyring.json").read_text() == "old"
    assert (store.folder / "keyring.json").read_text() == "with a revocation"


def test_sealed_files_can_be_linked(store: Store, kit: Any, tmp_path: Path) -> None:
    write(store, kit, 0, 4)
    seal(store, kit, 0)
    backup.take(source(store.folder), tmp_path / "b", NOW_S, link=True)
    (name,) = [p.name for p in (tmp_path / "b/sealed").iterdir()]
    assert os.path.samefile(tmp_path / "b/sealed" / name, store.folder / "sealed" / name)
    assert swap.read(tmp_path / "b").samples == 40


def test_no_room_is_said_before_anything_is_copied(made: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(RoomError, match="MiB are needed"):
        backup.take(source(store.folder), made.parent / "b2", NOW_S)
    with pytest.raises(RoomError):
        swap.stage(made, swap.read(made), store.folder)
    assert not (made.parent / "b2").exists()


def damage(database: Path, table: str) -> None:
    """Overwrite the root page of a table of a closed store."""
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    data = bytearray(database.read_bytes())
    data[(root - 1) * page : (root - 1) * page + 64] = b"\xff" * 64
    database.write_bytes(bytes(data))


def flip(path: Path, at: int = -100) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["store.db", "sealed", "backup.json"])
@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_a_damaged_backup_is_refused(made: Path, name: str, how: str) -> None:
    path = made / name
    path = next(path.iterdir()) if path.is_dir() else path
    if how == "flip":
        flip(path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    with pytest.raises(BackupError):
        swap.read(made)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "sealed/../../x"])
def test_names_that_lead_out_are_refused(made: Path, name: str) -> None:
    manifest = backup_manifest.load(made)
    first = backup_manifest.Entry(name, 1, "0")
    bad = backup_manifest.Manifest(**{**vars(manifest), "files": [first, *manifest.files]})
    (made / "backup.json").write_bytes(backup_manifest.dump(bad))
    with pytest.raises(BackupError, match="no name inside"):
        swap.read(made)


def test_a_damaged_page_of_the_source_is_found(store: Store, kit: Any, tmp_path: Path) -> None:
    write(store, kit, 0, 60)
    store.close()
    damage(store.folder / "store.db", "frames")
    with pytest.raises(DamagedError):
        backup.take(source(store.folder), tmp_path / "b", NOW_S)
    assert not list(tmp_path.glob("b*"))


def test_the_way_back_bumps_the_epoch_and_keeps_what_was_there(made: Path, store: Store) -> None:
    folder = store.folder
    store.close()
    aside = put_back(made, folder)
    assert aside == folder / f"replaced-before-epoch-{NOW_S}"
    assert counted(folder) == (60, 60, 59)
    assert counted(aside) == (100, 100, 99)
    again = Store(folder)
    assert again.epoch == NOW_S
    assert again.received() == {("river-1", "0000000a-1"): again.received()["river-1", "0000000a-1"]}
    again.close()
    assert not (folder / "restoring").exists()
    assert swap.read(made).epoch == 0


def test_epochs_rise_whatever_the_clock_says(made: Path, store: Store) -> None:
    store.close()
    put_back(made, store.folder, NOW_S)
    put_back(made, store.folder, 5)
    again = Store(store.folder)
    assert again.epoch == NOW_S + 1
    again.close()
    elsewhere = made.parent / "new-machine"
    put_back(made, elsewhere, NOW_S + 900)
    other = Store(elsewhere)
    assert other.epoch == NOW_S + 900
    other.close()


def test_a_store_of_a_later_release_is_refused(made: Path, store: Store) -> None:
    with closing(sqlite3.connect(made / "store.db")) as db:
        db.execute("PRAGMA user_version = 99099")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    manifest = backup_manifest.load(made)
    entries = [
        backup_manifest.Entry(e.name, (made / e.name).stat().st_size, backup_manifest.digest(made / e.name))
        for e in manifest.files
    ]
    changed = backup_manifest.Manifest(**{**vars(manifest), "files": entries})
    (made / "backup.json").write_bytes(backup_manifest.dump(changed))
    swap.stage(made, swap.read(made), store.folder)
    with pytest.raises(TooNewError):
        swap.arm(store.folder, NOW_S)
    assert swap.finish(store.folder) is None


class Crash(BaseException):
    """Ends the swap where it stands."""


class CrashingDisk(Disk):
    """Ends the n-th change of a name, or the n-th syncing of a folder, before it happens."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self) -> None:
        self.left -= 1
        if not self.left:
            raise Crash

    def rename(self, old: Path, new: Path) -> None:
        self.step()
        super().rename(old, new)

    def sync_folder(self, folder: Path) -> None:
        self.step()
        super().sync_folder(folder)


def test_a_crash_at_any_step_leaves_the_old_or_the_new(made: Path, store: Store) -> None:
    folder = store.folder
    store.close()
    found: list[int] = []
    for crash_at in range(1, 50):
        disk = CrashingDisk(crash_at)
        with suppress(Crash):
            put_back(made, folder, NOW_S + crash_at, disk)
        swap.finish(folder)
        again = Store(folder)
        compactor.clean(again)
        found.append(counted(folder)[0])
        assert counted(folder)[1] == found[-1] == (60 if again.epoch else 100)
        again.close()
        if disk.left > 0:
            break
    assert found[0] == 100
    assert set(found[4:]) == {60}
    assert len(found) > 10
    assert max(counted(path)[0] for path in folder.glob("replaced-*")) == 100


def test_the_manifest_is_plain_json(made: Path) -> None:
    found = json.loads((made / "backup.json").read_text())
    assert set(found) == {
        "format", "city", "made_utc_s", "epoch", "version", "samples", "keys_included", "files", "sha256",
    }  # fmt: skip


def altered(made: Path, *statements: str) -> None:
    """Change store.db of a backup, and let its manifest say so."""
    with closing(sqlite3.connect(made / "store.db")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    manifest = backup_manifest.load(made)
    files = [
        replace(e, bytes=(made / e.name).stat().st_size, sha256=backup_manifest.digest(made / e.name))
        for e in manifest.files
    ]
    (made / "backup.json").write_bytes(backup_manifest.dump(replace(manifest, files=files)))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE TRIGGER x AFTER INSERT ON frames BEGIN DELETE FROM frames; END", "trigger"),
        ("CREATE VIEW x AS SELECT 1", "view"),
        ("INSERT INTO sealed VALUES ('../../city.secret', 1, 1, 1, x'90')", "names files"),
        ("INSERT OR REPLACE INTO meta VALUES ('epoch', 9223372036854775807)", "epoch"),
        ("INSERT OR REPLACE INTO meta VALUES ('epoch', -1)", "epoch"),
    ],
)
def test_a_backup_that_would_do_something_or_lacks_something_is_refused(
    made: Path, store: Store, statement: str, told: str
) -> None:
    altered(made, statement)
    with pytest.raises(BackupError, match=told):
        swap.read(made)


def test_a_backup_whose_files_lead_elsewhere_or_are_not_named_is_refused(made: Path, tmp_path: Path) -> None:
    manifest = backup_manifest.load(made)
    file = next(path for path in (made / "sealed").iterdir())
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupError, match="leads out"):
        swap.read(made)
    file.unlink()
    (tmp_path / "elsewhere").rename(file)
    for kept in ([e for e in manifest.files if e.name != "store.db"],
                 [e for e in manifest.files if e.name == "store.db"]):  # fmt: skip
        (made / "backup.json").write_bytes(backup_manifest.dump(replace(manifest, files=kept)))
        with pytest.raises(BackupError, match="manifest"):
            swap.read(made)
    (made / "backup.json").write_bytes(backup_manifest.dump(replace(manifest, files=[Entry(5, 1, "")])))  # type: ignore[arg-type]
    with pytest.raises(BackupError, match="no name inside"):
        swap.read(made)
