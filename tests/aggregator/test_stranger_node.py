"""A node that shares no code with us talks to the real city over real CURVE: samples are stored, then acked."""

import ast
import asyncio
from pathlib import Path
from typing import Any

import pytest
import zmq.asyncio

from aggregator import app

from .stranger_node import StrangerNode
from .test_link import LIMIT_S, Site, run


@pytest.fixture
def site(tmp_path: Path, kit: Any) -> Site:
    return Site(tmp_path, kit.templates)


def test_it_imports_nothing_of_ours() -> None:
    tree = ast.parse((Path(__file__).parent / "stranger_node.py").read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"struct", "typing", "umsgpack", "zmq"}


async def hear(node: StrangerNode, kind: int) -> list[Any]:
    """Return the next message of a kind."""
    async with asyncio.timeout(LIMIT_S):
        while (message := await node.hear())[0] != kind:
            pass
    return message


def test_its_samples_are_stored_and_acked(site: Site) -> None:
    async def script(parts: app.Aggregator) -> None:
        context = zmq.asyncio.Context()
        node = StrangerNode(context, site.endpoint, site.keys["edge-1"], site.keys["city"][0], "edge-1")
        await node.hello()
        hello = await hear(node, 17)
        assert hello[1] == 2 and len(hello) >= 5
        await node.tell_everything()
        for value in range(200):
            node.sample(value / 100)
        for first in (64, 0, 128):
            await node.send_batch(first, 64)
        async with asyncio.timeout(LIMIT_S):
            while len(node.unacked) > 8:
                await node.hear()
        assert sorted(node.unacked) == list(range(192, 200))
        stored = parts.city.ingest.stored["river-1", "0badcafe-12"]
        assert stored.to_list() == [(0, 192)]
        await node.send_gap(192, 200)
        assert (await hear(node, 18))[4] == [1]
        await node.later_kind()
        await node.ask_stored()
        answer = await hear(node, 22)
        assert answer[1:3] == ["river-1", "0badcafe-12"] and answer[4:] == [[[0, 192]], [1], 0, 1]
        await node.beat()
        assert (await hear(node, 19))[1] > 0
        assert parts.city.refused["unknown_kind"] == 1
        assert parts.city.sessions.by_edge["edge-1"].proto == 2
        context.destroy(0)

    run(site, script)
