"""A flash ring is cut at each of its operations; `make powercut` does it 10,000 times with lives of all kinds."""

from random import Random

import pytest

from .flash import run
from .flash_planted import BUGS
from .flash_scene import FlashScene

SCRIPT = [("away", 60), ("up", 20), ("away", 120), ("deaf", 10), ("up", 30), ("away", 50)]


def test_no_cut_at_any_operation_does_harm():
    cuts, cut = 0, True
    while cut:
        scene = FlashScene(Random(cuts), 3)
        cut = scene.live(SCRIPT, cuts + 1)
        scene.live([("away", 30)])
        scene.settle()
        assert scene.judge() == []
        cuts += cut
    assert cuts >= 15
    assert len(scene.stored) > 400


@pytest.mark.parametrize("seed", (2, 4))
def test_cuts_in_a_row_do_no_harm(seed):
    result = run(seed)
    assert result.cuts == 25
    assert result.problems == []


@pytest.mark.parametrize("bug", sorted(set(BUGS) - {""}))
def test_planted_bugs_are_found(bug):
    with BUGS[bug]():
        assert any(run(seed, 12).problems for seed in range(4, 16))


def test_every_sector_is_erased_equally_often():
    scene = FlashScene(Random(1), 2)
    scene.live([("away", 1200)])
    assert scene.flash.erases[0] > 1
    assert max(scene.flash.erases) - min(scene.flash.erases) <= 1
