"""Replaces small files that must survive a power cut whole: the old content or the new, never half of one."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

OWNER_ONLY = 0o600


def replace_durably(path: Path, data: bytes, mode: int = OWNER_ONLY) -> None:
    """Write `data` beside `path`, fsync, rename, fsync the folder; durable on return. Raises: OSError."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fchmod(file, mode)
        os.fsync(file)
    finally:
        os.close(file)
    rename_durably(fresh, path)


def write_once(path: Path, data: bytes) -> None:
    """Write a secret that is not there yet, never readable by others, not even for a moment. Raises: OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        os.write(file, data)
        os.fsync(file)
    finally:
        os.close(file)
    sync_folder(path.parent)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can look into; one that is there stays as it is. Raises: OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def rename_durably(old: Path, new: Path) -> None:
    """Rename within one folder; durable on return. Raises: OSError."""
    old.replace(new)
    sync_folder(new.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_summed(path: Path, kept: dict[str, Any]) -> None:
    """Write a map as JSON with a checksum, for the owner alone; durable on return. Raises: OSError."""
    replace_durably(path, json.dumps({**kept, "sha256": _sum(kept)}, indent=1).encode())


def read_summed(path: Path) -> dict[str, Any]:
    """Return the map that `replace_summed` wrote. Raises: OSError, ValueError if it is damaged or was edited."""
    kept = json.loads(path.read_text())
    if not isinstance(kept, dict) or kept.pop("sha256", "") != _sum(kept):
        raise ValueError("its checksum is wrong: it is damaged, or was edited")
    return kept


def _sum(kept: dict[str, Any]) -> str:
    """Return a checksum: one flipped bit must not give anybody what he has not."""
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
