"""Where samples of a board go until its clock is good."""

from types import SimpleNamespace
from typing import Any

from edge_node.boards.session import BoardSession
from edge_node.boards.side import BoardSide
from protocol import board_link as link

from .scripted_board import records_of

THREE = records_of([(0, 1, 1000 * i, float(i)) for i in range(3)])


class Side(BoardSide):
    """Keeps what would be journaled: (boot, under the clock of its own boot)."""

    def __init__(self) -> None:
        core: Any = SimpleNamespace(boards={"river-1": SimpleNamespace(session=BoardSession("river-1", 1))})
        super().__init__(core, None, None)  # type: ignore[arg-type]
        self.journaled: list[tuple[str, bool]] = []

    def _take(self, thing: str, samples: link.Samples, rx_us: int) -> None:
        self.journaled.append((samples.boot, False))

    def _take_earlier(self, thing: str, samples: link.Samples, rx_us: int) -> None:
        self.journaled.append((samples.boot, True))


def test_samples_of_an_earlier_boot_never_wait_for_the_clock_of_this_one() -> None:
    side = Side()
    side._samples("river-1", link.Samples("0badcafe-6", 0, THREE, earlier=True), 1_000)
    assert side.journaled == [("0badcafe-6", True)] and not side._waiting["river-1"]


def test_samples_of_this_boot_wait_until_its_clock_is_good() -> None:
    side = Side()
    side._samples("river-1", link.Samples("0badcafe-7", 0, THREE), 1_000)
    assert side.journaled == [] and len(side._waiting["river-1"]) == 1
