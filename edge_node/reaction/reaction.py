"""Carries out what guard and processes decide: intents to the journal, commands to boards, reports to the city."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from processes.feed import Arrived
from protocol import task_codes as codes
from protocol.board_link import TaskResult
from protocol.city_link import LeaseState, Message, TaskReport

from ..core import Core
from ..journal import rows
from ..journal.group import Pending
from ..recording import save_log
from .effects import DoAgain, DoTask, Effect, Latch, Renew, Save

LATCH = "latch "
KEEP_AGAIN_US = 1_000_000


def latch_name(name: str) -> str:
    """Return under which name the journal keeps a latch."""
    return LATCH + name


class Reaction:
    """The hands of the guard. `tell(message)` sends to the city; False if it did not leave."""

    def __init__(self, core: Core, tell: Callable[[Message], bool]) -> None:
        self._core, self._tell = core, tell
        self._bodies: dict[bytes, bytes] = {}
        self._unkept: dict[str, Latch] = {}
        self._owed: dict[str, Latch] = {}
        self._owed_us = 0
        self.commands = 0

    def carry_out(self, effects: Iterable[Effect]) -> None:
        """Do each effect in order."""
        for effect in effects:
            if isinstance(effect, Save):
                self._save(effect)
            elif isinstance(effect, DoTask):
                self._do(effect)
            elif isinstance(effect, DoAgain):
                self._again(effect)
            elif isinstance(effect, Renew):
                self._renew(effect)
            elif isinstance(effect, Latch):
                self._latch(effect)
            elif isinstance(effect, TaskReport | LeaseState):
                self._tell(effect)

    def arrived(self, pending: Pending) -> None:
        """Show durable samples to the processes, and to the tasks that wait for their effect."""
        core = self._core
        manifest = core.infos.manifest(pending.thing, pending.boot)
        if manifest is None or pending.records is None:
            return
        key = pending.thing, pending.boot, pending.end - 1
        local = replace(pending.clock, synced=True)  # a reflex needs order and spans, which a time line of our own has
        for series in core.host.arrived(*key, manifest, local, pending.records):
            self._feedback(series)

    def _feedback(self, series: Arrived) -> None:
        core = self._core
        awaited = any(entry.observe == series.datastream for entry in core.guard.awaiting)
        if awaited or core.guard.looks_at(series.datastream):
            t_us = core.clock.boottimes(series.t_utc_us)
            good = series.quality < 3
            core.guard.saw(series.datastream, t_us, good, core.now())
            self.carry_out(core.guard.feedback(series.datastream, t_us, series.value, good))

    def advance(self, now_us: int) -> None:
        """Let the processes step; what led to a task is durable no later than its intent."""
        effects = self._core.host.advance(now_us)
        if effects:
            save_log(self._core)
        self.carry_out(effects)

    def tick(self, now_us: int) -> None:
        """Leases, resends, time limits, latches that a full disk did not keep, steps."""
        self.carry_out(self._core.guard.tick(now_us))
        if self._owed and now_us - self._owed_us >= KEEP_AGAIN_US:
            owed, self._owed, self._owed_us = self._owed, {}, now_us
            for latch in owed.values():
                self._keep(latch)
        self.advance(now_us)

    def result(self, result: TaskResult, at_us: int, now_us: int) -> None:
        """A board reports on a task."""
        core = self._core
        self.carry_out(core.guard.result(result, at_us, now_us))
        entry = core.guard.entries.get(result.task_id)
        first = entry is not None and entry.stamps.get("board_act") == at_us * 1000
        if entry is not None and first and result.state in (codes.ACTING, codes.DONE):
            core.hops.add("board_act", entry.stamps.get("edge_tx", 0) // 1000, at_us)
            if entry.requester == "edge":
                core.hops.add("sample_to_act", entry.task.stamps.get("sample", 0) // 1000, at_us)

    def _save(self, save: Save) -> None:
        entry, task_id = save.entry, save.entry.task.task_id
        state, blob, now_us, table = entry.state, entry.to_bytes(), self._core.now(), entry.table
        done = (lambda _: self._intent_saved(task_id)) if save.intent else None
        self._core.journal.submit(lambda c: rows.put_task(c, task_id, state, now_us, blob, table), done)

    def is_kept(self, name: str) -> bool:
        """Whether the newest latch of this name would survive a restart."""
        return name not in self._unkept

    def _latch(self, latch: Latch) -> None:
        """Keep it over restarts; what depends on that is told then. A newer one of its name takes its place."""
        self._owed.pop(latch.name, None)
        self._unkept[latch.name] = latch
        self._keep(latch)

    def _keep(self, latch: Latch) -> None:
        key, blob = latch_name(latch.name), latch.text.encode()

        def kept(_: object) -> None:
            if self._unkept.get(latch.name) is latch:
                del self._unkept[latch.name]
            self.carry_out(latch.after)

        def failed(_: Exception) -> None:
            if self._unkept.get(latch.name) is latch:
                self._owed[latch.name] = latch

        self._core.journal.submit(lambda c: rows.put(c, "snapshots", "name", key, blob), kept, failed)

    def _intent_saved(self, task_id: bytes) -> None:
        self.carry_out(self._core.guard.intent_saved(task_id, self._core.now()))

    def _do(self, effect: DoTask) -> None:
        """The command leaves: signed, under the board's present nonce, its deadline in the board's stamps."""
        core, entry = self._core, effect.entry
        board = core.boards.get(entry.thing)
        if board is None or board.session.hello is None:
            return
        body = board.commands.task(
            board.session.hello.nonce,
            entry.task.task_id,
            effect.number,
            entry.task.setpoint,
            not_after_us=board.session.clock.to_board_us(entry.task.not_after_us),
            lease_ms=effect.lease_ms,
        )
        self._bodies[entry.task.task_id] = body
        while len(self._bodies) > 64:
            del self._bodies[next(iter(self._bodies))]
        board.session.send(body)
        board.flush()
        self.commands += 1
        core.hops.add("edge_guard", entry.stamps["edge_rx"] // 1000, entry.sent_us)
        self._reserve()

    def _again(self, effect: DoAgain) -> None:
        board = self._core.boards.get(effect.entry.thing)
        body = self._bodies.get(effect.entry.task.task_id)
        if board is not None and body is not None and board.session.up:
            board.session.send(body)
            board.flush()

    def _renew(self, effect: Renew) -> None:
        board = self._core.boards.get(effect.thing)
        if board is None or board.session.hello is None or not board.session.up:
            return
        board.session.send(board.commands.lease(board.session.hello.nonce, effect.number, effect.lease_ms))
        board.flush()
        self._reserve()

    def _reserve(self) -> None:
        """Have the next block of command counters on disk before this one ends."""
        if self._core.counter.low and not self._core.counter.asked:
            self._core.counter.asked = True
            self._core.journal.reserve_counters(self._core.counter.extend, self._core.counter.refused)
