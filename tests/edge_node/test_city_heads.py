"""A node keeps the heads of the city's audit log: genuine ones, over restarts, within bounds, for their owner alone."""

import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from edge_node.audit.api import add_audit_pages
from edge_node.audit.city_heads import CityHeads
from edge_node.config import EdgeConfig
from protocol import city_link as cl
from service import audit_heads
from service.audit import AuditLog
from service.audit_heads import Signer
from service.audit_witness import EVERY_US, to_message

NONE: Mapping[str, Any] = {}


class Node:
    """A node's log and what it keeps of the city's; `restart` is a new start of its process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.city, self.us = folder, Signer(folder / "city"), 0
        self.restart()

    def restart(self) -> None:
        self.close()
        self.audit = AuditLog(self.folder / "edge", name="edge-1", wall=lambda: 777)
        self.heads = CityHeads(self.audit)

    def close(self) -> None:
        if hasattr(self, "heads"):
            self.heads.close()
            self.audit.close()

    def hear(self, n: int, sha256: str = "ab" * 32, name: str = "city", spoilt: Mapping[str, Any] = NONE) -> None:
        """Let a head come over the link, and wait until it was judged."""
        self.us += EVERY_US
        message = replace(to_message(self.city.sign(name, n, sha256, 7).__dict__), **spoilt)
        self.heads.take(cl.decode(cl.encode(message)))  # type: ignore[arg-type]
        self.heads.tick(self.us)
        self.heads.close()
        problem = self.heads.row()["problem"]
        self.heads = CityHeads(self.audit)
        self.problem = problem

    def kept(self) -> list[int]:
        return [head.n for head in self.heads.book.heads()]

    def noted(self) -> list[dict[str, Any]]:
        """What the node's own log says; it is closed for that."""
        self.restart()
        rows = [json.loads(line) for line in (self.folder / "edge/audit.jsonl").read_text().splitlines()]
        return [row for row in rows if row["event"] == "city_log_contradicts"]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


def test_heads_are_kept_with_when_they_came_and_over_restarts(node: Node) -> None:
    node.hear(3)
    node.hear(3)
    node.restart()
    assert node.heads.row()["head"]["n"] == 3, "the city is told even before it says anything"
    node.hear(3)
    node.hear(5)
    kept = node.heads.book.kept()
    assert [head.n for head, _ in kept] == [3, 5] and all(head.genuine() for head, _ in kept)
    assert all(received > 1_700_000_000_000_000 for _, received in kept)
    assert node.problem == "" and node.heads.problems() == [] and node.noted() == []


def test_what_comes_too_fast_waits_and_the_newest_is_kept(node: Node) -> None:
    for us, n in enumerate((3, 5, 7, 9)):
        node.heads.take(to_message(node.city.sign("city", n, "ab" * 32, 7).__dict__))
        node.heads.tick(us)
    node.heads.tick(EVERY_US + 1)
    node.heads.close()
    assert node.kept() == [3, 9]
    node.heads = CityHeads(node.audit)


def test_the_book_is_for_its_owner_alone(node: Node) -> None:
    node.hear(3)
    path = node.folder / "edge/audit/city/heads.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_book_is_bounded_and_knows_the_top_over_its_turn(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_heads, "MAX_BOOK", 2000)
    for n in range(1, 31):
        node.hear(n)
    size = sum(path.stat().st_size for path in (node.folder / "edge/audit/city").iterdir())
    assert size < 2 * 2000 + 2 * 500 and node.kept()[-1] == 30 and 4 < len(node.kept()) < 15
    node.restart()
    node.hear(29)
    assert "rolled back" in node.problem


@pytest.mark.parametrize(
    "spoilt", [{"sig": bytes(64)}, {"key": bytes(32)}, {"n": 4}, {"name": "other"}, {"sha256": bytes(32)}]
)
def test_a_forged_head_is_not_kept(node: Node, spoilt: dict[str, Any]) -> None:
    node.hear(3, spoilt=spoilt)
    assert node.kept() == [] and "wrong signature" in node.problem
    assert [row["who"] for row in node.noted()] == ["city"]


@pytest.mark.parametrize(
    ("head", "words"),
    [((4,), "rolled back: it had 9 lines and now has 4"), ((9, "cd" * 32), "forked"), ((12, "ab" * 32, "x"), "'x'")],
)
def test_a_log_that_went_back_is_told_and_the_old_head_stays(node: Node, head: Any, words: str) -> None:
    node.hear(9)
    node.hear(*head)
    assert node.kept() == [9] and words in node.problem
    (row,) = node.noted()
    assert words in row["text"] and row["head"]["n"] == head[0]


def test_another_key_is_told(node: Node) -> None:
    node.hear(9)
    node.city = Signer(node.folder / "intruder")
    node.hear(12)
    assert "another key" in node.problem and node.kept() == [9]


def pages(node: Node, tmp_path: Path, api: str) -> TestClient:
    config = EdgeConfig.model_validate({
        "edge": {"id": "edge-1", "data_dir": node.audit.folder, "api": api},
        "boards": [{"thing": "river-1", "port": "p", "key_file": "k"}],
        "city": {"endpoint": "ipc://c", "server_public_file": "s", "secret_file": "s", "verify_key_file": "v"},
    })  # fmt: skip
    app = FastAPI()
    add_audit_pages(app, config, node.heads)
    return TestClient(app)


def test_the_pages_show_log_and_heads(node: Node, tmp_path: Path) -> None:
    node.audit.write([{"event": "local_stop", "who": f"local:{n}"} for n in range(5)])
    node.hear(3)
    node.hear(5)
    http = pages(node, tmp_path, "unix:api.sock")
    found = http.get("/audit").json()
    assert (found["ok"], found["name"], found["last"]) == (True, "edge-1", 5) and found["checked_utc_us"]
    assert [row["n"] for row in http.get("/audit/heads").json()] == [3, 5]
    assert [row["n"] for row in http.get("/audit/heads?limit=1").json()] == [5]
    assert http.get("/audit/heads?limit=0").json() == []
    assert [row["who"] for row in http.get("/audit/lines?after=2&limit=2").json()] == ["local:2", "local:3"]
    assert http.get("/audit/lines?after=5").json() == [] and len(http.get("/audit/lines?after=-7").json()) == 5


def test_what_is_in_the_log_is_not_shown_to_a_network(node: Node, tmp_path: Path) -> None:
    node.audit.write([{"event": "local_stop", "who": "local:pi"}])
    http = pages(node, tmp_path, "127.0.0.1:8080")
    answer = http.get("/audit/lines")
    assert answer.status_code == 403 and answer.json()["detail"]["reason"] == "not_local"
    assert http.get("/audit").json()["ok"] and http.get("/audit/heads").status_code == 200
