"""Settings, state and the flash ring on one flash under real littlefs; `make powercut` cuts them 10,000 times."""

import pytest

from .files import BUGS, run


def test_no_cut_mixes_settings_tears_the_ring_or_touches_another_file() -> None:
    harm, cuts, operations = run(7, 30)
    assert harm == []
    assert cuts == 30 and operations > 1000


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_found(bug: str) -> None:
    assert run(1, 60, bug)[0]
