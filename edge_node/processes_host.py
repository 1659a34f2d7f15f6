"""The processes that run at this node: fed from what is durable, asking the guard for what they propose.

A process with runs_on "edge" asks at once; one with "both" only after the city has been silent for as long as
its lease lasts. Who holds the lease is the guard's word.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from processes.contract import Proposal
from processes.dispatch import Active, activated, worth_sending
from processes.engine import Decision, Engine
from processes.errors import FrozenError
from processes.feed import Arrived, Feed
from processes.instance import Instance
from processes.log import EngineLog
from protocol import tasks
from protocol.city_link import ALARM_ACTS, AlarmAct, Clock
from protocol.manifest import Manifest
from service.host_clock import HostClock

from .reaction.guard import Effect, Guard

START_WITHIN_MS = 2000
RECORD_BYTES = 12
MAX_CAUSES = 4096


@dataclass
class ProcessesHost:
    """The engine and its surroundings. Sans-IO; times are edge boottime us."""

    engine: Engine
    guard: Guard
    city: HostClock
    started_us: int
    feed: Feed = field(default_factory=Feed)
    city_heard_us: int = 0
    decisions: int = 0
    jumps: int = 0
    log_bytes: int = 64 << 20
    newest: dict[str, Decision] = field(default_factory=dict)
    _active: dict[str, tuple[int, Active]] = field(default_factory=dict)
    _acquired: OrderedDict[tuple[str, str, int], int] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, instances: Iterable[Instance], guard: Guard, city: HostClock, started_us: int) -> "ProcessesHost":
        """Return a host of the instances that run at an edge node; the guard learns what to observe."""
        host = cls(Engine(instances, where="edge"), guard, city, started_us, jumps=city.jumps)
        guard.observe = host.observed_by
        return host

    def arrived(
        self, thing: str, boot: str, last: int, manifest: Manifest, clock: Clock, records: bytes
    ) -> list[Arrived]:
        """Feed durable samples to the engine; return them as series per datastream."""
        found = self.feed.from_records(thing, manifest, clock, records)
        cause = (thing, boot, last)
        if self.engine.log is not None and any(series.datastream in self.engine.datastreams for series in found):
            n = len(records) // RECORD_BYTES
            self.engine.log.take((thing, boot), manifest, [(last + 1 - n, n)], list(vars(clock).values()))
        for series in found:
            self.engine.arrive(series.datastream, *series[1:5], cause=cause)
            if series.datastream in self.engine.datastreams:
                self._acquired[cause] = self.city.boottime_us(int(series.t_utc_us.max()))
        while len(self._acquired) > MAX_CAUSES:
            self._acquired.popitem(last=False)
        return found

    def advance(self, now_us: int) -> list[Effect]:
        """Make the steps that are due; return what the guard makes of their proposals."""
        effects: list[Effect] = []
        if self.jumps != self.city.jumps:
            self.jumps = self.city.jumps
            self.engine.begin_anew()
        for decision in self.engine.advance(self.city.event_utc_us(now_us)):
            self.decisions += 1
            self.newest[decision.instance] = decision
            if decision.dispatch:
                for proposal in decision.outcome.proposals:
                    if proposal.port in decision.actuators:
                        effects += self._propose(decision, proposal, now_us)
        return effects

    def _propose(self, decision: Decision, proposal: Proposal, now_us: int) -> list[Effect]:
        name = decision.actuators[proposal.port]
        actuator = self.guard.actuators.get(name)
        if actuator is None or not self._my_turn(decision.instance, now_us):
            return []
        before = actuator.arbiter.fence
        lease = self.guard.lease(name, "edge", now_us)
        if actuator.arbiter.holder(now_us) != "edge":
            return []
        fence = actuator.arbiter.fence
        effects = lease if fence != before else []
        active_fence, active = self._active.get(name, (0, None))
        in_force = active if active_fence == fence and actuator.active is not None else None
        if not worth_sending(proposal, in_force, now_us // 1000):
            return effects
        self._active[name] = fence, activated(proposal, now_us // 1000)
        task = self._task(decision, proposal, name, fence, now_us)
        if actuator.rule.hazardous:
            effects += self.guard.request("edge", replace(task, verb=tasks.SELECT), now_us)
        return effects + self.guard.request("edge", task, now_us)

    def _my_turn(self, instance: str, now_us: int) -> bool:
        """Return whether this node may ask for the lease: always if the process runs nowhere else."""
        if self.engine.instances[instance].config.runs_on == "edge":
            return True
        silent_us = now_us - max(self.city_heard_us, self.started_us)
        return silent_us >= self.guard.lease_ms * 1000

    def _task(self, decision: Decision, proposal: Proposal, actuator: str, fence: int, now_us: int) -> tasks.Task:
        # A cause from before the host started has no place in its boottime.
        known = [self._acquired[cause] for cause in decision.causes if self._acquired.get(cause, -1) >= 0]
        return tasks.Task(
            task_id=decision.task_ids[proposal.port],
            actuator=actuator,
            setpoint=float(proposal.setpoint),
            lease_ms=min(proposal.valid_ms, tasks.MAX_LEASE_MS),
            instance=decision.instance,
            step_utc_us=decision.step_utc_us,
            edge=self.guard.edge,
            edge_boot=self.guard.boot,
            not_after_us=now_us + min(proposal.valid_ms, START_WITHIN_MS) * 1000,
            fence=fence,
            epoch=self.guard.epoch,
            causes=list(decision.causes)[: tasks.MAX_CAUSES],
            stamps={"sample": max(known) * 1000} if known else {},
            reason=proposal.reason[:200],
        )

    def acted(self, act: AlarmAct) -> bool:
        """Record what a person did to an alarm here; False if it is known, or nothing that we know."""
        if act.what not in ALARM_ACTS:
            return False
        what = act.act_id, act.what, act.key, act.at_utc_us, act.until_utc_us, act.who, act.reason
        return self.engine.act(act.instance, *what)

    def observed_by(self, task: tasks.Task) -> tuple[str, float] | None:
        """Return (datastream, within_s) that must show a task's effect, if its process is known here."""
        instance = self.engine.instances.get(task.instance)
        for respond in instance.config.responds.values() if instance else ():
            if respond.actuator == task.actuator and respond.observe:
                return respond.observe, respond.within_s
        return None

    def begin(self, frozen: bytes | None, log_day: int | None) -> list[str]:
        """Continue from a snapshot, if there is one, and keep a log; return the instances that do continue."""
        thawed = self.thaw(frozen) if frozen is not None else []
        self.engine.log = EngineLog(log_day)
        self.engine.log.start(self.engine.instances.values(), thawed, frozen)
        return thawed

    def thaw(self, frozen: bytes) -> list[str]:
        """Continue from a snapshot; return the instances that do, none if it is of another shape."""
        try:
            return self.engine.thaw(frozen)
        except FrozenError:
            return []
