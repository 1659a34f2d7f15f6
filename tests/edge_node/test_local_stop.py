"""The pages of `city edge stop|clear`: on the unix socket only, with a reason, noted for the audit log."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from edge_node.reaction.api import add_stop_pages
from edge_node.reaction.effects import LOCAL, Effect, Latch, Renew

from .test_guard import NOW
from .test_guard_people import guard_of


def pages(address: str) -> tuple[TestClient, Any, list[Effect]]:
    api, guard, done = FastAPI(), guard_of(), list[Effect]()
    core: Any = SimpleNamespace(guard=guard, edge="edge-1", now=lambda: NOW)
    reaction: Any = SimpleNamespace(carry_out=done.extend)
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


@pytest.mark.parametrize("page", ["/stop", "/clear"])
def test_not_from_afar_and_not_without_a_reason(page: str) -> None:
    http, guard, done = pages("127.0.0.1:8080")
    assert http.post(page, json={"reason": "work in the shaft"}).status_code == 403
    assert http.post(page, json={"reason": ""}).status_code == 422
    assert not done and not guard.stopped
