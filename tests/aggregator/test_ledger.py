"""The ledger: since when, why, and alarms that stay. And that nothing is unexplained while everything goes right."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aggregator.ingest import Ingest
from aggregator.ledger import explain as ledger_explain
from aggregator.ledger import view as ledger_view
from aggregator.ledger.api import add_ledger_pages
from aggregator.ledger.view import Accounts
from aggregator.ledger.watch import PER_LOOK, LedgerWatch
from aggregator.operators.gate import Gate, install
from aggregator.pages import status
from aggregator.store.store import Store, Writes
from edge_node.journal.streams import Streams
from protocol import city_link
from protocol.city_link import CAUSES, Batch, Clock, GapRecord
from protocol.ranges import Ranges

US = 1_000_000
T = 1000 * US


def turn(kit: Any, city: Any, store: Store, now_us: int, *messages: Any) -> None:
    """One turn of the city with these messages, committed for real."""
    now = city.now(now_us)
    group = city.take([kit.received("edge-1", *city_link.encode(m)) for m in messages], now)
    introduced, city.introduced = city.introduced, []
    writes = Writes(group, introduced, city.accounts.take_changed(), unexplained=city.watch.take_changed())
    asyncio.run(store.commit(writes))
    city.committed(group, now)
    city.think(now)


def rows(city: Any, now_us: int) -> list[dict[str, Any]]:
    return ledger_view.account_rows(*status.ledger_args(city, city.now(now_us)))


def test_each_state_says_since_when(kit: Any, store: Store) -> None:
    city = kit.city(store)
    utc = city.clock.event_utc_us
    turn(kit, city, store, T, kit.info(), kit.batch(0, 50), kit.heartbeat(5, 60, [(50, 60)]))
    (row,) = rows(city, T)
    assert (row["state"], row["since_utc_us"], row["unexplained_since"]) == ("waiting", utc(T), None)
    turn(kit, city, store, T + 2 * US, kit.heartbeat(6, 60))
    turn(kit, city, store, T + 4 * US, kit.heartbeat(7, 60))
    (row,) = rows(city, T + 4 * US)
    assert (row["state"], row["unexplained"], row["reported_utc_us"]) == ("unexplained", 10, utc(T + 4 * US))
    assert row["unexplained_since_utc_us"] == row["since_utc_us"] == utc(T + 2 * US)
    assert row["unexplained_since"] == "2023-11-14T22:30:02Z"
    turn(kit, city, store, T + 5 * US)

    again = kit.city(store)
    assert rows(again, T + 60 * US)[0]["unexplained_since_utc_us"] == utc(T + 2 * US), "a restart forgets nothing"
    turn(kit, again, store, T + 61 * US, kit.batch(50, 10), kit.heartbeat(8, 60))
    (row,) = rows(again, T + 61 * US)
    assert (row["state"], row["since_utc_us"], row["unexplained_since"]) == ("balanced", utc(T + 61 * US), None)
    (row,) = rows(again, T + 80 * US)
    assert (row["state"], row["offline_since_utc_us"]) == ("offline", utc(T + 61 * US))
    assert store.unexplained_since() == {} or turn(kit, again, store, T + 81 * US) is None
    assert store.unexplained_since() == {}


def test_many_streams_are_looked_at_a_few_at_a_time() -> None:
    watch, keys = LedgerWatch(), {("t", str(n)): None for n in range(3 * PER_LOOK)}
    seen: list[Any] = []
    for at in range(0, 4 * US, 10_000):
        found = watch.due(at + US, keys)
        assert len(found) <= PER_LOOK
        seen += found
    assert set(seen) == set(keys)


def test_an_explanation_has_every_gap_with_its_cause_in_words_and_what_to_check(kit: Any, store: Store) -> None:
    city = kit.city(store)
    gaps = [GapRecord(kit.thing, kit.boot, n, 100 + n * 10, 110 + n * 10, cause, kit.thing)
            for n, cause in enumerate(CAUSES)]  # fmt: skip
    turn(kit, city, store, T, kit.info(), kit.batch(0, 100), *gaps, kit.heartbeat(5, 160))
    told = store.committer.read(lambda c: ledger_explain.explain(kit.thing, rows(city, T), c))
    assert [gap["cause"] for gap in told["gaps"]] == list(reversed(CAUSES))
    for gap in told["gaps"]:
        assert gap["known_utc_us"] == city.clock.event_utc_us(T)
        assert (gap["count"], gap["declared_by"]) == (10, kit.thing)
        assert gap["words"] == ledger_explain.CAUSES[gap["cause"]]
    ((first, end, check),) = [(row["first"], row["end"], row["check"]) for row in told["unexplained"]]
    assert (first, end) == (100 + 10 * len(CAUSES), 160) and "data folder of edge-1" in check
    assert "does not know" in ledger_explain.words("gremlins")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"edge": None}, "accounts for this stream any more"), ({"offline_since_utc_us": 5}, "is silent"),
     ({"boot": "0000000a-0"}, "restarted before they were read"), ({}, "neither has them")],
)  # fmt: skip
def test_unexplained_samples_come_with_their_likely_reason(change: dict[str, Any], words: str) -> None:
    row = {"thing": "t", "boot": "0000000a-1", "edge": "edge-1", "offline_since_utc_us": None, "sent": 20,
           "unexplained_ranges": [[10, 20]], "unexplained_since_utc_us": 5, "reported_utc_us": 1, **change}  # fmt: skip
    newest = {**row, "boot": "0000000a-1", "unexplained_ranges": [], "reported_utc_us": 2}
    assert words in ledger_explain._unexplained(row, [10, 20], [row, newest])["likely"]


def pages(city: Any, store: Store, on_socket: bool = True) -> TestClient:
    api = FastAPI()
    add_ledger_pages(api, lambda: (city, store), lambda: city.now(T), lambda rows: None)
    install(api, Gate(owner_on_socket=on_socket))
    return TestClient(api)


def test_a_contradiction_is_an_alarm_until_a_person_has_seen_it(kit: Any, store: Store) -> None:
    city = kit.city(store)
    turn(kit, city, store, T, kit.info(), kit.batch(0, 8), kit.heartbeat(5, 8))
    turn(kit, city, store, T, kit.batch(4, 3, 2.0), kit.batch(4, 3, 2.0), kit.batch(6, 1, 3.0))
    for here in (city, kit.city(store)):
        assert here.ingest.conflicts == 2
        texts = status.health(here, here.now(T), zap_alive=True)["reasons"]
        assert any("river-1 0000000a-1 samples 4 to 6 and 1 more ranges came twice" in text for text in texts)
        assert any("came twice" in text for text in status.status(here, here.now(T))["alarms"])
        told = ledger_view.ledger_table(rows(here, T), here.ingest.contradictions.rows())
        assert [(c["first"], c["end"]) for c in told["conflicts"]] == [(4, 7), (6, 7)] and told["balanced"]
    web = pages(city, store)
    assert web.post("/ledger/acknowledge", json={"reason": ""}).status_code == 422
    assert pages(city, store, False).post("/ledger/acknowledge", json={"reason": "seen"}).status_code == 401
    assert web.post("/ledger/acknowledge", json={"reason": "old state.json put back"}).json() == {"acknowledged": 2}
    for here in (city, kit.city(store)):
        assert here.ingest.conflicts == 0 and status.health(here, here.now(T), zap_alive=True)["ok"]
    told = web.get("/ledger/explain", params={"thing": "river-1"}).json()["conflicts"]
    assert [c["seen_reason"] for c in told] == ["old state.json put back"] * 2
    turn(kit, city, store, T, kit.batch(0, 2, 5.0))
    assert city.ingest.conflicts == 1, "a new one is a new alarm"


def test_an_unknown_board_is_told_with_what_there_is(kit: Any, store: Store) -> None:
    city = kit.city(store)
    turn(kit, city, store, T, kit.info(), kit.batch(0, 8))
    answer = pages(city, store).get("/ledger/explain", params={"thing": "rover-1"})
    assert answer.status_code == 404 and answer.json()["detail"]["known"] == ["river-1"]


def test_an_edges_own_alarm_and_an_unsynchronised_city_are_incidents(kit: Any, store: Store) -> None:
    city = kit.city(store)
    rows_told = [{"text": "river-1 b samples 1 to 2 came twice"}]
    turn(kit, city, store, T, kit.info(), kit.heartbeat(5, 0, contradictions=rows_told))
    texts = [row["text"] for row in status.status(city, city.now(T))["incidents"]]
    assert "edge-1: river-1 b samples 1 to 2 came twice" in texts
    assert not any("synchronised" in text for text in texts)


@dataclass
class World:
    """A board, its edge node's streams and the city's ledger, with queues between them that lose and delay."""

    chance: random.Random
    city: Ingest = field(default_factory=lambda: Ingest(lambda *_: []))
    accounts: Accounts = field(default_factory=Accounts)
    streams: Streams = field(default_factory=Streams)
    gaps: dict[Any, GapRecord] = field(default_factory=dict)
    up: deque[Any] = field(default_factory=deque)
    down: deque[Any] = field(default_factory=deque)
    count: int = 1
    head: int = 0
    ring: Ranges = field(default_factory=Ranges)
    untold: list[GapRecord] = field(default_factory=list)
    number: int = 0

    @property
    def boot(self) -> str:
        return f"0000000a-{self.count}"

    def sample(self) -> None:
        n = self.chance.randrange(1, 9)
        self.ring.add(self.head, self.head + n)
        self.head += n

    def gap(self, boot: str, first: int, end: int, cause: str, by: str) -> GapRecord:
        self.number += 1
        return GapRecord("t", boot, self.number, first, end, cause, by)

    def overflow(self) -> None:
        if spans := self.ring.to_list():
            first, end = spans[0]
            self.ring.remove(first, end)
            self.untold.append(self.gap(self.boot, first, end, "overflow", "t"))

    def board_status(self) -> None:
        held = self.ring.union(Ranges((g.first, g.end) for g in self.untold if g.boot == self.boot)).to_list()
        self.streams.of("t", self.boot).status(held[0][0] if held else self.head, self.head)

    def board_frame(self) -> None:
        """The edge commits a piece of the ring; the board forgets it if the ack is not lost."""
        if spans := self.ring.to_list():
            first, end = self.chance.choice(spans)
            end = min(end, first + self.chance.randrange(1, 9))
            self.streams.of("t", self.boot).committed(first, end)
            if self.chance.random() < 0.7:
                self.ring.remove(first, end)

    def board_gap(self) -> None:
        if self.untold:
            gap = self.chance.choice(self.untold)
            self.streams.of("t", gap.boot).declared(gap.first, gap.end, own=False)
            self.gaps[gap.gap_id] = gap
            self.untold.remove(gap)

    def restart(self) -> None:
        """Power is lost: what was in the ring is, too; the next boot declares it once the edge has met it."""
        for first, end in self.ring.to_list():
            self.untold.append(self.gap(self.boot, first, end, "power", "t"))
        self.count, self.head, self.ring = self.count + 1, 0, Ranges()
        self.streams.began("t", self.boot)

    def settle(self) -> None:
        """Ten seconds after a restart; by then the board has declared all it had to."""
        if not self.untold:
            self.streams.closed("t")

    def quota(self) -> None:
        stream = self.chance.choice(list(self.streams.by_key.values()) or [None])
        if stream is not None and (spans := stream.pending.to_list()):
            gap = self.gap(stream.boot, *spans[0], "quota", "edge-1")
            stream.declared(gap.first, gap.end, own=True)
            self.gaps[gap.gap_id] = gap

    def send(self) -> None:
        for stream in self.streams.by_key.values():
            if spans := stream.pending.to_list():
                first, end = self.chance.choice(spans)
                end = min(end, first + self.chance.randrange(1, 12))
                clock = Clock(0, 0, 1.0, 1.0, True)
                self.up.append(Batch("t", stream.boot, first, end - first, clock, 0, 0, bytes(12 * (end - first))))
        if self.gaps:
            self.up.append(self.chance.choice(list(self.gaps.values())))

    def beat(self) -> None:
        undeclared: dict[Any, list[Any]] = {}
        for gap in self.gaps.values():
            undeclared.setdefault(("t", gap.boot), []).append((gap.first, gap.end))
        self.up.append(self.streams.accounts(undeclared))

    def lose(self) -> None:
        self.chance.choice([self.up, self.down]).clear()

    def city_turn(self) -> None:
        for _ in range(self.chance.randrange(1, 5)):
            if self.up:
                message = self.up.popleft()
                if isinstance(message, Batch):
                    self.city.take_batch("edge-1", message, 0)
                elif isinstance(message, GapRecord):
                    self.city.take_gap("edge-1", message)
                else:
                    self.accounts.take("edge-1", message, 0)
        self.down.extend(ack for _, ack in self.city.committed(self.city.close_group()))

    def edge_turn(self) -> None:
        if self.down:
            ack = self.down.popleft()
            for first, end in ack.ranges:
                self.streams.of("t", ack.boot).acked.add(first, end)
            for gap_id in ack.gaps:
                self.gaps.pop(gap_id, None)

    def unexplained(self) -> list[Any]:
        table = ledger_view.account_rows(self.city, self.accounts, {}, LedgerWatch(), 0)
        return [(row["boot"], row["unexplained_ranges"], row["sent"]) for row in table if row["unexplained"]]


@pytest.mark.parametrize("first_seed", range(0, 200, 50))
def test_nothing_is_unexplained_at_any_moment_while_everything_is_declared(first_seed: int) -> None:
    """Sent is read before buffered, buffered before stored; a loss that waits to be declared is on its way too."""
    for seed in range(first_seed, first_seed + 50):
        world = World(random.Random(seed))
        steps = [world.sample] * 4 + [world.board_status, world.board_frame, world.board_frame, world.board_gap,
                 world.overflow, world.send, world.send, world.beat, world.beat, world.city_turn, world.city_turn,
                 world.edge_turn, world.edge_turn, world.quota, world.settle]  # fmt: skip
        world.streams.began("t", world.boot)
        for at in range(250):
            world.chance.choice([*steps, world.restart, world.lose] if at % 10 == 0 else steps)()
            assert world.unexplained() == [], f"seed {seed}, step {at}"


def test_an_account_with_more_spans_than_a_heartbeat_holds_ends_before_the_first_left_out() -> None:
    streams = Streams()
    stream = streams.of("edge-1", "0000000a-1")
    stream.own = True
    for at in range(300):
        stream.committed(at * 10, at * 10 + 5)
    for at in range(300):
        stream.acked.add(at * 10, at * 10 + 1)
    (told,) = streams.accounts()
    assert len(told["buffered"]) == 100 and told["sent"] == stream.buffered.to_list()[100][0]
    inside = Ranges([(0, told["sent"])]).intersection(stream.buffered)
    assert Ranges(told["buffered"]) == inside
