"""The city keeps the heads of edge nodes' audit logs, and tells when one contradicts what it has."""

from pathlib import Path
from typing import Any

import pytest

from aggregator.audit.heads import AGAIN_US, Exchange, kept_by_nodes
from aggregator.link.sessions import Session
from protocol.city_link import AuditHead
from service.audit_heads import Book, Signer
from service.audit_witness import EVERY_US, from_message

NAME = "edge-1"


class OwnLog:
    """As much of the city's audit log as heads need."""

    def __init__(self, folder: Path, notes: list[Any]) -> None:
        self.folder, self.note, self.head = folder, notes.extend, {}


class Desk:
    """A witness over sessions whose health says what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = Signer(folder / "node")
        self.notes: list[Any] = []
        self.session = Session(NAME)
        self.us = 0
        self.audit = OwnLog(folder, self.notes)
        self.heads = Exchange(self.audit)

    def tell(self, *heads: Any) -> list[str]:
        """Let heads come by heartbeat; what is wrong after all are kept."""
        for head in heads:
            self.us += EVERY_US
            self.session.health = {"audit": {"head": head if isinstance(head, dict) else head.__dict__}}
            self.heads.tick([self.session], self.us)
        self.heads.close()
        reasons = self.heads.reasons([])
        self.heads = Exchange(self.audit)
        return reasons

    def head(self, n: int, sha256: str = "ab" * 32, name: str = NAME) -> Any:
        return self.signer.sign(name, n, sha256, 7)

    def kept(self) -> list[int]:
        return [head.n for head in Book(self.folder / "audit/edges", NAME).heads()]


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    desk.heads.close()


def test_heads_are_kept_once_each_and_over_restarts(desk: Desk) -> None:
    assert desk.tell(desk.head(3), desk.head(3), desk.head(5)) == [] and desk.kept() == [3, 5]
    assert desk.tell(desk.head(5), desk.head(9)) == [] and desk.kept() == [3, 5, 9]
    desk.session.health = {"audit": {"head": desk.head(10).__dict__}}
    desk.heads.tick([desk.session], desk.us)
    desk.session.health = {"audit": {"head": desk.head(11).__dict__}}
    desk.heads.tick([desk.session], desk.us + 1)
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


def test_the_citys_own_head_goes_to_each_node_once_per_connection(desk: Desk) -> None:
    session, old, unknown = desk.session, Session("edge-0", b"o", connected=True, proto=1), Session("edge-9", b"u")
    session.routing_id, session.connected, session.proto = b"a", True, 2

    def told(us: int) -> list[tuple[str, int]]:
        sends = desk.heads.tick([session, old, unknown], us)
        assert all(isinstance(message, AuditHead) for _, message in sends)
        return [(edge, message.n) for edge, message in sends]

    assert told(1) == [], "there is none yet"
    desk.audit.head = desk.head(3, name="city").__dict__
    assert told(2) == [(NAME, 3)] and told(3) == []
    desk.audit.head = desk.head(5, name="city").__dict__
    assert told(4) == [(NAME, 5)] and told(5) == []
    session.routing_id, us = b"b", 6
    assert told(us) == [(NAME, 5)] and told(us + 1) == []
    assert told(us + AGAIN_US) == [(NAME, 5)], "a full queue may have lost it"
    session.proto = 0
    session.routing_id = b"c"
    assert told(us + 1 + AGAIN_US) == [], "before its hello nobody knows what it reads"


def test_a_head_goes_over_the_link_unchanged(desk: Desk) -> None:
    desk.audit.head = desk.head(3, name="city").__dict__
    desk.session.connected, desk.session.proto = True, 2
    ((_, message),) = desk.heads.tick([desk.session], 1)
    assert from_message(message) == desk.audit.head


def test_what_nodes_keep_of_the_citys_log_is_known_and_told(desk: Desk) -> None:
    head = desk.head(9, name="city")
    desk.session.health = {"audit": {"city": {"head": head.__dict__, "problem": "the audit log was rolled back"}}}
    assert kept_by_nodes([desk.session]) == [(NAME, head)]
    assert desk.heads.reasons([desk.session]) == ["edge-1 says of the city's log: the audit log was rolled back"]


@pytest.mark.parametrize(
    "audit", [7, {"city": []}, {"city": {"head": {"n": 1}, "problem": 5}}, {"city": {"problem": ""}}]
)
def test_nonsense_of_a_node_says_nothing(desk: Desk, audit: Any) -> None:
    desk.session.health = {"audit": audit}
    assert kept_by_nodes([desk.session]) == [] and desk.heads.reasons([desk.session]) == []


def test_a_note_of_a_contradiction_holds_no_more_than_a_head(desk: Desk) -> None:
    desk.tell({"x": "y" * 10_000})
    assert [note["head"] for note in desk.notes] == [{}]
