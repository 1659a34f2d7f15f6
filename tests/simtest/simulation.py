"""One seed: builds the world, lets faults happen for most of an hour, then none, and looks whether all came to rest."""

import gc
import os
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from firmware.core import link as LINK

from . import pace, plan
from .areas import area_of, draw
from .board import Board
from .city import City
from .edge import Edge
from .faults import KINDS, Fault
from .line import Line
from .net import Network, Wire
from .oracle import Oracle
from .people import Crowd
from .rest import at_rest, final_check
from .world import MINUTE, SECOND, Violation, World

CALM_US = 8 * MINUTE
SETTLE_US = 6 * MINUTE
DRAIN_US = 90 * SECOND
ENDLESS = 1 << 40
EARLIEST_CALM_US = 4 * MINUTE
CALM_RATE = 0.12  # events a minute once the faults are over, as a share of those before; a low guess
KINDS_ENOUGH = 3
TOKEN_ID, TOKEN_SECRET = b"simtest1", b"sixteen byte key"


@dataclass(frozen=True)
class Setup:
    """What a run is made of; the shrinker makes it smaller: only the faults `keep` of the seed's, only `until_s`.

    `enough`: the faults are over as soon as that many events are in sight, however fast the seed's sensors are;
    `calm_s`: when that was, which repeats such a run even with other faults.
    """

    seed: int
    minutes: float = 60.0
    edges: int = 2
    boards: int = 3
    keep: tuple[int, ...] | None = None
    until_s: float | None = None
    enough: int = 0
    calm_s: float | None = None


@dataclass
class Result:
    """What came of a run."""

    setup: Setup
    events: int = 0
    trace: str = ""
    violation: str = ""
    invariant: str = ""
    at_us: int = 0
    faults: tuple[Fault, ...] = ()
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    taken: dict[Any, int] = field(default_factory=dict)


@cache
def folder() -> Path:
    """Key files of this process's configurations."""
    made = Path(tempfile.gettempdir()) / f"simtest-{os.getpid()}"
    made.mkdir(mode=0o700, exist_ok=True)
    return made


