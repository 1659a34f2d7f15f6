"""One seed: a few power cuts in a row, each life beginning from what the cut before left."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from aggregator.errors import DamagedError
from durable import GroupCommit

from .disk import CutDisk, PowerCut, lay_down
from .journal_scene import JournalScene
from .store_scene import StoreScene

CUTS = 5
SCENES = (JournalScene, StoreScene)


@dataclass
class Planted:
    """Bugs put in on purpose: the disk that is used, and how groups are committed."""

    disk: type[CutDisk] = CutDisk
    group: type[GroupCommit] = GroupCommit


@dataclass
class Result:
    """What a seed showed."""

    seed: int
    cuts: int = 0
    operations: int = 0
    problems: list[str] = field(default_factory=list)


def run(seed: int, planted: Planted | None = None, cuts: int = CUTS) -> Result:
    """Return what `cuts` power cuts do under this seed; it stops at the first that does harm."""
    planted, rng, result = planted or Planted(), Random(seed), Result(seed)
    scene = SCENES[seed % len(SCENES)](rng)
    with tempfile.TemporaryDirectory(prefix="powercut-") as name:
        root = lay_down({}, Path(name) / "0")
        while result.cuts < cuts and not result.problems:
            disk = planted.disk(root, rng, _when(rng))
            try:
                scene.live(root, disk, planted.group)
            except PowerCut:
                pass
            except (sqlite3.Error, DamagedError) as error:
                result.problems.append(f"while the power was on: {error!r}")
            finally:
                disk.power_off()
                disk.close()
            result.cuts, result.operations = result.cuts + 1, result.operations + disk.operations
            left = disk.image or {}
            shutil.rmtree(root)
            root = lay_down(left, Path(name) / str(result.cuts))
            result.problems += scene.problems or _checked(lambda copy: scene.check(copy), root)
    return result


def _when(rng: Random) -> int:
    """Return the operation at which the power goes: often early, where files are made."""
    return rng.randint(1, rng.choice((12, 60, 250, 600)))


def _checked(check: Callable[[Path], list[str]], root: Path) -> list[str]:
    """Return what a start finds wrong in a copy of `root`."""
    copy = root.with_name(root.name + "-checked")
    shutil.copytree(root, copy)
    try:
        return check(copy)
    except (sqlite3.Error, DamagedError) as error:
        return [f"a start fails: {error!r}"]
    finally:
        shutil.rmtree(copy)
