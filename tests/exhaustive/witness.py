"""Heads of audit logs and who keeps them, as parts: the city's log at a node, and a node's log at the city.

The real `Exchange`, `CityHeads`, `Witness` (with its thread, waited for) and `Book` (with its file) take each event.
The log is a row of lines that somebody who has taken the machine may cut or change; heads are signed as they are then.
"""

import errno
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.audit.heads import AGAIN_US, Exchange
from aggregator.link.sessions import Session
from edge_node.audit.city_heads import CityHeads
from service.audit_heads import PRIVATE, Book, Head, _signed
from service.audit_witness import EVERY_US, Witness, from_message, to_message

from .lone import Doings, LonePlan
from .parts import Broken, Event

NODE, CITY = "edge-1", "city"
ATTACKS, FAULTS, LINES = 1, 1, 3
MEMORY = ("_heard", "_next_us", "_top", "_wrong")
Row = dict[str, Any]


@cache
def head(name: str, lines: str, key: int = 1) -> Head:
    """Return the signed head of a log that has these lines, one letter each."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([key]) * 32)
    public = private.public_key().public_bytes_raw().hex()
    unsigned = Head(name, len(lines), hashlib.sha256(lines.encode()).hexdigest(), len(lines), public)
    return Head(**{**asdict(unsigned), "sig": private.sign(_signed(unsigned)).hex()})


class OwnLog:
    """As much of an audit log as keeping the heads of others needs."""

    def __init__(self, folder: Path, newest: Row) -> None:
        self.folder, self.head, self.problems = folder, newest, []

    def note(self, rows: list[Row]) -> None:
        """Take lines; nobody asks for them here."""


@dataclass
class HeadPart:
    """The log of one side, and what the other keeps of it. `known`: heads that this log ever had, signed by its key."""

    name: ClassVar[str]
    keeper: ClassVar[str]
    lines: str = "a"
    known: tuple[Head, ...] = ()
    book: bytes = b""
    memory: dict[str, Any] = field(default_factory=dict)
    newest: Row = field(default_factory=dict)
    now_us: int = 0
    attacks: int = ATTACKS
    faults: int = FAULTS
    full: bool = False
    kept: int = 0

    def __post_init__(self) -> None:
        self.known = (head(self.name, self.lines),)

    def do(self, event: Event) -> tuple[Any, ...]:
        """Take an event."""
        name, *words = event
        before = self._books()
        getattr(self, f"_{name}")(*words)
        self._tidy()
        now = head(self.name, self.lines)
        self.known = self.known if now in self.known else (*self.known, now)
        self._keeps_what_it_has(before)
        return ()

    def facts(self) -> Doings:
        """What may happen now."""
        return Doings(tuple(self.actions()), self.kept)

    def actions(self) -> Iterator[tuple[Any, ...]]:
        """Return what may happen to any log and its keeper."""
        if len(self.lines) < LINES:
            yield ("grow",)
        if self.attacks:
            yield from (("cut",), ("change",), ("forged",), ("another_key",))
        if self.faults:
            yield from (("full",), ("keeper_restarts",))

    # the log

    def _grow(self) -> None:
        self.lines += "b" if self.lines[-1] == "a" else "a"

    def _cut(self) -> None:
        self.attacks -= 1
        self.lines = self.lines[:-1] or "z"

    def _change(self) -> None:
        self.attacks -= 1
        self.lines = self.lines[:-1] + "y"

    def _forged(self) -> None:
        """Somebody hands over a head of many lines whose signature is of another one."""
        self.attacks -= 1
        self._hands_over({**asdict(head(self.name, self.lines)), "n": 9})

    def _another_key(self) -> None:
        """Somebody hands over a head of many lines that he signed himself, with another key."""
        self.attacks -= 1
        self._hands_over(asdict(head(self.name, self.lines + "xxxx", key=2)))

    def _hands_over(self, row: Row) -> None:
        raise NotImplementedError

    # who keeps its heads

    def _full(self) -> None:
        """The keeper's disk is full from now on, until faults end."""
        self.faults, self.full = self.faults - 1, True

    def _keeper_restarts(self) -> None:
        self.faults -= 1
        self.memory, self.newest = {}, {}

    @contextmanager
    def witnessing(self, make: Any, place: str) -> Iterator[Any]:
        """Give a keeper its folder with the book in it, and its memory; afterwards take both back."""
        folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        path = folder / PRIVATE / place
        path.parent.mkdir(parents=True)
        if self.book:
            path.write_bytes(self.book)
        with patch.object(Book, "keep", _no_room if self.full else Book.keep), patch("service.audit_heads.os.fsync"):
            keeper = make(folder)
            witness: Witness = next(value for value in vars(keeper).values() if isinstance(value, Witness))
            for name, value in self.memory.items():
                getattr(witness, name).update(value)
            yield keeper
            witness.close()
        self.memory = {name: dict(getattr(witness, name)) for name in MEMORY}
        self.book = path.read_bytes() if path.exists() else b""
        shutil.rmtree(folder)

    def _books(self) -> list[Head]:
        rows = [json.loads(line) for line in self.book.splitlines()]
        return [Head(**{name: row[name] for name in Head.__dataclass_fields__}) for row in rows]

    def _tidy(self) -> None:
        """Let it be time 0 again: states that differ by when they were are one."""
        due, now_us, self.now_us = self.memory.get("_next_us", {}), self.now_us, 0
        for who in due:
            due[who] = max(0, due[who] - now_us)
        self.book = b"\n".join(_dated(line) for line in self.book.splitlines())

    # what must hold

    def _keeps_what_it_has(self, before: list[Head]) -> None:
        """Only genuine heads of this log are kept, in its order, and what is kept stays."""
        after = self._books()
        if after[: len(before)] != before:
            raise Broken("forgot", f"{self.keeper} kept {_plain(before)} and has {_plain(after)}")
        if foreign := [one for one in after if one not in self.known]:
            raise Broken("forged_kept", f"{self.keeper} keeps {_plain(foreign)}, which is no head of this log")
        for older, newer in pairwise(after):
            if newer.n <= older.n:
                raise Broken("contradiction_kept", f"{self.keeper} keeps {_plain(after)}")
        self.kept = min(2, len(after))

    def settled(self, problem: str, newest: Row) -> None:
        """All is quiet: the keeper has the newest head, or says what is wrong. Raises: Broken."""
        top, now = self._books()[-1:], head(self.name, self.lines)
        fits = not top or top[0] == now or top[0].n < now.n
        if fits and (problem or newest != asdict(now)):
            raise Broken("not_kept", f"{self.keeper} has {_plain(top)}, the log {now.n} lines: {problem or 'no word'}")
        if not fits and not problem:
            raise Broken("not_told", f"the log has {now.n} lines, {self.keeper} keeps {_plain(top)} and says nothing")