@cache
def prepare() -> None:
    """Set the pace; make the product quiet; collect what has cycles seldom. Once per process."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    if os.environ.get("PACE") != "product":
        pace.apply()
    time.time_ns = _no_real_time
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def _no_real_time() -> Any:
    """Stand in for the wall clock: a history that depends on it can not be repeated."""
    raise Violation("real_time", "the product reads the machine's wall clock instead of the one it was given")


class Simulation:
    """All parts of one seed."""

    def __init__(self, setup: Setup) -> None:
        prepare()
        self.setup = setup
        self.world = world = World(setup.seed)
        self.oracle = oracle = Oracle(world)
        plans = plan.boards(world.rng("plan"), setup.edges, setup.boards)
        names = sorted({p.edge for p in plans})
        instances = plan.instances(plans)
        self.boards = {p.thing: Board(world, oracle, p, Line(world, p.thing)) for p in plans}
        self.network = Network(world)
        self.wires = {name: Wire(self.network, name, plan.curve_key(name)) for name in names}
        self.edges = {}
        for name in names:
            mine = [board for board in self.boards.values() if board.plan.edge == name]
            self.edges[name] = Edge(world, oracle, name, mine, self.wires[name], instances, folder())
        self.revoked: set[str] = set()
        self.city = City(world, oracle, self.network, names, instances)
        self.crowd = Crowd(self)
        oracle.acting.silence_us = LINK.SILENCE_MS * 1000
        self.end_us = int(setup.minutes * MINUTE)
        self.calm_us = max(MINUTE, self.end_us - CALM_US)
        self.faults = tuple(draw(world.rng("faults"), self.calm_us, area_of(setup.seed)))
        if setup.calm_s is not None:
            self._calm_at(int(setup.calm_s * SECOND))
        self.kept: list[Fault] = []

    def host(self, name: str) -> Any:
        """Return an edge node or the city."""
        return self.city if name == "city" else self.edges[name]

    def part(self, owner: str, where: str) -> Any:
        """Return the part that a fault sets something of."""
        if owner == "line":
            return self.boards[where].line
        if owner == "wire":
            return self.wires[where]
        return self.host(where).drive if owner == "drive" else self.host(where)

    def run(self) -> None:
        """Let it all happen. Raises: Violation."""
        world = self.world
        start = world.rng("start")
        for board in self.boards.values():
            world.at(start.randrange(10 * SECOND), board.power_on)
        for host in (self.city, *self.edges.values()):
            world.at(start.randrange(10 * SECOND), host.start)
        self.crowd.begin()
        kept = range(len(self.faults)) if self.setup.keep is None else self.setup.keep
        for number in kept:
            if self._has(self.faults[number].where):
                self.kept.append(self.faults[number])
                world.at(self.faults[number].at_us, self._begin, self.faults[number])
        if self.setup.until_s is not None:
            world.run_until(int(self.setup.until_s * SECOND))
            return
        self._run_to_calm()
        self._calm()
        world.run_until(max(self.end_us - SETTLE_US, world.now_us + MINUTE))
        for board in self.boards.values():
            board.stop_sampling()
        self._settle()
        final_check(self)

    def revoke(self, edge: str) -> None:
        """Revoke all keys of an edge node."""
        found = self.city.core.ring.revoke(edge)
        self.world.say(f"revoked {edge} {' '.join(found)}")
        self.revoked.add(edge)
        self.city.tick_keys()

    def enrol(self, edge: str) -> None:
        """A revoked node gets a new key; the city may be down, then later."""
        if edge not in self.revoked:
            return
        if not self.city.alive:
            self.world.after(SECOND, self.enrol, edge)
            return
        self.revoked.discard(edge)
        wire = self.wires[edge]
        wire.changes += 1
        name = f"{edge} {wire.changes}"
        self.city.core.ring.open_token(edge, 3600 * SECOND, TOKEN_ID, TOKEN_SECRET)
        self.city.core.ring.redeem(TOKEN_ID, TOKEN_SECRET, plan.curve_text(name))
        self.city.tick_keys()
        wire.key, wire.next_key = plan.curve_key(name), b""
        wire.reconnect()

    def impostor(self, edge: str, much: float) -> None:
        """Put a message of a dead or unknown key behind the gate."""
        dead = sorted(key for key, died_us in self.oracle.dead_keys.items() if died_us <= self.world.now_us)
        name = dead[int(much * len(dead))] if dead and much < 0.7 else "nobody"
        if self.city.alive and self.oracle.said.get(edge):
            parts = self.oracle.said[edge][int(much * len(self.oracle.said[edge]))]
            self.network.smuggle(edge, name, parts)

    def stranger(self, edge: str) -> None:
        """Somebody with a key of its own connects; if that is let in, it speaks. Raises: Violation."""
        connection = self.network.connect(plan.curve_key(f"stranger at {edge}"))
        if connection is not None:
            raise Violation("stranger", f"a key that nobody enrolled was let in as {connection.user!r}")

    def _has(self, where: str) -> bool:
        return where == "city" or where in self.boards or where in self.edges

    def _run_to_calm(self) -> None:
        """Let faults happen until their time is over, or until they have caused enough."""
        world = self.world
        while world.now_us < self.calm_us and not self._is_enough():
            world.run_until(min(self.calm_us, world.now_us + MINUTE))
        self._calm_at(world.now_us)

    def _is_enough(self) -> bool:
        now_us = self.world.now_us
        if not self.setup.enough or now_us < EARLIEST_CALM_US:
            return False
        in_sight = self.world.events * (1 + CALM_RATE * CALM_US / now_us)
        return in_sight >= self.setup.enough and len({fault.kind for fault in self.begun}) >= KINDS_ENOUGH

    @property
    def begun(self) -> list[Fault]:
        """Faults that have happened."""
        return [fault for fault in self.kept if fault.at_us <= self.world.now_us]

    def _calm_at(self, when_us: int) -> None:
        self.calm_us, self.end_us = when_us, min(self.end_us, when_us + CALM_US)

    def _begin(self, fault: Fault) -> None:
        if fault.at_us > self.calm_us:
            return
        self.world.say(f"fault {fault.kind} {fault.where} {fault.for_us / SECOND:.1f} s {fault.much:.2f}")
        KINDS[fault.kind].begin(self, fault)
        if KINDS[fault.kind].end is not None:
            self.world.after(fault.for_us, self._end, fault)

    def _end(self, fault: Fault) -> None:
        end = KINDS[fault.kind].end
        if end is not None:
            end(self, fault)

    def _calm(self) -> None:
        """Every fault that still lasts ends now."""
        self.world.say("calm")
        self.crowd.calm()
        for fault in self.begun:
            self._end(fault)
        for board in self.boards.values():
            board.flash.cut = ""

    def _settle(self) -> None:
        """Wait until all is at rest: for a bounded time, and longer while edge nodes still drain what they have.

        A seed may grant one batch in flight; then a backlog takes its time, but it gets smaller all along.
        """
        world, left = self.world, self._left()
        limit_us = max(self.end_us, world.now_us + SETTLE_US)
        while world.now_us < limit_us:
            world.run_until(min(limit_us, world.now_us + 10 * SECOND))
            if world.now_us >= self.end_us and at_rest(self) == "":
                return
            if self._left() < left:
                left, limit_us = self._left(), max(limit_us, world.now_us + DRAIN_US)
        why = at_rest(self)
        if why:
            raise Violation("convergence", f"{SETTLE_US // MINUTE} min or more after the last sample: {why}")

    def _left(self) -> int:
        """Return how many batches edge nodes have for the city; one that is down has an endless number."""
        cores = [edge.core for edge in self.edges.values()]
        return sum(ENDLESS if core is None else core.journal.pending_batches for core in cores)


def run(setup: Setup, log: Any = None) -> Result:
    """Return what came of one seed."""
    began = time.process_time()
    result = Result(setup)
    sim = Simulation(setup)
    sim.world.log = log
    try:
        sim.run()
    except Violation as violation:
        result.invariant, result.violation = violation.name, violation.text
    except Exception as error:
        result.invariant = "crashed"
        result.violation = f"{type(error).__name__}: {error}\n{''.join(traceback.format_tb(error.__traceback__)[-6:])}"
    result.events, result.trace, result.at_us = sim.world.events, sim.world.trace, sim.world.now_us
    result.faults, result.taken = sim.faults, dict(sim.oracle.coverage.taken)
    if setup.enough:
        result.setup = replace(setup, enough=0, calm_s=sim.calm_us / SECOND)
    result.counts = dict(Counter(fault.kind for fault in sim.begun))
    result.counts["samples"] = sum(s.n for s in sim.oracle.streams.values())
    result.seconds = time.process_time() - began
    return replace(result)
