"""What 0.1.0 said on the wires, heard by the parts of today, and what these answer, judged as 0.1.0 did."""

from collections import Counter
from pathlib import Path
from typing import Any

import as_0_1_0
import pytest
import releases
from test_upgraded_city import start
from test_upgraded_edge import Node

from aggregator.link.router_socket import Received
from edge_node.boards.session import BoardSession, LinkUp
from protocol import board_link, checks, city_link, frames
from protocol.city_link import Ack, Batch, CityHello, EdgeHello
from protocol.host_decoder import HostDecoder
from protocol.ranges import Ranges

RELEASE = "0.1.0"
BOARDS = ("river-1", "mast-1", "gate-1")


def crossed(who: str) -> list[list[bytes]]:
    """Return the messages that the edge ("edge-1") or the city ("") of 0.1.0 sent."""
    return [[bytes.fromhex(part) for part in parts] for edge, parts in releases.wires(RELEASE)["city"] if edge == who]


def test_the_recording_has_every_kind_that_the_release_sent() -> None:
    kinds = {as_0_1_0.message(parts) for who in ("edge-1", "") for parts in crossed(who)}
    assert kinds >= {1, 2, 3, 5, 6, 7, 17, 18, 19, 20, 21}


def test_an_edge_node_of_the_release_is_served_by_the_city_of_today(tmp_path: Path) -> None:
    folder = releases.run_folder(RELEASE, "killed", tmp_path / "recorded")
    (folder / "city" / "store.db").unlink()
    (folder / "city" / "store.db-wal").unlink()
    messages = [Received(b"id", "edge-1", tuple(parts)) for parts in crossed("edge-1")]
    city, said = start(folder, messages)
    assert dict(city.refused) == {}
    assert {as_0_1_0.message(parts) for parts in said} >= {CityHello.KIND, Ack.KIND}
    sent: dict[tuple[str, str], Ranges] = {}
    acked: dict[tuple[str, str], Ranges] = {}
    for parts in crossed("edge-1"):
        message = city_link.decode(parts)
        if isinstance(message, Batch):
            sent.setdefault((message.thing, message.boot), Ranges()).add(message.first, message.first + message.n)
    for parts in said:
        message = city_link.decode(parts)
        if isinstance(message, Ack):
            for span in message.ranges:
                acked.setdefault((message.thing, message.boot), Ranges()).add(*span)
    assert acked == sent
    assert city.ingest.stored == sent


def test_a_city_of_the_release_is_served_by_the_edge_node_of_today(tmp_path: Path) -> None:
    node = Node(releases.run_folder(RELEASE, "clean", tmp_path / "run"))
    said = next(filter(None, (node.tick() for _ in range(200))))
    assert [type(message) for message in said] == [EdgeHello]
    assert [as_0_1_0.message(parts) for parts in node.sent] == [EdgeHello.KIND], "a first hello that it understands"
    for parts in crossed(""):
        node.city.received(parts)
        node.tick()
        for mine in node.sent:
            as_0_1_0.message(mine)
    assert node.core.bad["malformed"] == 0
    node.core.journal.close()


@pytest.mark.parametrize("thing", BOARDS)
def test_a_board_of_the_release_is_understood(thing: str) -> None:
    rows = releases.wires(RELEASE)["boards"][thing]
    line = [bytes.fromhex(data) for way, data in rows if way == "from"]
    decoder = HostDecoder()
    bodies = [body for chunk in line for body in decoder.feed(chunk)]
    hello = next(m for m in map(board_link.decode_board, bodies) if isinstance(m, board_link.Hello))
    session = BoardSession(thing, hello.session)
    session.opened(1_000_000)
    heard: list[Any] = []
    for number, chunk in enumerate(line):
        heard += session.received(chunk, 1_000_000 + number * 10_000)
    kinds = Counter(type(event).__name__ for event in heard)
    assert kinds["LinkUp"] and kinds["Samples"] > 10 and kinds["Status"] > 1
    assert session.counters["malformed"] == session.counters["crc"] == session.counters["cobs"] == 0
    up = next(event for event in heard if isinstance(event, LinkUp))
    assert up.manifest.thing == thing


@pytest.mark.parametrize("thing", BOARDS)
def test_a_board_of_the_release_hears_what_it_heard_before(thing: str) -> None:
    """Encoders of today make the bytes that the edge node of the release made of the same words."""
    decoder, told = HostDecoder(), Counter[int]()
    chunks = [bytes.fromhex(data) for way, data in releases.wires(RELEASE)["boards"][thing] if way == "to"]
    for body in (body for chunk in chunks for body in decoder.feed(chunk)):
        kind, *items = checks.unpack(bytes(body), 4096)
        told[kind] += 1
        if kind == frames.HELLO:
            assert board_link.encode_hello(items[2], *items[:2]) == body
        elif kind == frames.SYNC:
            assert board_link.encode_sync(*items) == body
        elif kind == frames.ACK:
            boot, ranges, gaps = items
            assert board_link.encode_ack(frames.boot_text(boot), ranges, gaps) == body
        else:
            assert kind in (frames.TASK, frames.LEASE)
    assert told[frames.HELLO] and told[frames.SYNC] and told[frames.ACK]


@pytest.mark.parametrize("thing", BOARDS)
def test_the_first_hello_offers_the_version_of_the_release(thing: str) -> None:
    session = BoardSession(thing, 5)
    session.opened(1_000_000)
    body = next(iter(HostDecoder().feed(session.take_out())))
    kind, proto_min, proto_max, _ = checks.unpack(bytes(body), 4096)
    assert kind == frames.HELLO
    assert proto_min <= as_0_1_0.BOARD_PROTO <= proto_max
