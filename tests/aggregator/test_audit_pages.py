"""The pages of the city's audit log: who may read what, and what they say of a log that was tampered with."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aggregator.audit.api import add_audit_pages
from aggregator.config import AggregatorConfig
from aggregator.link.sessions import Session
from aggregator.operators.gate import Gate, install
from aggregator.operators.people import of_roles
from service import audit_check
from service.audit import FILE, AuditLog

PEOPLE = {
    "anna": of_roles("anna", {"*": "administrator"}),
    "ben": of_roles("ben", {"river": "supervisor"}),
    "vera": of_roles("vera", {"river": "viewer"}),
    "rita": of_roles("rita", {"river": "administrator"}),
}
CITY = {
    "city": {"data_dir": "city", "id": "city"}, "signing": {"secret_file": "sign.secret"},
    "listen": {"endpoint": "ipc://link", "public_file": "c.public", "secret_file": "c.secret"},
    "enrol": {"endpoint": "ipc://door"},
}  # fmt: skip


class Desk:
    """A log of twelve lines in three files, a node that keeps its head, and the pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "city"
        log = AuditLog(self.folder, name="city", max_bytes=700)
        for n in range(12):
            log.write([{"event": "login", "who": f"person-{n}"}])
        log.close()
        self.session = Session("edge-1", connected=True, health={"audit": {"city": {"head": log.head}}})
        config = AggregatorConfig.model_validate(CITY, context={"folder": folder})
        api = FastAPI()
        install(api, Gate(person_of=PEOPLE.get))
        add_audit_pages(api, config, lambda: [self.session])
        self.http = TestClient(api)

    def get(self, page: str, who: str = "anna") -> tuple[int, Any]:
        done = self.http.get(page, headers={"Authorization": f"Bearer {who}"} if who else {})
        return done.status_code, done.json()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(audit_check, "EVERY_S", 0.0)
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("who", "codes"),
    [("anna", (200, 200, 200)), ("rita", (200, 200, 403)), ("ben", (200, 200, 403)), ("vera", (200, 200, 403)),
     ("", (401, 401, 401)), ("nobody", (401, 401, 401))],
)  # fmt: skip
def test_who_may_read_what(desk: Desk, who: str, codes: tuple[int, ...]) -> None:
    assert tuple(desk.get(page, who)[0] for page in ("/audit", "/audit/heads", "/audit/lines")) == codes


def test_nothing_can_be_changed_there(desk: Desk) -> None:
    before = {path: path.read_bytes() for path in self_and_below(desk.folder)}
    for page in ("/audit", "/audit/heads", "/audit/lines"):
        headers = {"Authorization": "Bearer anna"}
        assert {desk.http.request(how, page, headers=headers).status_code for how in ("POST", "PUT", "DELETE")} == {405}
        desk.get(page)
    assert {path: path.read_bytes() for path in self_and_below(desk.folder)} == before


def self_and_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_range_of_lines_over_files(desk: Desk) -> None:
    assert len(list(desk.folder.glob("audit-*.jsonl"))) >= 2
    rows = desk.get("/audit/lines")[1]
    assert [row["n"] for row in rows] == list(range(1, 13)) and rows[0]["who"] == "person-0"
    assert [row["n"] for row in desk.get("/audit/lines?after=4&limit=5")[1]] == [5, 6, 7, 8, 9]
    assert desk.get("/audit/lines?after=12")[1] == [] and desk.get("/audit/lines?limit=-1")[1] == []
    assert desk.get("/audit/lines?after=x")[0] == 422


def test_full_files_are_not_read_for_lines_after_them(desk: Desk) -> None:
    oldest = min(desk.folder.glob("audit-*.jsonl"))
    last = int(oldest.stem.removeprefix("audit-"))
    oldest.chmod(0o000)
    oldest.unlink()
    assert desk.get(f"/audit/lines?after={last}")[1][0]["n"] == last + 1


def test_a_whole_log_and_the_head_that_a_node_keeps(desk: Desk) -> None:
    found = desk.get("/audit", "vera")[1]
    assert (found["ok"], found["lines"], found["witnessed"]) == (True, 12, True) and found["problems"] == []
    ((row,),) = (desk.get("/audit/heads", "vera")[1],)
    assert (row["kept_by"], row["n"], row["name"]) == ("edge-1", 12, "city")


def test_a_cut_tail_without_any_book_is_found_by_the_node(desk: Desk) -> None:
    path = desk.folder / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    for book in (desk.folder / "audit").glob("*.jsonl"):
        book.unlink()
    found = desk.get("/audit")[1]
    ((where, text),) = [(problem["file"], problem["text"]) for problem in found["problems"]]
    assert not found["ok"] and where == "edge-1" and "had 12 lines and now ends with line 11" in text
    desk.session.health = {}
    assert desk.get("/audit")[1]["ok"], "nobody else knew"


def test_a_check_is_made_at_most_once_in_a_while(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_check, "EVERY_S", 3600.0)
    first = desk.get("/audit")[1]
    (desk.folder / FILE).write_bytes(b"")
    assert desk.get("/audit")[1] == first
