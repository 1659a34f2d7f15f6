"""The pages of `city edge stop|clear`: on the unix socket only, with a reason, noted for the audit log."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from edge_node.reaction import api as stop_pages
from edge_node.reaction.api import add_stop_pages
from edge_node.reaction.effects import LOCAL, Effect, Latch, Renew
from edge_node.reaction.reaction import Reaction

from .test_guard import GATE, NOW
from .test_guard_people import guard_of


def pages(address: str, *, kept: bool = True) -> tuple[TestClient, Any, list[Effect]]:
    api, guard, done = FastAPI(), guard_of(), list[Effect]()
    core: Any = SimpleNamespace(guard=guard, edge="edge-1", now=lambda: NOW)
    reaction: Any = SimpleNamespace(carry_out=done.extend, is_kept=lambda name: kept)
    add_stop_pages(api, core, reaction, address)
    return TestClient(api), guard, done


def test_stop_and_clear_at_the_node() -> None:
    http, guard, done = pages("unix:api.sock")
    body = {"reason": "work in the shaft", "who": "pi"}
    assert http.post("/stop", json=body).json() == {"edge": "edge-1", "stopped": "pi: work in the shaft"}
    assert done == [Renew("river-1", 0, 0), Latch(LOCAL, "pi: work in the shaft")]
    assert http.post("/clear", json=body).json() == {"edge": "edge-1", "stopped": ""}
    assert done[2:] == [Latch(LOCAL, "")]
    assert [(deed["event"], deed["who"]) for deed in guard.take_deeds()] == [
        ("local_stop", "local:pi"), ("local_clear", "local:pi")
    ]  # fmt: skip


def test_a_stop_that_would_not_survive_a_restart_acts_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_pages, "KEPT_WITHIN_S", 0.1)
    http, guard, done = pages("unix:api.sock", kept=False)
    answer = http.post("/stop", json={"reason": "work in the shaft", "who": "pi"})
    assert answer.status_code == 507 and "a restart would forget it" in answer.json()["detail"]["text"]
    assert guard.stopped and isinstance(done[0], Renew)


class Disk:
    """A journal that takes nothing while it is `full`."""

    def __init__(self) -> None:
        self.full, self.rows = True, list[tuple[str, bytes]]()

    def submit(self, work: Any, done: Any, failed: Any) -> None:
        if self.full:
            failed(OSError("full"))
            return
        work(SimpleNamespace(execute=lambda _, row: self.rows.append((row[0], row[1][:-4]))))
        done(None)


def test_a_latch_that_a_full_disk_did_not_keep_is_kept_once_there_is_room_the_newest_of_its_name() -> None:
    disk, guard, told = Disk(), guard_of(), list[Any]()
    core: Any = SimpleNamespace(
        guard=guard, journal=disk, boards={}, host=SimpleNamespace(advance=lambda now_us: []), now=lambda: NOW
    )
    reaction = Reaction(core, lambda message: bool(told.append(message)))
    reaction.carry_out(guard.trip(GATE, "a boat", NOW))
    reaction.carry_out(guard.stop("pi: work", "pi", NOW))
    reaction.carry_out(guard.clear("pi"))
    assert not reaction.is_kept(GATE) and not disk.rows
    reaction.tick(NOW + 1_000_000)
    disk.full = False
    reaction.tick(NOW + 1_500_000)
    assert not disk.rows, "asked once a second"
    reaction.tick(NOW + 2_000_000)
    assert sorted(disk.rows) == [("latch ", b""), (f"latch {GATE}", b"a boat")]
    assert reaction.is_kept(GATE) and reaction.is_kept(LOCAL)
    reaction.tick(NOW + 9_000_000)
    assert len(disk.rows) == 2


@pytest.mark.parametrize("page", ["/stop", "/clear"])
def test_not_from_afar_and_not_without_a_reason(page: str) -> None:
    http, guard, done = pages("127.0.0.1:8080")
    assert http.post(page, json={"reason": "work in the shaft"}).status_code == 403
    assert http.post(page, json={"reason": ""}).status_code == 422
    assert not done and not guard.stopped
