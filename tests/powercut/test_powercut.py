"""100 power cuts do no harm, and would if the product or the shim were careless."""

from pathlib import PurePath
from random import Random

import pytest

from .chain import CUTS, run
from .planted import BUGS
from .unsynced import File, Folder, Length, Whim, Write, content, names

SEEDS = range(1, 21)
MOST_SEEDS = 60


class Always(Whim):
    """Keeps all, or nothing, of what was not synced."""

    def __init__(self, keep: bool, sector: int = 512) -> None:
        super().__init__(Random(0))
        self.sector, self._keep, self._in_order = sector, float(keep), False


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_does_no_harm(seed: int) -> None:
    result = run(seed)
    assert result.problems == [], f"again: python -m tests.powercut --seed {seed} --cuts {result.cuts}"
    assert result.cuts == CUTS and result.operations


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_the_cuts_find_what_was_planted(bug: str) -> None:
    assert any(run(seed, BUGS[bug]).problems for seed in range(1, MOST_SEEDS)), f"{bug}: not found, the shim is blind"


@pytest.mark.slow
def test_a_seed_is_the_same_each_time() -> None:
    for seed in (1, 2):
        assert run(seed) == run(seed)


def test_synced_content_stays_and_unsynced_may_go() -> None:
    file = File(pending=[Write(0, b"a" * 600)])
    file.sync()
    file.pending = [Write(500, b"b" * 1000), Length(900)]
    assert content(file, Always(False)) == b"a" * 600
    assert content(file, Always(True)) == b"a" * 500 + b"b" * 400


def test_a_write_is_torn_at_sectors_and_leaves_zeros_before_what_made_it() -> None:
    class Last(Always):
        def cut(self, count: int) -> list[bool]:
            return [at == count - 1 for at in range(count)]

    file = File(pending=[Write(100, b"x" * 1000)])
    assert content(file, Last(True)) == bytes(1024) + b"x" * 76
    assert content(file, Last(True, sector=4096)) == bytes(100) + b"x" * 1000


def test_names_count_once_the_folder_is_synced() -> None:
    path, folder, old, new = PurePath("/f"), Folder(), File(), File()
    folder.change("kept", old)
    folder.sync()
    folder.change("kept", new)
    folder.change("made", new)
    assert names({path: folder}, set(), Always(False)) == {path: {"kept": old}}
    assert names({path: folder}, set(), Always(True)) == {path: {"kept": new, "made": new}}
    folder.change("kept", None)
    folder.sync()
    assert names({path: folder}, set(), Always(False)) == {path: {"made": new}}


@pytest.mark.parametrize("synced", ["neither", "from", "to"])
def test_a_file_that_moves_is_never_nowhere(synced: str) -> None:
    for seed in range(60):
        source, target, file, move = Folder(), Folder(), File(), object()
        source.change("a", file)
        source.sync()
        target.change("b", file, move)
        source.change("a", None, move)
        moves = {"neither": [], "from": source.sync, "to": target.sync}[synced]
        done = set(moves() if callable(moves) else moves)
        after = names({PurePath("/s"): source, PurePath("/t"): target}, done, Whim(Random(seed)))
        assert after[PurePath("/s")] or after[PurePath("/t")]
        assert synced == "neither" or after[PurePath("/t")] == {"b": file}
