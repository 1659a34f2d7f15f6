"""The edge's end of a restore, message by message: nothing follows from an epoch that is not on disk."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_node.city.epoch import BEGUN, OVER
from edge_node.city.side import CitySide
from edge_node.city.uplink import Uplink
from edge_node.clocks.clocks import Clocks
from edge_node.core import Restored
from edge_node.journal.infos import Infos
from edge_node.keys.node_keys import NodeKeys
from edge_node.reaction.guard import Guard
from protocol import city_link as cl
from protocol import task_codes as codes
from protocol.epoch import believable
from service.host_clock import HostClock, Look

from .journal_desk import BOOT, Desk
from .test_guard import GATE, NOW, PUBLIC, leased, order, reported, river_manifest, task_for

KEY = ("river-1", BOOT)


class Edge:
    """A CitySide on a desk's journal; `sent` is what left, decoded; time is `now_us`."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.now_us, self.sent = desk, NOW, []
        self.guard = Guard("edge-1", "0badcafe-3", PUBLIC, first_fence=100, epoch=desk.journal.streams.epoch)
        self.guard.announce(river_manifest())
        self.guard.board("river-1", codes.OK)
        self.core = SimpleNamespace(
            edge="edge-1", boot="0badcafe-3", now=lambda: self.now_us, journal=desk.journal, guard=self.guard,
            uplink=Uplink(desk.journal.next_row, lambda: 0.0), infos=Infos(desk.journal), restored=Restored(),
            host=SimpleNamespace(city_heard_us=0), utc_s=lambda: 1_790_000_000.0, bad=Counter(),
            city_us=0, city_at_us=0, city_proto=2, city_problem="", keys=NodeKeys(),
            clocks=Clocks(HostClock(), lambda: Look(0, 0, False), desk.journal),
        )  # fmt: skip
        self.city = CitySide(self.core, self.send, dict)  # type: ignore[arg-type]

    def send(self, parts: list[bytes]) -> bool:
        self.sent.append(cl.decode(parts))
        return True

    def hear(self, message: cl.Message) -> None:
        self.city.received(cl.encode(message))

    def pass_s(self, seconds: float) -> list:
        """Let time pass with a living city; return what was sent meanwhile."""
        self.sent.clear()
        for _ in range(round(seconds * 10)):
            self.now_us += 100_000
            if self.core.uplink.connected:
                self.hear(cl.CityHeartbeat(self.now_us, 0, self.core.uplink.pace.credit))
            self.city.tick(self.now_us)
            self.desk.settle()
        return self.sent

    def of(self, kind: type) -> list:
        return [message for message in self.sent if isinstance(message, kind)]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    desk = Desk(tmp_path / "journal.db")
    desk.tick(0)
    for at in range(10):
        desk.take(at * 10, 10)
    desk.settle()
    yield Edge(desk)
    desk.committer.close()


def hello(edge: Edge, start: str = "s-1", epoch: int = 0, credit: int = 256) -> None:
    edge.hear(cl.CityHello(2, start, epoch, credit))


def drained(edge: Edge) -> None:
    """Connect in epoch 0 and have everything acked."""
    hello(edge)
    edge.pass_s(0.5)
    edge.hear(cl.Ack(*KEY, [(0, 100)], []))
    edge.desk.settle()
    assert not edge.desk.pending()


def test_nothing_follows_from_a_higher_epoch_until_it_is_durable(edge: Edge) -> None:
    drained(edge)
    edge.sent.clear()
    hello(edge, "s-2", epoch=3)
    assert not edge.core.uplink.connected and edge.guard.epoch == 0 and not edge.sent
    fence = leased(edge.guard)
    edge.desk.settle()
    assert edge.core.uplink.connected and edge.guard.epoch == 3
    assert edge.of(cl.EdgeHello)[-1].epoch == 3
    refused = reported(order(edge.guard, task_for(edge.guard, fence, epoch=2)))
    assert refused.code == codes.OLD_EPOCH
    assert Edge(edge.desk).guard.epoch == 3, "also after a restart"


def test_streams_are_asked_about_until_the_city_has_answered(edge: Edge) -> None:
    drained(edge)
    hello(edge, "s-2", epoch=1)
    edge.desk.settle()
    assert len([m for m in edge.pass_s(7) if m == cl.StoredAsk(*KEY)]) == 3, "at once, after 2 s, after 4 s more"
    assert not edge.of(cl.Batch) and edge.of(cl.Heartbeat)[-1].accounts == []
    edge.hear(cl.Stored(*KEY, 0, [(0, 100)], [], 0, 1))
    assert edge.core.bad["foreign_epoch"] == 1, "an answer of another epoch is none"
    edge.hear(cl.Stored(*KEY, 1, [(0, 20)], [], 0, 2))
    edge.hear(cl.Stored(*KEY, 1, [(50, 100)], [], 1, 2))
    edge.desk.settle()
    assert [batch.first for batch in edge.pass_s(0.5) if isinstance(batch, cl.Batch)] == [20, 30, 40]
    assert edge.core.restored.resent_samples == 30
    assert [a["buffered"] for a in edge.of(cl.Heartbeat)[-1].accounts] == [[(20, 50)]]
    assert edge.pass_s(35) and not edge.of(cl.StoredAsk)


