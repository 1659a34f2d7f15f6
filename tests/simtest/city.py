"""The city: everything that aggregator/app.py wires, on a virtual host behind a virtual network."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from aggregator.backup.swap import next_epoch
from aggregator.caps.limits import LimitsSection
from aggregator.keys.desk import _CUT
from aggregator.keys.keyring import Keyring, from_map
from aggregator.link.router_socket import Received
from aggregator.link.zap import Allowed
from aggregator.rebuild import build
from aggregator.store.snapshot import read_epoch
from aggregator.store.store import Store
from aggregator.turns import Turns
from protocol.city_clock import CityClock
from protocol.task_codes import AUTHORISED, DISPATCHED, SELECTED
from service.host_clock import HostClock

from . import plan
from .host import Host, suspended
from .net import Network
from .oracle import Oracle
from .world import SECOND, World

MAX_DRAIN = 512
TASK_ORDER = 20
LOOK_US = 100_000
FAST_US = 500_000
IDLE_US = 9 * SECOND
HASTY = (AUTHORISED, SELECTED, DISPATCHED)


class VirtualStore(Store):
    """The real store; only what a commit is waited for with differs."""

    def __init__(self, host: Host) -> None:
        super().__init__(Path("city"), open_committer=host.open_committer)

    async def work(self, work: Callable[[Any], None]) -> None:
        """Return once `work` is committed. Raises: what it raised."""
        await suspended(lambda done, failed: self.committer.submit(work, done, failed))


class City(Host):
    """The aggregator and its host. `ring_saved`: keyring.json; `backups`: copies of the store."""

    def __init__(self, world: World, oracle: Oracle, network: Network, edges: list[str], instances: list[Any]) -> None:
        super().__init__(world, "city", oracle.watch_city)
        self.oracle, self.network, self.edges, self.instances = oracle, network, edges, instances
        self.ring_saved: Any = None
        self.backups: list[bytes] = []
        self.core: Any = None
        self.paused = self.dies_at_order = False
        self.started_with: Callable[[], None] = lambda: None
        rng = world.rng("limits")
        self.limits = LimitsSection(credit_per_edge=rng.choice((1, 2, 5, 256)))
        self._busy = False
        self._turn_at = -1
        network.allowed = self._allowed
        network.wake_city = lambda: self._plan_turn(LOOK_US)

    def started(self) -> None:
        """Build what Aggregator builds."""
        clock = HostClock(CityClock(1.0, self.now(), int(self.utc_s() * 1e6)))
        self.store = VirtualStore(self)
        start = f"{self.world.rng(f'start {self.life}').getrandbits(64):016x}"
        core = self.core = build(
            self.store,
            clock,
            self.edges,
            self.instances,
            self._ring(),
            sign=plan.sign,
            now_us=self.now(),
            start=start,
            limits=self.limits,
            rules=plan.RULES,
        )
        self.turns = Turns(core, self.store, self._send, lambda: core.now(self.now()))
        core.host.advance(core.now(self.now()).utc_us)
        self.network.listening = True
        self._busy = False
        self._turn_at = -1
        self.oracle.city_started(self)
        self.started_with()
        self.soon()

    def _ring(self) -> Keyring:
        """Return the keyring as KeyStore reads it; at the very first start, what the configuration names."""
        ring = from_map(self.ring_saved) if self.ring_saved else Keyring()
        ring.tick(self._wall_us())
        if not self.ring_saved:
            for edge in self.edges:
                ring.adopt(edge, plan.curve_text(edge))
            self.ring_saved = ring.to_map()
        return ring

    def _wall_us(self) -> int:
        return int(self.utc_s() * 1e6)

    def _allowed(self) -> Allowed:
        ring = self.core.ring
        return Allowed(ring.allowed(), {name: (dead.edge, dead.reason) for name, dead in ring.dead.items()})

    def died(self) -> None:
        """All connections end."""
        self.network.city_died()
        self.oracle.city_died(self)
        self.core = None

    def _send(self, routing_id: bytes, parts: list[bytes]) -> bool:
        self.oracle.city_says(self, routing_id, parts)
        if self.dies_at_order and parts[0][1] == TASK_ORDER:
            self.dies_at_order = False
            self.after(self.rng.randrange(100, 30_000), self.kill, "killed after an order", False)
            self.world.after(SECOND, self.revive)
        return self.network.city_sends(routing_id, parts)

    def tick_keys(self) -> None:
        """As KeyDesk.tick: answer offers once they are saved; cut the links of keys that were killed."""
        core, ring = self.core, self.core.ring
        ring.tick(self._wall_us())
        offers, core.offers = core.offers, []
        answers = [(offer.edge, ring.answer(*offer)) for offer in offers]
        events = ring.take_events()
        if events:
            self.ring_saved = ring.to_map()
            self.oracle.keys_changed(self, events)
        if any(row["event"] in _CUT for row in events):
            core.cut()
            self.network.cut()
        self.turns.send(answers)

    def backup(self) -> None:
        """Keep a copy of the store as of now."""
        connection = self.drive.databases.get(self.store.committer.path) if self.alive else None
        if connection is not None and not connection.in_transaction:
            self.backups = [*self.backups[-1:], connection.serialize()]

    def restore(self, much: float) -> None:
        """Replace the store by a backup, under a new epoch, as `city restore` does."""
        if not self.backups or not self.alive:
            return
        path = self.store.committer.path
        self.kill("to restore a backup", False)
        present = read_epoch(self.drive.databases[path])
        self.drive.replace(path, self.backups[int(much * len(self.backups))])
        copy = self.drive.databases[path]
        epoch = next_epoch(read_epoch(copy), present, int(self.utc_s()))
        copy.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (epoch,))
        self.world.say(f"restored epoch {epoch} over {present}")
        self.oracle.city_restored(copy, present, epoch)

    def _plan_turn(self, wait_us: int) -> None:
        if not self.alive or self._busy:
            return
        at = self.world.now_us + wait_us
        if self._turn_at <= self.world.now_us or at < self._turn_at:
            self._turn_at = at
            self.after(wait_us, self._turn, at)

    def _turn(self, at: int) -> None:
        if at != self._turn_at or self._busy:
            return
        self._turn_at = -1
        if self.paused:
            self._plan_turn(SECOND)
            return
        self._busy = True
        received = [Received(*message) for message in self.network.drain(MAX_DRAIN)]
        self.carry(self.turns.turn(received), self._done)

    def moment(self) -> Any:
        """The moment as the city's pages have it."""
        return self.core.now(self.now())

    def soon(self) -> None:
        """Something has happened: take a turn."""
        self._plan_turn(LOOK_US)

    def carry(self, turn: Coroutine[Any, Any, None], done: Callable[[], Any]) -> None:
        """Run a coroutine up to its next wait, and go on from there when that is over."""

        def go_on(call: Callable[[Any], Any], value: Any) -> None:
            try:
                start = call(value)
            except StopIteration:
                done()
                return
            start(
                lambda result: self.hop(lambda: go_on(turn.send, result)),
                lambda error: self.hop(lambda: go_on(turn.throw, error)),
            )

        go_on(turn.send, None)

    def _done(self) -> None:
        self._busy = False
        self.tick_keys()
        self.oracle.city_turned(self)
        waiting = any(self.network.inbox.values())
        hasty = any(record.state in HASTY for record in self.core.dispatcher.book.open_records())
        self._plan_turn(LOOK_US if waiting else FAST_US if hasty else IDLE_US)
