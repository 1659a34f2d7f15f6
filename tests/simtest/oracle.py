"""Judges the whole system from outside: what was acquired, stored, acked, declared, commanded and moved.

It reads bytes on wires, rows that commits made durable, and what drivers were told. It never asks the product
whether the product is right.
"""

import json
import struct
from typing import Any

import msgpack

from . import watching
from .acting import Acting
from .caps import Caps
from .coverage import Coverage
from .streams import Stream
from .wires import frames_in
from .world import SECOND, Violation, World

ACK_TO_BOARD, SIGNED_ACK_TO_BOARD = 6, 13
GRACE_US = 30 * SECOND  # how long an old key lives once its successor is used
RETIRED_WITHIN_US = 5 * SECOND
CITY_HELLO, ACK_TO_EDGE, CITY_HEARTBEAT = 17, 18, 19
BATCH, LEASE_STATE, TASK_ORDER = 3, 7, 20
_PACK = struct.Struct("<BB6sf")


class Oracle:
    """All that is known, and what must hold of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.streams: dict[tuple[str, str], Stream] = {}
        self.gaps: dict[str, set[tuple[str, str, int]]] = {}
        self.coverage = Coverage()
        self.acting = Acting(world, self.coverage)
        self.caps = Caps()
        self._tails: dict[str, int] = {}
        self.dead_keys: dict[str, int] = {}
        self.credit: dict[str, tuple[int, int]] = {}
        self.said: dict[str, list[tuple[bytes, ...]]] = {}

    def fail(self, name: str, text: str) -> None:
        """Raise what is wrong."""
        raise Violation(name, text)

    def of(self, thing: str, boot: str, who: str) -> Stream:
        """Return a stream that exists."""
        found = self.streams.get((thing, boot))
        if found is None:
            raise Violation("foreign_samples", f"{who}: nobody ever sampled under {thing} {boot}")
        return found

    # boards

    def board_started(self, board: Any) -> None:
        """A boot begins: its id must be new; from here on every sample is recorded."""
        node = board.node
        boot = node.boot.id
        text = f"{int.from_bytes(boot[:4], 'little'):08x}-{int.from_bytes(boot[4:], 'little')}"
        if board.impostor and (board.thing, text) in self.streams:
            board.stream = Stream(board.thing, text)
            self.streams[board.thing, f"{text} again"] = board.stream
            self._tap_ring(node.ring, board.stream)
            self._tails[board.thing] = 0
            self.acting.board_started(board)
            return
        if (board.thing, text) in self.streams:
            self.fail("identity_reused", f"{board.thing} begins boot {text} again")
        stream = self.streams[board.thing, text] = Stream(board.thing, text)
        board.stream = stream
        self._tails[board.thing] = 0
        self._tap_ring(node.ring, stream)
        self.acting.board_started(board)

    def board_fell(self, thing: str, state: str) -> None:
        """A boot wrote its file and lost power before its first sample: it has an id, and may be declared lost."""
        first = json.loads(state.splitlines()[0])
        boot = f"{first['incarnation']:08x}-{first['counter']}"
        if (thing, boot) in self.streams:
            self.fail("identity_reused", f"{thing} begins boot {boot} again")
        stream = self.streams[thing, boot] = Stream(thing, boot)
        stream.over = True

    def _tap_ring(self, ring: Any, stream: Stream) -> None:
        push = ring.push

        def tapped(channel: int, quality: int, wrap: int, ticks: int, value: float) -> None:
            stamp = (wrap << 30 | ticks).to_bytes(6, "little")
            seq = stream.acquire(_PACK.pack(channel, quality, stamp, value))
            if ring.head != seq:
                self.fail("identity_reused", f"{stream.thing}: sample {seq} gets number {ring.head}")
            if ring.head - ring.tail == ring.capacity:
                stream.mark("dropped", ring.tail, ring.tail + 1)
            push(channel, quality, wrap, ticks, value)

        ring.push = tapped

    def board_stopped(self, board: Any) -> None:
        """Power is off: the ring is gone."""
        board.stream.over = True
        self.acting.board_stopped(board)

    def board_stepped(self, board: Any) -> None:
        """A board forgets only what the edge has acked, or what it had to drop."""
        ring, stream = board.node.ring, board.stream
        last = self._tails[board.thing]
        for seq in range(last, ring.tail):
            if not (stream.has("told", seq) or stream.has("dropped", seq)):
                self.fail("forgotten", f"{board.thing} forgot {seq}, which nobody acked and which it did not drop")
        if last < ring.tail:
            self._check_slots(board, stream)
        self._tails[board.thing] = ring.tail
        self.caps.board(board.node)
        self.acting.board_stepped(board)
        self.coverage.see(f"board mode {board.thing}", board.node.link.mode, "board link mode")

    def _check_slots(self, board: Any, stream: Stream) -> None:
        """A slot of the window is free once all that it held is acked."""
        outbox, tail = board.node.link.outbox, board.node.ring.tail
        for first, n in zip(outbox._first, outbox._n, strict=True):
            if n and first + n <= tail and stream.marks["dropped"].find(1, first, first + n) < 0:
                self.fail("slot_leak", f"{board.thing} keeps a slot for {first}+{n}, all of it acked")

    def from_board(self, board: Any, data: bytes) -> None:
        """Bytes leave a board."""

    def to_board(self, board: Any, data: bytes) -> None:
        """Bytes arrive at a board: an ack of its present start lets it forget."""
        for items in self.acting.to_board(board, data):
            boot, ranges, _ = _ack(items)
            if boot == board.node.boot.id and self.acting.ack_counts(board, items):
                for first, end in ranges:
                    self._impostor(board, first)
                    board.stream.mark("told", first, min(end, board.stream.n))

    def _impostor(self, board: Any, first: int) -> None:
        """Whoever runs under a boot id that was used before has other samples under known numbers."""
        if board.impostor and first < board.stream.n:
            self.fail("impostor_believed", f"{board.thing} runs under an old boot id, and its sample {first} is acked")

    # edge nodes

    def watch_edge(self, name: str, connection: Any) -> None:
        """Look at every commit of a journal."""
        watching.install(connection, watching.EDGE, lambda rows: self._edge_committed(name, rows))

    def _edge_committed(self, edge: str, rows: list[Any]) -> None:
        for what, a, b, c, d, e, f in rows:
            if what == "+batch":
                self._edge_stored(edge, b, c, d, e, f)
            elif what == "-batch":
                self._edge_forgot(edge, b, c, d, d + e)
            elif what == "+gap":
                self._declared(edge, a, b, c, d, e, f)
            elif what == "+task":
                self.acting.intent_durable(edge, bytes(a), b, bytes(c))
            elif what == "+meta" and a == "city_epoch":
                self.acting.epoch_durable(edge, int(b))
            elif what == "+aside":
                self._set_aside(edge, str(a), str(b))

    def _edge_stored(self, edge: str, thing: str, boot: str, first: int, n: int, stored: bytes) -> None:
        records = stored[:-4]
        if thing == edge:
            self._own(edge, boot, first, n, records)
        self._same(f"journal of {edge}", thing, boot, first, n, records).mark("edge_durable", first, first + n)

    def _own(self, edge: str, boot: str, first: int, n: int, records: bytes) -> None:
        """Samples that a node makes itself are acquired by the commit that keeps them."""
        stream = self.streams.setdefault((edge, boot), Stream(edge, boot))
        if first != stream.n:
            self.fail("identity_reused", f"{edge} numbers own samples {first}, next is {stream.n}")
        for at in range(n):
            stream.acquire(records[12 * at : 12 * at + 12])

    def _same(self, who: str, thing: str, boot: str, first: int, n: int, records: bytes) -> Stream:
        stream = self.of(thing, boot, who)
        if records != stream.records(first, first + n):
            self.fail("content", f"{who}: {thing} {boot} {first}+{n} is not what was acquired")
        return stream

    def _edge_forgot(self, edge: str, thing: str, boot: str, first: int, end: int) -> None:
        stream = self.of(thing, boot, edge)
        for seq in range(first, end):
            if not any(stream.has(fact, seq) for fact in ("city_durable", "declared", "aside")):
                self.fail("journal_forgot", f"{edge} deleted {thing} {boot} {seq}, which the city does not have")

    def _declared(self, edge: str, gap_id: int, thing: str, boot: str, first: int, end: int, cause: str) -> None:
        self.gaps.setdefault(edge, set()).add((thing, boot, gap_id))
        stream = self.of(thing, boot, f"a gap at {edge}")
        if cause == "overflow":
            for seq in range(first, end):
                if not (stream.has("dropped", seq) or stream.has("edge_acked", seq)):
                    self.fail("false_loss", f"{thing} {boot}: {seq} is declared as overflow and was never dropped")
        elif cause == "power" and not stream.over:
            self.fail("false_loss", f"{thing} {boot}: declared lost by a power cut, but it still runs")
        elif cause == "restore":
            for seq in range(first, min(end, stream.n)):
                if stream.has("city_durable", seq):
                    self.fail("false_loss", f"{thing} {boot}: {seq} is declared lost by a restore, the city has it")
        stream.mark("declared", first, end)

    def _set_aside(self, edge: str, source: str, key: str) -> None:
        if source != "batches":
            return
        thing, boot, span = key.split(" ")
        first, _, end = span.partition("..")
        self.of(thing, boot, edge).mark("aside", int(first), int(end))

    def edge_started(self, edge: Any) -> None:
        """A process of an edge node begins."""
        self.acting.edge_started(edge)

    def edge_died(self, edge: Any) -> None:
        """It ends."""
        self.acting.edge_died(edge)

    def edge_ticked(self, edge: Any) -> None:
        """Caps of a node, and where its machines are."""
        core = edge.core
        self.caps.edge(core)
        self.coverage.see(f"uplink {edge.name}", core.uplink.connected, "uplink connected")
        for thing, board in core.boards.items():
            if board.session.counters["reused"]:
                self.coverage.take("alarm", "boot", "began twice")
            self.coverage.see(f"session {edge.name} {thing}", board.session.state, "board session")

    def edge_reads(self, edge: Any, data: bytes) -> None:
        """Bytes of a board arrive at an edge node."""
        for items in frames_in(data):
            self.acting.from_board(edge, items)

    def edge_writes(self, edge: Any, board: Any, data: bytes) -> None:
        """Bytes leave an edge node for a board: an ack means that a commit has happened."""
        for items in frames_in(data):
            if items[0] in (ACK_TO_BOARD, SIGNED_ACK_TO_BOARD):
                self._acked_to_board(edge, board.thing, *_ack(items))
            else:
                self.acting.edge_commands(edge, board, items)

    def _acked_to_board(self, edge: Any, thing: str, raw: bytes, ranges: Any, gaps: list[int]) -> None:
        boot = f"{int.from_bytes(raw[:4], 'little'):08x}-{int.from_bytes(raw[4:], 'little')}"
        for first, end in ranges:
            stream = self.of(thing, boot, f"ack of {edge.name}")
            missing = stream.lacks("edge_durable", first, end)
            if missing is not None:
                self.fail("ack_before_commit", f"{edge.name} acks {thing} {boot} {missing}, which is not durable there")
            stream.mark("edge_acked", first, end)
        for gap_id in gaps:
            if (thing, boot, gap_id) not in self.gaps.get(edge.name, set()):
                self.fail(
                    "gap_ack_before_commit", f"{edge.name} acks gap {gap_id} of {thing}, which is not durable there"
                )

    def edge_says(self, edge: Any, parts: list[bytes]) -> None:
        """A message leaves an edge node for the city."""
        if parts[0][1] == BATCH and len(edge.core.uplink.flying) > max(self.credit.get(edge.name, (0, 256))):
            self.fail("window", f"{edge.name} has {len(edge.core.uplink.flying)} batches in flight, over its credit")
        if parts[0][1] in (BATCH, LEASE_STATE):
            kept = self.said.setdefault(edge.name, [])
            kept.append(tuple(parts))
            del kept[:-20]
        self.acting.edge_says(edge, parts)

    def city_said(self, edge: Any, parts: list[bytes]) -> None:
        """A message of the city arrives at an edge node: note orders, and the credit of hello and heartbeat."""
        if parts[0][1] == TASK_ORDER:
            self.acting.rulings.order_arrives(edge, parts[1])
        if parts[0][1] in (CITY_HELLO, CITY_HEARTBEAT):
            items = msgpack.unpackb(parts[0])
            hello = self.credit.get(edge.name, (256, 0))[0]
            at = 4 if items[0] == CITY_HELLO else 3
            told = items[at] if len(items) > at else 256
            self.credit[edge.name] = (told, 0) if items[0] == CITY_HELLO else (hello, told)

    # city

    def watch_city(self, connection: Any) -> None:
        """Look at every commit of the store."""
        watching.install(connection, watching.CITY, lambda rows: self._city_committed(connection, rows))

    def _city_committed(self, connection: Any, rows: list[Any]) -> None:
        for what, a, b, c, d, e, f in rows:
            if what == "+frame":
                query = "SELECT substr(data, ?, ?) FROM blobs WHERE commit_no = ?"
                found = connection.execute(query, (f + 1, d * 12, e)).fetchone()
                stream = self._same("store", a, b, c, d, bytes(found[0]) if found else b"")
                if 1 in stream.marks["city_durable"][c : c + d]:
                    self.fail("stored_twice", f"the store has samples of {a} {b} {c}+{d} already")
                stream.mark("city_durable", c, c + d)
            elif what == "+gap":
                self._declared_at_city(a, b, c, d, e)
            elif what == "+task":
                self.acting.city_saved(bytes(a), bytes(b))
            elif what == "+notice":
                self.acting.rulings.saved.add(a)

    def _declared_at_city(self, thing: str, boot: str, gap_id: int, first: int, end: int) -> None:
        self.gaps.setdefault("city", set()).add((thing, boot, gap_id))
        stream = self.of(thing, boot, "a gap at the city")
        missing = stream.lacks("declared", first, end)
        if missing is not None:
            self.fail("false_loss", f"the city has {thing} {boot} {missing} as lost, which nobody declared")
        stream.mark("declared_city", first, end)

    def keys_changed(self, city: Any, events: list[Any]) -> None:
        """Note when which key died."""
        for row in events:
            self.coverage.take("keys", "event", row["event"])
            if row["event"] in ("key_revoked", "key_retired", "key_replaced"):
                self.dead_keys[row["key"]] = min(self.world.now_us, self.dead_keys.get(row["key"], self.world.now_us))
            elif row["event"] == "key_first_used":
                self.dead_keys.setdefault(row["retires"], self.world.now_us + GRACE_US + RETIRED_WITHIN_US)

    def _dead(self, fingerprint: str) -> bool:
        """Whether a key has been dead for a second; one that another follows is when the grace is over."""
        died = self.dead_keys.get(fingerprint)
        return died is not None and self.world.now_us - died > SECOND

    def city_restored(self, copy: Any, present: int, epoch: int) -> None:
        """The store is an older one now: what it lacks is not stored any more, and its epoch is new."""
        if epoch <= present:
            self.fail("epoch_kept", f"a restore gave epoch {epoch}, the edge nodes may know {present}")
        for stream in self.streams.values():
            for fact in ("city_durable", "declared_city"):
                stream.unmark(fact, 0, len(stream.marks[fact]))
        self.gaps["city"] = set()
        for thing, boot, first, n in copy.execute("SELECT thing, boot, first, n FROM frames"):
            self.streams[thing, boot].mark("city_durable", first, first + n)
        for thing, boot, gap_id, first, end in copy.execute("SELECT thing, boot, gap_id, first, last FROM gaps"):
            self.gaps["city"].add((thing, boot, gap_id))
            self.streams[thing, boot].mark("declared_city", first, end)
        self.coverage.take("city", "running", "restored")
        self.acting.city_restored(copy)

    def city_started(self, city: Any) -> None:
        """A process of the city begins; no message of a dead or unknown key has an effect."""
        core = city.core
        self.acting.city_life = city.life
        take_one = core._take_one

        def tapped(message: Any, now: Any) -> None:
            take_one(message, now)
            if message.key == "nobody" or self._dead(message.key):
                self.fail("dead_key_heard", f"a message of {message.edge} under the dead key {message.key} was taken")

        core._take_one = tapped

    def city_died(self, city: Any) -> None:
        """It ends."""

    def city_turned(self, city: Any) -> None:
        """Caps of the city, and where its machines are."""
        self.caps.city(city.core)
        for edge, session in city.core.sessions.by_edge.items():
            self.coverage.see(f"city session {edge}", session.connected, "city session connected")

    def city_says(self, city: Any, routing_id: bytes, parts: list[bytes]) -> None:
        """A message leaves the city: an ack means that a commit has happened."""
        header = msgpack.unpackb(parts[0])
        connection = city.network.by_id.get(routing_id)
        if connection is not None and (connection.print == "nobody" or self._dead(connection.print)):
            self.fail("dead_key_told", f"kind {header[0]} is sent to the dead key {connection.print}")
        if header[0] == ACK_TO_EDGE:
            _, thing, boot, ranges, gaps = header[:5]
            for first, end in ranges:
                stream = self.of(thing, boot, "ack of the city")
                missing = stream.lacks("city_durable", first, end)
                if missing is not None and not stream.has("aside", missing):
                    self.fail(
                        "city_ack_before_commit", f"the city acks {thing} {boot} {missing}, which it does not have"
                    )
                stream.mark("city_acked", first, end)
            for gap_id in gaps:
                if (thing, boot, gap_id) not in self.gaps.get("city", set()):
                    self.fail(
                        "city_gap_ack_before_commit", f"the city acks gap {gap_id} of {thing}, which it does not have"
                    )
        else:
            self.acting.city_says(city, header, parts)


def _ack(items: list[Any]) -> tuple[bytes, Any, list[int]]:
    """The boot, the ranges and the gap ids of an ack to a board, signed or not; no boot for any other frame."""
    if items[0] == SIGNED_ACK_TO_BOARD:
        items = msgpack.unpackb(items[1])
    elif items[0] != ACK_TO_BOARD:
        return b"", [], []
    return items[1], items[2], items[3]
