"""Bugs put in on purpose. Power cuts that do not find each of them prove nothing."""

from pathlib import Path
from typing import Any

from .chain import Planted
from .disk import CutDisk
from .stepped import Eager
from .vfs import Connection


class _Careless(Connection):
    """Does not sync as it is told to."""

    level = "OFF"

    def execute(self, sql: str, values: Any = ()) -> Any:
        return super().execute(sql.replace("synchronous = FULL", f"synchronous = {self.level}"), values)


class _Normal(_Careless):
    level = "NORMAL"


class _SyncOff(CutDisk):
    kind = _Careless


class _SyncNormal(CutDisk):
    kind = _Normal


class _NoFolderSync(CutDisk):
    def sync_folder(self, folder: Path) -> None:
        """Forget it."""


class _NoFileSync(CutDisk):
    def sync_file(self, path: Path) -> None:
        """Forget it."""


BUGS = {
    "synchronous = OFF": Planted(disk=_SyncOff),
    "synchronous = NORMAL": Planted(disk=_SyncNormal),
    "no fsync of folders": Planted(disk=_NoFolderSync),
    "no fsync of sealed files": Planted(disk=_NoFileSync),
    "ack before commit": Planted(group=Eager),
}
