"""Edge nodes of every version at one city: each gets what it reads, a foreign one a refusal that says why."""

import msgpack
import pytest

from aggregator.pages.status import status
from protocol import city_link as cl

from .conftest import T_US

V1_SIZES = {17: 3, 18: 5, 19: 3, 20: 2, 21: 3}
"""Header items, kind included, that an edge node of 0.1.0 demands exactly."""
EVERY = [
    cl.CityHello(1, "s", 5, 9), cl.Ack("river-1", "b", [(0, 5)], [1], [2]), cl.CityHeartbeat(1, 2, 0),
    cl.TaskOrder(bytes(64), b"task"), cl.LeaseRequest("gate-1/opening", "city"),
    cl.Stored("river-1", "b", 3, [(0, 5)], [1], 0, 1), cl.Wait(5, ""), cl.KeyTaken(b"k" * 40),
    cl.AlarmAct("1", "flood", "ack", "level_stale", 5, 0, "anna", ""),
    cl.AuditHead("city", 40, bytes(32), 5, bytes(32), bytes(64)),
]  # fmt: skip


@pytest.fixture
def say(kit, city):
    """Let one message of edge-1 arrive in the shape of a version; return what the city answers."""

    def said(message, proto=cl.PROTO):
        now = city.now(T_US)
        group = city.take([kit.received("edge-1", *cl.encode(message, proto))], now)
        return [sent for _, sent in city.committed(group, now)]

    return said


@pytest.fixture
def city(kit, store):
    return kit.city(store)


def test_an_edge_of_0_1_0_gets_what_it_reads_and_no_more(city, say):
    assert say(cl.EdgeHello(1, "edge-1", "eb-1", 1), 1) == [cl.CityHello(1, city.start)]
    session = city.sessions.by_edge["edge-1"]
    sent = [session.parts(message) for message in EVERY]
    sizes = [len(msgpack.unpackb(parts[0])) for parts in sent if parts]
    assert sizes == list(V1_SIZES.values())


def test_an_edge_of_today_gets_everything(city, say):
    (hello,) = say(cl.EdgeHello(2, "edge-1", "eb-1", 1))
    assert hello.proto == 2
    session = city.sessions.by_edge["edge-1"]
    assert [cl.decode(session.parts(message)) for message in EVERY] == EVERY


def test_a_later_edge_that_still_speaks_ours_is_answered_in_ours(say):
    (hello,) = say(cl.EdgeHello(7, "edge-1", "eb-1", 1, 2))
    assert hello.proto == 2


def test_before_its_hello_an_edge_gets_what_every_version_reads_with_our_version_in_it(city, say):
    (hello,) = say(cl.LeaseState("river-1/opening", "", 1, 1))
    session = city.sessions.by_edge["edge-1"]
    assert hello.proto == 2 and len(msgpack.unpackb(session.parts(hello)[0])) == V1_SIZES[17]
    assert session.parts(cl.KeyTaken(b"k" * 40)) is None
    assert session.parts(cl.Wait(5, "")) == cl.encode(cl.Wait(5, ""))


def test_an_edge_without_a_common_version_is_refused_and_shown(city, kit, say):
    (refusal,) = say(cl.EdgeHello(9, "edge-1", "eb-1", 1, 3))
    assert refusal.code == "no_common_proto"
    assert refusal.text == "edge-1 speaks city link versions 3 to 9, this city versions 1 to 2: update this city"
    session = city.sessions.by_edge["edge-1"]
    assert cl.decode(session.parts(refusal)) == refusal
    assert [session.parts(message) for message in EVERY] == [None] * len(EVERY)
    assert say(kit.info()) == [refusal] and city.registry.edge_of("river-1") is None
    row = status(city, city.now(T_US))
    assert row["refused"]["no_common_proto"] == 2
    assert [edge["problem"] for edge in row["edges"]] == [refusal.text, ""]
    say(cl.EdgeHello(2, "edge-1", "eb-2", 1))
    assert status(city, city.now(T_US))["edges"][0]["problem"] == ""


def test_an_unknown_kind_is_counted_apart_and_has_no_effect(city, kit):
    now = city.now(T_US)
    city.take([kit.received("edge-1", msgpack.packb([77, "later"]), b"")], now)
    assert city.refused == {"unknown_kind": 1}
