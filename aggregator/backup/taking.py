"""Takes a backup of a city's data folder while the city runs, or does not.

The snapshot is one read transaction of store.db, copied page by page; the sealed files it names never change, so
they are copied (or linked) afterwards. All is written under another name, synced, read back and compared, and
only then gets its name: a folder with a manifest is whole. Secret keys are in it only if asked for.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from durable import DISK, opened

from ..errors import BackupError, DamagedError, RoomError
from ..keys.store import FILE as KEYRING
from ..store.schema import FILE, SEALED
from ..store.snapshot import open_reader, read_epoch
from . import manifest as backup_manifest
from .manifest import Entry, Manifest, Progress, quiet

PARTIAL = ".partial"
KEYS = "keys"
PAGES = 256
SPARE_BYTES = 16 << 20
MAX_EPOCH = 1 << 40


@dataclass(frozen=True)
class Source:
    """What is backed up: the city's id, its data folder, and key files by the name they get."""

    city: str
    folder: Path
    keys: Mapping[str, Path]


def take(source: Source, dest: Path, now_utc_s: int, *, link: bool = False, progress: Progress = quiet) -> Manifest:
    """Return the manifest of the backup that now is at `dest`.

    Raises: FileExistsError, RoomError, BackupError (what was written is not what was read), DamagedError.
    """
    if dest.exists():
        raise FileExistsError(f"{dest} exists; a backup never replaces anything")
    partial = dest.with_name(dest.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    dest.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir(mode=0o700)
    try:
        manifest = _fill(source, partial, now_utc_s, link, progress)
        _verify(partial, manifest, progress)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    partial.rename(dest)
    DISK.sync_folder(dest.parent)
    return manifest


def size(folder: Path) -> int:
    """Return about how many bytes a backup of this data folder will have."""
    sealed = folder / SEALED
    files = [path.stat().st_size for path in sealed.iterdir()] if sealed.is_dir() else []
    return (folder / FILE).stat().st_size + sum(files)


def _fill(source: Source, partial: Path, now_utc_s: int, link: bool, progress: Progress) -> Manifest:
    need_room(partial, size(source.folder))
    copy_database(source.folder, partial / FILE, progress)
    (partial / SEALED).mkdir()
    facts = _facts(partial / FILE)
    entries = [_entry(partial, FILE)]
    for name, known in facts.sealed.items():
        entry = copy_file(source.folder / SEALED / name, partial / SEALED / name, link=link, progress=progress)
        if known and entry.sha256 != known:
            raise BackupError(f"{source.folder / SEALED / name} is damaged: it is not what was sealed")
        entries.append(replace(entry, name=f"{SEALED}/{name}"))
    if (source.folder / KEYRING).exists():
        entries.append(copy_file(source.folder / KEYRING, partial / KEYRING))
    entries += _copy_keys(source.keys, partial)
    manifest = Manifest(
        source.city, now_utc_s, facts.epoch, version("cityreflex"), facts.samples, bool(source.keys), entries
    )
    write_synced(partial / backup_manifest.FILE, backup_manifest.dump(manifest))
    for folder in (partial / SEALED, partial):
        DISK.sync_folder(folder)
    return manifest


def _copy_keys(keys: Mapping[str, Path], partial: Path) -> list[Entry]:
    if not keys:
        return []
    (partial / KEYS).mkdir(mode=0o700)
    entries = []
    for name, path in sorted(keys.items()):
        entry = copy_file(path, partial / KEYS / name)
        (partial / KEYS / name).chmod(0o600)
        entries.append(replace(entry, name=f"{KEYS}/{name}"))
    DISK.sync_folder(partial / KEYS)
    return entries


def copy_database(folder: Path, dest: Path, progress: Progress = quiet) -> None:
    """Copy store.db as of one moment; commits go on meanwhile. Raises: DamagedError."""
    try:
        source = open_reader(folder)
        os.close(os.open(dest, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        target = sqlite3.connect(dest, isolation_level=None)
        try:
            page = int(source.execute("PRAGMA page_size").fetchone()[0])
            source.execute("BEGIN")  # our own snapshot: without it every commit would begin the copy anew
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(target, pages=PAGES, progress=lambda *_: progress("copying", PAGES * page))
        finally:
            target.close()
            source.close()
    except sqlite3.DatabaseError as error:
        raise DamagedError(f"{folder / FILE}: {error}") from error
    DISK.sync_file(dest)


def copy_file(source: Path, dest: Path, *, link: bool = False, progress: Progress = quiet) -> Entry:
    """Copy (or hard-link, where it can be) one file and sync it; return its entry."""
    if link and _linked(source, dest):
        return Entry(dest.name, dest.stat().st_size, backup_manifest.digest(dest, progress, "copying"))
    found, count = hashlib.sha256(), 0
    with os.fdopen(os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in backup_manifest.chunks(source):
            file.write(chunk)
            found.update(chunk)
            count += len(chunk)
            progress("copying", len(chunk))
        file.flush()
        os.fsync(file.fileno())
    return Entry(dest.name, count, found.hexdigest())


def _linked(source: Path, dest: Path) -> bool:
    try:
        os.link(source, dest)
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class _Facts:
    epoch: int
    samples: int
    sealed: dict[str, str]


def _facts(database: Path) -> _Facts:
    """Return what a copy of store.db says about itself. Raises: DamagedError."""
    connection = open_copy(database)
    try:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        sums = dict(connection.execute("SELECT file, sha256 FROM sealed_sums")) if "sealed_sums" in tables else {}
        sealed = {name: sums.get(name, "") for (name,) in connection.execute("SELECT file FROM sealed ORDER BY file")}
        counts = ("SELECT coalesce(sum(samples), 0) FROM sealed", "SELECT coalesce(sum(n), 0) FROM frames")
        samples = sum(int(connection.execute(query).fetchone()[0]) for query in counts)
        return _Facts(read_epoch(connection), samples, sealed)
    except sqlite3.DatabaseError as error:
        raise DamagedError(f"{database.name}: {error}") from error
    finally:
        connection.close()


def open_copy(database: Path) -> sqlite3.Connection:
    """Return a connection to a copy that nobody writes; it leaves no files beside it."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)


def _verify(partial: Path, manifest: Manifest, progress: Progress) -> None:
    """Read back what was written. Raises: BackupError, DamagedError."""
    problems = backup_manifest.check(partial, manifest, progress)
    if problems:
        raise BackupError("what was written is not what was read:\n" + "\n".join(problems))
    check_database(partial / FILE)
    check_content(partial, manifest)


def check_content(folder: Path, manifest: Manifest) -> None:
    """Look at what a city would obey or miss: whoever made a backup may have meant harm, or left a file out.

    Raises: BackupError for a store.db that does something when it is used (triggers, views), names a sealed file that
    is not in the manifest, or has no sane epoch; DamagedError.
    """
    names = {entry.name for entry in manifest.files}
    if FILE not in names:
        raise BackupError(f"{folder}: {FILE} is not in its manifest")
    connection = open_copy(folder / FILE)
    try:
        kinds = {row[0] for row in connection.execute("SELECT type FROM sqlite_master")}
        if not kinds <= {"table", "index"}:
            raise BackupError(f"{folder / FILE} has {sorted(kinds - {'table', 'index'})}: no city made it so")
        missing = {f"{SEALED}/{name}" for (name,) in connection.execute("SELECT file FROM sealed")} - names
        if missing:
            raise BackupError(f"{folder / FILE} names files that its manifest has not: {sorted(missing)[:3]}")
        if not 0 <= read_epoch(connection) < MAX_EPOCH:
            raise BackupError(f"{folder / FILE} has an epoch that no restore makes")
    except sqlite3.DatabaseError as error:
        raise DamagedError(f"{FILE}: {error}") from error
    finally:
        connection.close()


def check_database(database: Path) -> int:
    """Return how many blobs of a copy fail their checksum (the city will set them aside). Raises: DamagedError."""
    connection = open_copy(database)
    try:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise DamagedError(f"{database.name}: {found}")
        return sum(opened(data) is None for (data,) in connection.execute("SELECT data FROM blobs"))
    except sqlite3.DatabaseError as error:
        raise DamagedError(f"{database.name}: {error}") from error
    finally:
        connection.close()


def need_room(folder: Path, wanted: int) -> None:
    """Raises: RoomError if the disk of `folder` has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < wanted + SPARE_BYTES:
        raise RoomError(f"{folder}: {wanted >> 20} MiB are needed, {free >> 20} MiB are free")


def write_synced(path: Path, data: bytes) -> None:
    """Write a small file, durably but for its name."""
    path.write_bytes(data)
    DISK.sync_file(path)


def _entry(folder: Path, name: str) -> Entry:
    return Entry(name, (folder / name).stat().st_size, backup_manifest.digest(folder / name))
