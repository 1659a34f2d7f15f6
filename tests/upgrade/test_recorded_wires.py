"""What 0.1.0 said on the wires, heard by the parts of today, and what these answer, judged as 0.1.0 did."""

from collections import Counter
from typing import Any

import as_0_1_0
import pytest
import releases

from edge_node.board_session import BoardSession, LinkUp
from protocol import board_link, checks, frames
from protocol.host_decoder import HostDecoder

RELEASE = "0.1.0"
BOARDS = ("river-1", "mast-1", "gate-1")


def crossed(who: str) -> list[list[bytes]]:
    """Return the messages that the edge ("edge-1") or the city ("") of 0.1.0 sent."""
    return [[bytes.fromhex(part) for part in parts] for edge, parts in releases.wires(RELEASE)["city"] if edge == who]


def test_the_recording_has_every_kind_that_the_release_sent() -> None:
    kinds = {as_0_1_0.message(parts) for who in ("edge-1", "") for parts in crossed(who)}
    assert kinds >= {1, 2, 3, 5, 6, 7, 17, 18, 19, 20, 21}


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
