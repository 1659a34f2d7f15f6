"""What the guard keeps of a task, in memory and in the journal. Sans-IO."""

from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass, field
from math import nan

import msgpack

from protocol import task_codes as codes
from protocol.city_link import TaskReport
from protocol.tasks import OPERATE, Task, decode

MAX_ENTRIES = 2000


@dataclass
class TaskEntry:
    """A task and where it stands. Times in edge boottime us; stamps in ns of boottime.

    `sends`: copies of its command that left; `observe`: the datastream that must show the effect; `selected`: it
    was selected before, or is a selection itself; `signature`: the node's own, of a task of its own processes.
    """

    payload: bytes
    task: Task
    requester: str
    state: int
    code: int = codes.OK
    text: str = ""
    position: float = nan
    stamps: dict[str, int] = field(default_factory=dict)
    sent_us: int = 0
    done_us: int = 0
    sends: int = 0
    observe: str = ""
    within_us: int = 20_000_000
    seen: float | None = None
    selected: bool = False
    signature: bytes = b""

    @property
    def thing(self) -> str:
        """The board that moves."""
        return self.task.actuator.split("/", 1)[0]

    @property
    def who(self) -> str:
        """Who asks: the person, else the rank."""
        return self.task.person or self.requester

    @property
    def table(self) -> str:
        """Where the journal keeps it: apart if release 0.1.0 could not read it."""
        plain = self.task.rank == "city" and not self.task.approved and self.task.verb == OPERATE
        return "tasks" if plain and self.state <= codes.SUPERSEDED and not self.signature else "orders"

    @property
    def open(self) -> bool:
        """Whether something can still follow."""
        return not codes.is_final(self.state)

    @property
    def valid_until_us(self) -> int:
        """When the setpoint stops being valid."""
        return self.sent_us + self.task.lease_ms * 1000

    def left_us(self, started_us: int) -> int | None:
        """Return when its command left at the latest, if it may have left in a run before this one, under this clock.

        Only a task that did not end says that by its intent alone; a stamp after the start is of another clock.
        """
        stamps = self.stamps
        if stamps.get("edge_rx", 0) // 1000 > started_us:
            return None
        if "edge_tx" in stamps:
            return stamps["edge_tx"] // 1000
        return min(started_us, self.task.not_after_us) if self.state == codes.UNKNOWN else None

    def become(self, state: int, code: int = codes.OK, text: str = "") -> bool:
        """Enter a state if it may follow; return whether anything changed."""
        if state == self.state or not codes.may_become(self.state, state):
            return False
        self.state, self.code, self.text = state, code, text[:200]
        return True

    def report(self) -> TaskReport:
        """Return what the city is told; with the task itself if the city did not order it."""
        own = self.payload if self.requester == "edge" else b""
        said = self.state, self.code, self.text, self.position
        return TaskReport(self.task.task_id, *said, dict(self.stamps), self.signature, own)

    def to_bytes(self) -> bytes:
        """Return what the journal keeps."""
        kept = [self.payload, self.requester, self.state, self.code, self.text, self.position, self.stamps]
        return bytes(msgpack.packb([*kept, self.signature] if self.signature else kept))


def has_room(
    entries: "OrderedDict[bytes, TaskEntry]", running: Container[bytes], boot: str, now_us: int
) -> bool:
    """Return whether one more may be kept; the oldest that cannot be executed again is forgotten for it.

    What left as a command and could still be replayed stays: its id is all that says that it was executed.
    """
    if len(entries) >= MAX_ENTRIES:
        for task_id, entry in entries.items():
            refused = entry.task.edge_boot != boot or now_us >= entry.task.not_after_us
            if task_id not in running and (refused or not entry.sends):
                del entries[task_id]
                break
    return len(entries) < MAX_ENTRIES


def from_bytes(blob: bytes) -> TaskEntry:
    """Return an entry of an earlier run: what was not final is unknown now and never executed again."""
    payload, requester, state, code, text, position, stamps, *signature = msgpack.unpackb(blob)
    entry = TaskEntry(payload, decode(payload), requester, state, code, text, position, stamps)
    entry.signature = signature[0] if signature else b""
    entry.become(codes.UNKNOWN, codes.TIMEOUT, "the edge node restarted")
    return entry