def _dated(line: bytes) -> bytes:
    """Return a line of a book that was received at the second 1."""
    return json.dumps({**json.loads(line), "received_utc_us": 1}).encode()


def _no_room(book: Book, kept: Head, received_utc_us: int = 0) -> None:
    raise OSError(errno.ENOSPC, "no space left on device")


def _plain(heads: list[Head]) -> str:
    return "heads of " + (", ".join(f"{one.n} lines ({one.sha256[:4]})" for one in heads) or "nothing")


class CityLog(HeadPart):
    """The city's log; heads go to a node over a link that may be cut or lose them."""

    name, keeper = CITY, "the node"

    def __init__(self) -> None:
        super().__init__()
        self.wire: tuple[Row, ...] = ()
        self.sent: dict[str, Any] = {}
        self.last: tuple[Any, ...] = ()
        self.link, self.there, self.proto = 1, True, 2

    def actions(self) -> Iterator[tuple[Any, ...]]:
        """Return what may happen now."""
        yield from super().actions()
        yield from (("city_turns",), ("later",))
        yield from (("arrives", at) for at in range(len(self.wire)))
        yield from (("node_turns",),) if self.newest else ()
        if self.faults:
            yield from (("lost",),) if self.wire else ()
            yield from (("old_node",), ("link_down",), ("city_restarts",))
        if not self.there:
            yield ("link_up",)

    def _tidy(self) -> None:
        now_us = self.now_us
        super()._tidy()
        self.sent = {edge: (*told[:2], max(-AGAIN_US, told[2] - now_us)) for edge, told in self.sent.items()}
        self.last = (self.last[0], max(-AGAIN_US, self.last[1] - now_us)) if self.last else ()

    def _hands_over(self, row: Row) -> None:
        self.wire = (*self.wire, row)[-2:]

    def _keeper_restarts(self) -> None:
        super()._keeper_restarts()
        with self.witnessing(self._node, "city/heads.jsonl") as node:
            said = node.row()["head"]
        if said != (asdict(self._books()[-1]) if self.book else {}):
            raise Broken("forgot", f"the node starts and tells of {said or 'nothing'}")

    def _city_turns(self) -> None:
        """The city looks for whom its head is new."""
        session = Session(NODE, b"link %d" % self.link, connected=self.there, proto=self.proto)
        folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        exchange = Exchange(OwnLog(folder, asdict(head(CITY, self.lines))))  # type: ignore[arg-type]
        exchange._told.update(self.sent)
        owed = self.there and self.proto > 1 and self.last[:1] != ((self.link, len(self.lines)),)
        sends = exchange.tick([session], self.now_us)
        if owed and not sends:
            raise Broken("not_sent", f"{NODE} is there and does not get the head that is new to its connection")
        for edge, message in sends:
            self._is_due(edge)
            self.wire = (*self.wire, from_message(message))[-2:]
        self.sent = dict(exchange._told)
        exchange.close()
        shutil.rmtree(folder)

    def _is_due(self, edge: str) -> None:
        """Raises: Broken for a head that goes where it must not, or again too soon."""
        if not self.there or self.proto < 2:
            raise Broken("told_who_is_not_there", f"{edge} gets a head, and is not there or reads none")
        what = self.link, len(self.lines)
        if self.last and self.last[0] == what and self.now_us - self.last[1] < AGAIN_US:
            raise Broken("told_again", f"{edge} gets the same head again over the same connection")
        self.last = what, self.now_us

    def _arrives(self, at: int) -> None:
        row = self.wire[at]
        self.wire = self.wire[:at] + self.wire[at + 1 :]
        with self.witnessing(self._node, "city/heads.jsonl") as node:
            node.take(to_message(row))
            self.newest = node._newest

    def _node_turns(self) -> None:
        with self.witnessing(self._node, "city/heads.jsonl") as node:
            node._newest = self.newest
            node.tick(self.now_us)

    def _node(self, folder: Path) -> CityHeads:
        return CityHeads(OwnLog(folder, {}))  # type: ignore[arg-type]

    def _lost(self) -> None:
        self.faults, self.wire = self.faults - 1, self.wire[1:]

    def _old_node(self) -> None:
        """The node is a release that reads no heads."""
        self.faults, self.proto = self.faults - 1, 1

    def _link_down(self) -> None:
        self.faults, self.there, self.wire = self.faults - 1, False, ()

    def _link_up(self) -> None:
        self.there, self.link = True, self.link + 1

    def _city_restarts(self) -> None:
        self.faults, self.sent, self.last = self.faults - 1, {}, ()
        self.link += 1

    def _later(self) -> None:
        self.now_us += AGAIN_US

    def _settle(self) -> None:
        """The link is up, the disk has room, ten minutes pass twice."""
        self.full = False
        if not self.there:
            self._link_up()
        if self.proto < 2:
            return
        for _ in range(2):
            self._later()
            self._city_turns()
            while self.wire:
                self._arrives(0)
            if self.newest:
                self._node_turns()
        with self.witnessing(self._node, "city/heads.jsonl") as node:
            said = node.row()
        self.settled(said["problem"], said["head"])