def test_a_restore_is_taken_up_again_after_a_crash_and_after_each_connection(edge: Edge) -> None:
    drained(edge)
    hello(edge, "s-2", epoch=1)
    edge.desk.settle()
    again = Edge(edge.desk)
    hello(again, "s-2", epoch=1)
    assert cl.StoredAsk(*KEY) in again.pass_s(0.2)
    hello(again, "s-3", epoch=1)
    assert cl.StoredAsk(*KEY) in again.pass_s(0.2)


def test_the_log_hears_of_a_restore_once_as_it_begins_and_once_as_it_ends(edge: Edge) -> None:
    drained(edge)
    assert not edge.city.epoch.take_news()
    hello(edge, "s-2", epoch=1)
    edge.desk.settle()
    hello(edge, "s-3", epoch=1)
    assert edge.city.epoch.take_news() == [(BEGUN, {"epoch": 1, "streams": 1})], "once, however often it reconnects"
    edge.pass_s(0.2)
    edge.hear(cl.Stored(*KEY, 1, [(0, 20), (50, 100)], [], 0, 1))
    edge.desk.settle()
    assert edge.city.epoch.take_news() == [(OVER, {"epoch": 1, "resent": 30, "declared_lost": 0})]
    hello(edge, "s-4", epoch=2)
    edge.desk.settle()
    edge.pass_s(0.2)
    edge.hear(cl.Stored(*KEY, 2, [(0, 100)], [], 0, 1))
    edge.desk.settle()
    assert [more.get("resent") for _, more in edge.city.epoch.take_news()] == [None, 0], "each restore by itself"


def test_a_city_of_a_lower_epoch_gets_hellos_and_nothing_else(edge: Edge) -> None:
    hello(edge, epoch=2)
    edge.desk.settle()
    assert edge.core.uplink.connected
    hello(edge, "copy-1", epoch=1)
    assert not edge.core.uplink.connected and "older copy" in edge.core.uplink.presence.problem
    edge.hear(cl.CityHeartbeat(1, 0, 256))
    edge.hear(cl.LeaseRequest(GATE, "city"))
    edge.hear(cl.Ack(*KEY, [(0, 100)], []))
    edge.desk.settle()
    assert {type(message) for message in edge.pass_s(10)} == {cl.EdgeHello}
    assert edge.desk.journal.pending_batches == 10, "its acks count for nothing"
    assert edge.guard.actuators[GATE].arbiter.holder(edge.now_us) == ""
    hello(edge, "s-9", epoch=2)
    assert edge.core.uplink.connected and not edge.core.uplink.presence.problem


@pytest.mark.parametrize("epoch", [2**63 - 1, 2**40, believable(0) + 1])
def test_an_epoch_decades_ahead_is_not_believed_and_the_real_city_is_heard_after_it(edge: Edge, epoch: int) -> None:
    hello(edge, "evil", epoch=epoch)
    edge.desk.settle()
    assert not edge.core.uplink.connected and edge.desk.journal.streams.epoch == 0
    assert "is believed" in edge.core.uplink.presence.problem and edge.core.bad["absurd_epoch"] == 1
    hello(edge, "s-2", epoch=1_800_000_000)
    edge.desk.settle()
    assert edge.core.uplink.connected and edge.desk.journal.streams.epoch == 1_800_000_000
    hello(edge, "s-3", epoch=believable(0))
    edge.desk.settle()
    assert edge.desk.journal.streams.epoch == believable(0), "what a city with a wrong clock may have made"


def test_a_city_of_version_1_is_one_of_epoch_0(edge: Edge) -> None:
    edge.city.received(cl.encode(cl.CityHello(1, "s-1"), 1))
    assert edge.core.uplink.connected and edge.core.uplink.pace.credit == cl.DEFAULT_CREDIT


def test_wait_is_obeyed(edge: Edge) -> None:
    hello(edge)
    edge.hear(cl.Wait(5000, "busy"))
    assert edge.pass_s(4.9) == []
    assert [type(m) for m in edge.pass_s(1)][:1] == [cl.EdgeHello]


def test_credit_0_pauses_batches_while_heartbeats_go_on(edge: Edge) -> None:
    hello(edge, credit=0)
    sent = edge.pass_s(3)
    assert len(edge.of(cl.Heartbeat)) >= 5 and not [m for m in sent if isinstance(m, cl.Batch)]
    edge.hear(cl.CityHeartbeat(edge.now_us, 0, 4))
    assert len([m for m in edge.pass_s(0.2) if isinstance(m, cl.Batch)]) == 3
