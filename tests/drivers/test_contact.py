"""Contact against its virtual counterpart."""

from typing import Any

import pytest

from drivers import contact
from simulator.chips import contact as chip_contact


@pytest.mark.parametrize(("level", "active_high", "closed"), [(0, False, 1), (1, False, 0), (0, True, 0), (1, True, 1)])
def test_levels(level: int, active_high: bool, closed: int) -> None:
    assert contact.compensate_closed(level, active_high) == closed


@pytest.mark.parametrize("to_ground", [True, False])
@pytest.mark.parametrize("closed", [True, False])
def test_contact_reads_its_virtual_contact(bench: Any, closed: bool, to_ground: bool) -> None:
    chip = chip_contact.Contact(closed=closed, to_ground=to_ground)
    pull = "up" if to_ground else "down"
    driver = contact.make(bench, {"pin": "GP14", "pull": pull, "active_high": not to_ground})
    level = chip.level()
    bench.levels["GP14"] = level if level is not None else int(to_ground)
    values = [float("nan")]
    assert driver.start() == 0
    driver.read_into(values)
    assert values == [float(closed)]
    assert driver.closed() is closed


def test_a_cut_wire_reads_open(bench: Any) -> None:
    chip = chip_contact.make(bench.clock.ns)
    chip.closed = chip.unplugged = True
    assert chip.level() is None
