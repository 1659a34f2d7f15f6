"""Puts a backup in the place of a city's data, so that a crash at any step leaves the old data or the new.

`stage` copies the backup into `restoring.partial/` and checks it; `arm` writes the new epoch into the copy and
names it `restoring/`: from here on there is no way back, `finish` (called at once, and at every start of the
aggregator) moves what was there aside and the copy in its place. Nothing is deleted.
"""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import structlog

from durable import DISK, Disk, migrations

from ..errors import BackupError
from ..keys.store import FILE as KEYRING
from ..store.schema import FILE, MIGRATIONS, SCHEMA, SEALED
from ..store.snapshot import read_epoch
from . import manifest as backup_manifest
from .manifest import Manifest, Progress, quiet
from .taking import check_content, check_database, copy_file, need_room, open_copy

STAGED, READY = "restoring.partial", "restoring"
ASIDE = "replaced-before-epoch-"
_log = structlog.get_logger(__name__)
_LOG_FILES = (f"{FILE}-wal", f"{FILE}-shm", FILE)


def read(source: Path, progress: Progress = quiet) -> Manifest:
    """Return the manifest of a backup that is whole. Raises: BackupError, DamagedError."""
    manifest = backup_manifest.load(source)
    problems = backup_manifest.check(source, manifest, progress)
    if problems:
        raise BackupError(f"{source} is damaged:\n" + "\n".join(problems))
    check_content(source, manifest)
    check_database(source / FILE)
    return manifest


def stage(source: Path, manifest: Manifest, folder: Path, progress: Progress = quiet) -> None:
    """Copy a backup into the data folder, beside the data. Raises: RoomError, BackupError."""
    staged = folder / STAGED
    shutil.rmtree(staged, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    need_room(folder, manifest.total_bytes)
    (staged / SEALED).mkdir(parents=True, mode=0o700)
    for entry in manifest.files:
        if entry.name in (FILE, KEYRING) or entry.name.startswith(f"{SEALED}/"):
            copied = copy_file(source / entry.name, staged / entry.name, progress=progress)
            if copied.sha256 != entry.sha256:
                raise BackupError(f"{source / entry.name} changed while it was read")
    for path in (staged / SEALED, staged, folder):
        DISK.sync_folder(path)


def arm(folder: Path, now_utc_s: int, disk: Disk = DISK) -> int:
    """Write a new epoch into the staged copy and make it ready; return the epoch."""
    epoch = next_epoch(_epoch_of(folder / STAGED / FILE), _epoch_of(folder / FILE), now_utc_s)
    _write_epoch(folder / STAGED / FILE, epoch)
    disk.sync_folder(folder / STAGED)
    disk.rename(folder / STAGED, folder / READY)
    disk.sync_folder(folder)
    return epoch


def forget(folder: Path) -> None:
    """Drop a copy that shall not take the place of the data; only before `finish` began."""
    with contextlib.suppress(FileNotFoundError):
        (folder / READY).rename(folder / STAGED)
    shutil.rmtree(folder / STAGED, ignore_errors=True)


def next_epoch(copy: int, present: int, now_utc_s: int) -> int:
    """Return the epoch of a restore: above every epoch that the copy and the present data know.

    Unix seconds, so that a restore on another machine, which knows nothing of later epochs, is above them too.
    """
    return max(copy + 1, present + 1, now_utc_s)


def finish(folder: Path, disk: Disk = DISK) -> Path | None:
    """Complete a restore that is ready; return where the replaced data is. None: there was nothing to complete.

    Every step can be repeated. store.db comes last: while it is in `restoring/`, what is at its place is old.
    """
    ready = folder / READY
    if not ready.exists():
        return None
    epoch = _epoch_of(ready / FILE) or _epoch_of(folder / FILE)
    aside = folder / f"{ASIDE}{epoch}"
    aside.mkdir(mode=0o700, exist_ok=True)
    if (ready / SEALED).exists():
        _move(disk, folder / SEALED, aside / SEALED)
        _sync_all(disk, folder, aside)
        _move(disk, ready / SEALED, folder / SEALED)
    if not (folder / KEYRING).exists():  # what was revoked since the backup stays revoked
        _move(disk, ready / KEYRING, folder / KEYRING)
    if (ready / FILE).exists():
        for name in _LOG_FILES:
            _move(disk, folder / name, aside / name)
        _sync_all(disk, folder, aside)
        _move(disk, ready / FILE, folder / FILE)
    _sync_all(disk, folder, ready)
    shutil.rmtree(ready)
    disk.sync_folder(folder)
    return aside


def complete(folder: Path) -> Path | None:
    """Finish what is ready, at a start or a change-over, and tell the log."""
    aside = finish(folder)
    if aside is not None:
        _log.warning("the data was restored from a backup", replaced_data=str(aside))
    return aside


def _move(disk: Disk, old: Path, new: Path) -> None:
    if old.exists():
        disk.rename(old, new)


def _sync_all(disk: Disk, *folders: Path) -> None:
    for folder in folders:
        disk.sync_folder(folder)


def _epoch_of(database: Path) -> int:
    """Return the epoch of a store, 0 if there is none or it can not be read any more."""
    if not database.exists():
        return 0
    try:
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return read_epoch(connection)
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return 0


def _write_epoch(database: Path, epoch: int) -> None:
    """Write the epoch durably into a copy that nobody else uses."""
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(SCHEMA)
        migrations.check(connection, database, len(MIGRATIONS))
        migrations.migrate(connection, MIGRATIONS)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (epoch,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    copied = open_copy(database)
    try:
        if read_epoch(copied) != epoch:
            raise BackupError(f"{database}: epoch {epoch} could not be written")
    finally:
        copied.close()
