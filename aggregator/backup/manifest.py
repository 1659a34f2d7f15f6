"""What is in a backup, and whether it still is: backup.json with the size and SHA-256 of every file.

The manifest is written last and names its own checksum, so a folder with a good one is a whole backup.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import BackupError

FILE = "backup.json"
FORMAT = 1
CHUNK = 1 << 20
Progress: TypeAlias = Callable[[str, int], None]
"""Called with what is being done and how many bytes more of it are done."""


@dataclass(frozen=True)
class Entry:
    """One file of a backup, its name relative to the backup's folder."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All that backup.json says. `made_utc_s`: Unix time; `epoch`: that of the store when it was made."""

    city: str
    made_utc_s: int
    epoch: int
    version: str
    samples: int
    keys_included: bool
    files: list[Entry]
    format: int = FORMAT

    @property
    def total_bytes(self) -> int:
        """How many bytes the files have together."""
        return sum(entry.bytes for entry in self.files)


def quiet(_: str, __: int) -> None:
    """Report no progress."""


def digest(path: Path, progress: Progress = quiet, what: str = "") -> str:
    """Return the SHA-256 of a file in hex, read in chunks."""
    found = hashlib.sha256()
    for chunk in chunks(path):
        found.update(chunk)
        progress(what, len(chunk))
    return found.hexdigest()


def chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's content, a MiB at a time."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def dump(manifest: Manifest) -> bytes:
    """Return backup.json."""
    body = asdict(manifest)
    return json.dumps({**body, "sha256": _seal(body)}, indent=1).encode()


def load(folder: Path) -> Manifest:
    """Return the manifest of the backup in `folder`. Raises: BackupError if there is no intact one."""
    path = folder / FILE
    try:
        found = json.loads(path.read_bytes())
        seal = found.pop("sha256")
        entries = [Entry(**entry) for entry in found.pop("files")]
        manifest = Manifest(**found, files=entries)
    except FileNotFoundError as error:
        raise BackupError(f"{folder} is no backup: there is no {FILE} in it", missing=True) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupError(f"{path} is damaged: {error!r}") from error
    if _seal(asdict(manifest)) != seal:
        raise BackupError(f"{path} is damaged: its checksum is wrong")
    if manifest.format != FORMAT:
        raise BackupError(f"{path}: expected format {FORMAT}, found {manifest.format}: use the version that made it")
    _check_names(path, entries)
    return manifest


def check(folder: Path, manifest: Manifest, progress: Progress = quiet) -> list[str]:
    """Return what differs from the manifest, one line a file; nothing: all is as it was written."""
    found = (_difference(folder, entry, progress) for entry in manifest.files)
    return [line for line in found if line]


def _difference(folder: Path, entry: Entry, progress: Progress) -> str:
    path = folder / entry.name
    if not path.is_file():
        return f"{entry.name}: missing"
    if not path.resolve().is_relative_to(folder.resolve()):
        return f"{entry.name}: leads out of the backup"
    size = path.stat().st_size
    if size != entry.bytes:
        return f"{entry.name}: expected {entry.bytes} bytes, found {size}"
    return "" if digest(path, progress, "checking") == entry.sha256 else f"{entry.name}: its checksum is wrong"


def _seal(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _check_names(path: Path, entries: Iterable[Entry]) -> None:
    """Raises: BackupError if a name leads out of the backup."""
    for entry in entries:
        parts = Path(entry.name).parts if isinstance(entry.name, str) else ()
        if not parts or Path(entry.name).is_absolute() or ".." in parts:
            raise BackupError(f"{path}: {entry.name!r} is no name inside a backup")
