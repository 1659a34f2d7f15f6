"""The city keeps the heads of edge nodes' audit logs, and tells when one contradicts what it has."""

from pathlib import Path
from typing import Any

import pytest

from aggregator.keys.witness import EVERY_US, Witness
from aggregator.link.sessions import Session
from service.audit_heads import Book, Signer

NAME = "edge-1"


class Desk:
    """A witness over sessions whose health says what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = Signer(folder / "node")
        self.notes: list[Any] = []
        self.session = Session(NAME)
        self.us = 0
        self.witness = Witness(folder / "heads", self.notes.extend)

    def tell(self, *heads: Any) -> list[str]:
        """Let heads come by heartbeat; what is wrong after all are kept."""
        for head in heads:
            self.us += EVERY_US
            self.session.health = {"audit": {"head": head if isinstance(head, dict) else head.__dict__}}
            self.witness.tick([self.session], self.us)
        self.witness.close()
        reasons = self.witness.reasons()
        self.witness = Witness(self.folder / "heads", self.notes.extend)
        return reasons

    def head(self, n: int, sha256: str = "ab" * 32, name: str = NAME) -> Any:
        return self.signer.sign(name, n, sha256, 7)

    def kept(self) -> list[int]:
        return [head.n for head in Book(self.folder / "heads", NAME).heads()]


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    desk.witness.close()


def test_heads_are_kept_once_each_and_over_restarts(desk: Desk) -> None:
    assert desk.tell(desk.head(3), desk.head(3), desk.head(5)) == [] and desk.kept() == [3, 5]
    assert desk.tell(desk.head(5), desk.head(9)) == [] and desk.kept() == [3, 5, 9]
    desk.session.health = {"audit": {"head": desk.head(10).__dict__}}
    desk.witness.tick([desk.session], desk.us)
    desk.session.health = {"audit": {"head": desk.head(11).__dict__}}
    desk.witness.tick([desk.session], desk.us + 1)
    desk.tell()
    assert desk.kept() == [3, 5, 9, 10], "one each twenty seconds"


@pytest.mark.parametrize(
    ("n", "sha256", "words"), [(4, "ab" * 32, "rolled back: it had 9 lines and now has 4"), (9, "cd" * 32, "forked")]
)
def test_a_log_that_went_back_is_told_and_the_old_head_stays(desk: Desk, n: int, sha256: str, words: str) -> None:
    desk.tell(desk.head(9))
    (reason,) = desk.tell(desk.head(n, sha256))
    assert reason.startswith("edge-1: ") and words in reason and desk.kept() == [9]
    (note,) = desk.notes
    assert (note["event"], note["who"]) == ("edge_log_contradicts", "edge-1") and words in note["text"]
    assert desk.tell(desk.head(n, sha256), desk.head(10)) == [] and desk.kept() == [9, 10]


def test_another_key_is_told(desk: Desk) -> None:
    desk.tell(desk.head(9))
    desk.signer = Signer(desk.folder / "other")
    assert "another key" in desk.tell(desk.head(12))[0] and desk.kept() == [9]


@pytest.mark.parametrize("row", [{"n": 1}, {"x": []}])
def test_what_is_no_head_is_told(desk: Desk, row: Any) -> None:
    assert "not its own" in desk.tell(row)[0] and desk.kept() == []


def test_a_head_of_somebody_else_is_told(desk: Desk) -> None:
    assert "not its own" in desk.tell(desk.head(3, name="edge-2"))[0]
    forged = {**desk.head(3).__dict__, "n": 4}
    assert "not its own" in desk.tell(forged)[0] and desk.kept() == []