class NodeLog(HeadPart):
    """A node's log, whose heads the city takes from heartbeats."""

    name, keeper = NODE, "the city"

    def __init__(self) -> None:
        super().__init__()
        self.beat: Row = {}

    def actions(self) -> Iterator[tuple[Any, ...]]:
        """Return what may happen now."""
        yield from super().actions()
        yield from (("beats",), ("later",))
        yield from (("city_turns",),) if self.beat else ()
        if self.attacks:
            yield ("of_another",)

    def _beats(self) -> None:
        self.beat = asdict(head(NODE, self.lines))

    def _of_another(self) -> None:
        """The node hands over the head of another log, of another name."""
        self.attacks -= 1
        self._hands_over(asdict(head("edge-2", self.lines + "xxxx")))

    def _hands_over(self, row: Row) -> None:
        self.beat = row

    def _city_turns(self) -> None:
        session = Session(NODE, connected=True, proto=2, health={"audit": {"head": self.beat}})
        with self.witnessing(lambda folder: Exchange(OwnLog(folder, {})), f"edges/{NODE}.jsonl") as city:  # type: ignore[arg-type]
            city.tick([session], self.now_us)

    def _later(self) -> None:
        self.now_us += EVERY_US

    def _settle(self) -> None:
        """The disk has room, the node beats, time passes."""
        self.full = False
        for _ in range(2):
            self._later()
            self._beats()
            self._city_turns()
        self.settled(self.memory["_wrong"].get(NODE, ""), asdict(self.memory["_top"][NODE]))


WORDS = {
    "grow": "a line is logged", "cut": "somebody cuts off the last line of the log",
    "change": "somebody changes the last line of the log", "forged": "a head of 9 lines with a wrong signature comes",
    "another_key": "a head of more lines comes, signed with another key", "full": "the disk of who keeps heads is full",
    "later": "time passes",
}  # fmt: skip


def _known(part: HeadPart) -> HeadPart:
    """Return a part whose log has been kept once: the first key that is heard is believed."""
    part.do(("settle",))
    return part


HEADS = LonePlan(
    "heads", "heads of the city's log at a node: the log is cut and changed, heads forged, lost, links and disks fail",
    lambda: _known(CityLog()),
    {**WORDS, "city_turns": "the city looks for whom its head is new", "arrives": "head {0} on the link arrives",
     "node_turns": "the node takes what came", "lost": "the oldest head on the link is lost",
     "old_node": "the node is a release that reads no heads", "link_down": "the link goes down",
     "link_up": "the link begins anew", "city_restarts": "the city restarts", "keeper_restarts": "the node restarts"},
    depth=3,
)  # fmt: skip
LOGS = LonePlan(
    "logs", "heads of a node's log at the city: the log is cut and changed, heads are forged; the disk is full",
    lambda: _known(NodeLog()),
    {**WORDS, "beats": "the node sends a heartbeat", "city_turns": "the city takes what the heartbeat says",
     "of_another": "the node hands over the head of another log", "keeper_restarts": "the city restarts"},
    depth=4,
)  # fmt: skip
