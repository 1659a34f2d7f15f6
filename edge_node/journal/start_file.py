"""How often this node began, beside its journal: a journal that knows less is an older copy, or another node's.

A restored copy of journal.db would use boot ids, fences and command counters a second time. This small file is
written at each start, after the journal, so it is never ahead of the journal it belongs to.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from durable import DISK, Disk

NAME = "journal.start"


@dataclass(frozen=True)
class Started:
    """The newest start: incarnation of the node, which start it was, the end of its command counters."""

    incarnation: int
    starts: int
    commands: int


class StartFile:
    """The file in a data folder."""

    def __init__(self, folder: Path, disk: Disk = DISK) -> None:
        self._folder, self._disk = folder, disk

    def read(self) -> Started | None:
        """Return what the last start left, None if there is nothing that can be read."""
        try:
            found = json.loads((self._folder / NAME).read_bytes())
            return Started(int(found["incarnation"]), int(found["starts"]), int(found["commands"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, started: Started) -> None:
        """Keep a start, durably: the old file or the new one is there, whenever the power goes. Raises: OSError."""
        new = self._folder / f"{NAME}.new"
        self._disk.write(new, json.dumps(asdict(started)).encode())
        self._disk.sync_file(new)
        self._disk.rename(new, self._folder / NAME)
        self._disk.sync_folder(self._folder)
