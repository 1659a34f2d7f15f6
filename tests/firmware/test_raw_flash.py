"""The flash ring never writes where a file system may be. `rp2` is a stand-in here: a real one needs the chip."""

import importlib
import struct
import sys
from collections.abc import Iterator
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from simulator.flash import SECTOR, NorFlash

SECTORS = 352


@pytest.fixture
def flash(monkeypatch: pytest.MonkeyPatch) -> Iterator[NorFlash]:
    """The flash below `rp2.Flash`, which covers all of it or, with a start, a ring of 32 sectors."""
    whole, ring = NorFlash(SECTORS, Random(1)), NorFlash(32, Random(2))

    def open_flash(start: int = -1, len: int = -1) -> NorFlash:
        if start + len > SECTORS * SECTOR:
            raise ValueError
        return whole if start < 0 else ring

    monkeypatch.setitem(sys.modules, "rp2", SimpleNamespace(Flash=open_flash))
    yield whole
    sys.modules.pop("firmware.port.raw_flash", None)


def module() -> ModuleType:
    return importlib.import_module("firmware.port.raw_flash")


def superblock(flash: NorFlash, block: int, blocks: int) -> None:
    """Write what littlefs begins a superblock with (SPEC.md): revision, tag, magic, tag, version, block size, count."""
    head = struct.pack("<II8sIIII", 1, 0xF7FF0FF0, b"littlefs", 0x2FE00010, 0x20001, SECTOR, blocks)
    flash.writeblocks(block, head.ljust(256, b"\xff"), 0)


CONFIG: dict[str, Any] = {"flash": [96 * SECTOR, 32 * SECTOR], "sensors": [{"channels": [1, 2]}, {"channels": [3]}]}


@pytest.mark.parametrize("block", [0, 1])
def test_a_ring_behind_the_file_system_is_opened(flash: NorFlash, block: int) -> None:
    superblock(flash, block, 96)
    spill, problem = module().open_spill(CONFIG)
    assert problem == "" and spill.pages == 512


@pytest.mark.parametrize(
    ("blocks", "config", "said"),
    [
        (97, {}, f"the file system ends at {97 * SECTOR}, expected {96 * SECTOR} at most"),
        (0, {}, "no littlefs"),
        (96, {"flash": [96 * SECTOR, 400 * SECTOR]}, f"no flash ring at {96 * SECTOR}, {400 * SECTOR} bytes"),
    ],
)
def test_where_a_file_system_may_be_there_is_none(flash: NorFlash, blocks: int, config: Any, said: str) -> None:
    if blocks:
        superblock(flash, 0, blocks)
    spill, problem = module().open_spill(CONFIG | config)
    assert spill is None and said in problem
    assert len(problem) <= 200
