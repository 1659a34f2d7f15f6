"""What the parts of this node share: identity, time, and the state machines. Nothing in here does I/O."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from protocol.board_link import Status
from protocol.city_link import PROTO_MIN
from service.host_clock import HostClock

from .boards.commands import BoardCommands, CommandCounter
from .boards.session import BoardSession
from .city.uplink import Uplink
from .clocks.clocks import Clocks
from .fuse import Fusion
from .journal.group import Pending
from .journal.infos import Infos
from .journal.journal import Journal
from .keys.node_keys import NodeKeys
from .latency import Hops
from .processes_host import ProcessesHost
from .quality.watch import QualityWatch
from .reaction.guard import Guard


@dataclass
class Board:
    """One configured board: its session, its signed commands, how to write to its port, what it last said.

    `write(data)` queues bytes; `port()` gives (state, hint) of the port;
    `earlier_us`: when it last sent samples of an earlier boot.
    """

    session: BoardSession
    commands: BoardCommands
    write: Callable[[bytes], None] = lambda data: None
    port: Callable[[], tuple[str, str]] = lambda: ("opening", "")
    address: str = ""
    status: Status | None = None
    status_us: int = 0
    earlier_us: int = 0

    def flush(self) -> None:
        """Write what the session wants to send."""
        data = self.session.take_out()
        if data:
            self.write(data)


@dataclass
class Restored:
    """What restores of the city led to since this start: samples sent again, samples declared lost."""

    resent_samples: int = 0
    declared_samples: int = 0


@dataclass
class Core:
    """The node. `now()` is the boottime in us, `clock` what is known of UTC, `utc_s()` what the wall clock says."""

    edge: str
    boot: str
    clock: HostClock
    clocks: Clocks
    now: Callable[[], int]
    journal: Journal
    quality: QualityWatch
    fusion: Fusion
    guard: Guard
    host: ProcessesHost
    uplink: Uplink[Pending]
    counter: CommandCounter
    infos: Infos
    utc_s: Callable[[], float] = time.time
    boards: dict[str, Board] = field(default_factory=dict)
    hops: Hops = field(default_factory=Hops)
    bad: Counter[str] = field(default_factory=Counter)
    keys: NodeKeys = field(default_factory=NodeKeys)
    audit: dict[str, Any] = field(default_factory=dict)
    restored: Restored = field(default_factory=Restored)
    city_proto: int = PROTO_MIN
    city_us: int = 0
    city_at_us: int = 0
