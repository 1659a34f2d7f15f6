"""Does a board come back from a power cut as it should?"""

from typing import Any

import pytest

from protocol import board_link
from protocol import task_numbers as codes

pytestmark = pytest.mark.system
LONG_MS = 9000


@pytest.mark.needs("power", "relay", "key")
def test_after_a_power_cut_outputs_are_off_and_what_was_lost_is_declared(board: Any, fixture: Any) -> None:
    first = board.greet()
    board.take_over()
    lamp = next(row for row in board.manifest().actuators if row.name == fixture.wire("relay").of)
    assert board.result(board.order(lamp.index, 1.0, LONG_MS)) == (codes.DONE, codes.OK)
    assert fixture.level("relay") == 1
    fixture.pull("power")
    board.until(lambda: fixture.level("relay") == 0, "the output of a board without power is off")
    fixture.watch("relay")
    board.seen.clear()
    board.hush()
    fixture.let("power")
    second = board.greet()
    incarnation, counter = first.boot.split("-")
    assert second.boot == f"{incarnation}-{int(counter) + 1}" and second.nonce != first.nonce
    gap = board.listen(lambda: [row for row in board.of(board_link.Gap) if row.boot == first.boot], "a declared loss")
    assert (gap[0].cause, gap[0].end > gap[0].first) == ("power", True)
    told = board.listen(
        lambda: [row.text for row in board.of(board_link.Log) if row.text.startswith("started  ")], "why it started"
    )
    assert "power-on" in told[0] and "failed before: 0" in told[0]
    board.listen(lambda: board.of(board_link.Samples), "samples again")
    assert fixture.edges("relay") == [] and fixture.level("relay") == 0, "the output was never on again"
