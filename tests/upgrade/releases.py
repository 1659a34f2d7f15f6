"""What earlier releases left behind, unpacked; and how to say what is missing of it."""

import json
import lzma
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
RELEASES = sorted(path.name for path in DATA.iterdir() if path.is_dir())
STATES = ("killed", "clean")
COLUMNS = (
    "SELECT m.type, m.name, c.name, c.type, c.dflt_value, c.pk FROM sqlite_master m, pragma_table_info(m.name) c"
    " ORDER BY 1, 2, 3"
)
"""Tables and indexes of a database with their columns."""


@cache
def _unpacked(release: str) -> Path:
    """Return the release's archive, unpacked once in this process."""
    folder = Path(tempfile.mkdtemp(prefix=f"release-{release}-"))
    with tarfile.open(DATA / release / "stores.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def copy_of(release: str, path: str, to: Path) -> Path:
    """Return `to`, a copy of a folder of the archive: `killed/city`, `clean/edge`, `killed/boards/gate-1` ..."""
    shutil.copytree(_unpacked(release) / path, to)
    return to


def run_folder(release: str, state: str, to: Path) -> Path:
    """Return `to` as the run directory that the release left: configuration, sites, test keys, both stores."""
    copy_of(release, "clean/test-keys", to / "keys")
    copy_of(release, "clean/sites", to / "sites")
    for name in ("edge.toml", "aggregator.toml"):
        shutil.copy(_unpacked(release) / "clean" / name, to)
    for name in ("city", "edge"):
        copy_of(release, f"{state}/{name}", to / name)
    return to


@cache
def inventory(release: str) -> Any:
    """Return what the release itself found in its stores."""
    return json.loads((DATA / release / "inventory.json").read_text())


@cache
def wires(release: str) -> Any:
    """Return what the release's parts said to each other, and the statements it ran."""
    with lzma.open(DATA / release / "wires.json.xz", "rt") as file:
        return json.load(file)


def missing(recorded: Any, found: Any, where: str = "") -> Iterator[str]:
    """Yield what is recorded and not found any more. What came later may be longer: keys and trailing items."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key, value in recorded.items():
            if key in found:
                yield from missing(value, found[key], f"{where}/{key}")
            else:
                yield f"{where}/{key}: {value!r} is gone"
    elif isinstance(recorded, list) and isinstance(found, list) and len(found) >= len(recorded):
        for at, value in enumerate(recorded):
            yield from missing(value, found[at], f"{where}[{at}]")
    elif recorded != found:
        yield f"{where}: was {recorded!r}, is {found!r}"
