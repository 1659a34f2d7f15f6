"""A board as a part: the real task desk, leases, outputs, interlock and relays on a clock of its own."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from drivers.relay import Relay
from firmware.core.actuators import RESTING_MS, Actuators
from firmware.core.link import LINK, TEXT, Link
from firmware.core.schedule import Clock
from firmware.core.tasks import TaskDesk
from protocol import commands
from protocol.stamp import TICKS_PERIOD
from tests.simtest import fake_machine

from .hands import FIRST_STAMP_US, KEY, STEP_US, nonce_bytes
from .parts import Broken, Event

TASK = 7
SILENCE_US = 5_000_000
fake_machine.install()
from firmware.port.outputs import Output, groups_of  # noqa: E402


@dataclass
class Ticks:
    """The board's microsecond counter; a restart lets it begin shortly before a wrap."""

    now_us: int = 0
    zero_us: int = 0

    def __call__(self) -> int:
        """Return the counter."""
        return (self.now_us - self.zero_us + FIRST_STAMP_US) % TICKS_PERIOD


class Decoder:
    """Takes the order to begin anew."""

    def reset(self) -> None:
        """Do nothing."""


class Ear:
    """What of the link the rule of silence needs."""

    def __init__(self, clock: Clock) -> None:
        self.mode, self._clock, self._heard_ms, self._hello, self.decoder = TEXT, clock, 0, False, Decoder()

    def hear(self) -> None:
        """A frame of the host came."""
        self.mode, self._heard_ms = LINK, self._clock.ms


class BoardFacts(NamedTuple):
    """What a world needs to know of a board."""

    nonce: int
    zero: int
    on: tuple[bool, ...]
    idle: bool
    held: tuple[bool, ...]
    did: int


@dataclass
class Told:
    """The check's own reading of what a board was told under its present boot."""

    counter: int = -1
    heard_us: int = 0
    until_us: dict[int, int] = field(default_factory=dict)
    fences: dict[int, int] = field(default_factory=dict)


class BoardPart:
    """One board. `did`: what was ever executed, over all boots."""

    def __init__(self, thing: str, names: list[str], lease_ms: int, together: bool = True) -> None:
        self.thing, self.names, self.lease_ms, self.together = thing, names, lease_ms, together
        self.did: dict[bytes, int] = {}
        self.rested: dict[int, int] = {}
        self.nonce = 0
        self._begin(0)

    def _begin(self, t: int) -> None:
        self.rested.clear()
        self.nonce, self.zero = self.nonce + 1, t
        self.ticks = Ticks(t * STEP_US, t * STEP_US)
        self.clock = Clock(self.ticks)
        self.actuators = Actuators(self.clock)
        self.desk = TaskDesk(KEY, nonce_bytes(self.nonce), self.clock, self.actuators)
        self.ear, self.told = Ear(self.clock), Told()
        self.groups = groups_of([{"pins": self.names, "min_off_ms": STEP_US // 1000}] if self.together else [])
        self.outputs = [Output(name, True, self.groups, self.clock) for name in self.names]
        for name, output in zip(self.names, self.outputs, strict=True):
            entry = {"name": name, "lower": 0.0, "upper": 1.0, "safe": 0.0, "lease_ms": self.lease_ms}
            self.actuators.add(Relay(output), entry)

    def do(self, event: Event) -> tuple[Any, ...]:
        """Take an event (name, time, ...); return results, as ("up", task id, state, code)."""
        name, t, *words = event
        self.ticks.now_us = t * STEP_US
        self.clock.tick()
        self.now_us = t * STEP_US
        found = getattr(self, f"_{name}")(*words)
        results = [("up", bytes(r[0]), r[1], r[2]) for r in self.actuators.results]
        self.actuators.results.clear()
        self._check(name)
        self._tidy()
        return (*found, *results)

    def facts(self) -> BoardFacts:
        """What the world may look at."""
        rows = self.actuators.actuators
        on = tuple(bool(output.value()) for output in self.outputs)
        idle = not any(on) and not any(a.held or a.driver._wanted for a in rows)
        return BoardFacts(self.nonce, self.zero, on, idle, tuple(a.held for a in rows), len(self.did))

    # what happens

    def _step(self) -> tuple[Any, ...]:
        self.actuators.step()
        if Link.check_silence(self.ear):  # type: ignore[arg-type]
            self.actuators.silent()
        return ()

    def _hello(self) -> tuple[Any, ...]:
        self.ear.hear()
        self.told.heard_us = self.now_us
        self.actuators.repeat_results()
        return ()

    def _restart(self, t: int) -> tuple[Any, ...]:
        self._begin(t)
        return ()

    def _command(self, body: bytes, task: bytes, fence: int, deadline_us: int) -> tuple[Any, ...]:
        kind, payload, mac = commands.decode_command(body, 0, len(body))
        genuine = hmac.new(KEY, payload, hashlib.sha256).digest() == mac
        parts = msgpack.unpackb(payload)
        fresh = genuine and parts[0] == nonce_bytes(self.nonce) and parts[1] > self.told.counter
        executed: list[tuple[int, bytes]] = []
        command = self.actuators.command

        def tapped(actuator: Any, which: Any, setpoint: float, lease_ms: int) -> None:
            executed.append((actuator.index, bytes(which)))
            command(actuator, which, setpoint, lease_ms)

        self.actuators.command = tapped  # type: ignore[method-assign]
        self.ear.hear()
        self.told.heard_us = self.now_us
        (self.desk.task if kind == TASK else self.desk.lease)(payload, mac)
        del self.actuators.command
        if fresh:
            self._note(kind, parts)
        for index, which in executed:
            self._executed(index, which, fresh, fence, deadline_us)
        return ()

    def _note(self, kind: int, parts: list[Any]) -> None:
        """Keep how long an output may be on after this command."""
        place, lease_ms = (parts[3], parts[6]) if kind == TASK else (parts[2], parts[3])
        self.told.counter = parts[1]
        alive = self.told.until_us.get(place, 0) > self.now_us
        if kind == TASK or alive or not lease_ms:
            self.told.until_us[place] = self.now_us + min(lease_ms, self.lease_ms) * 1000

    def _tidy(self) -> None:
        """Forget what only says how long ago something was that is over, so that states that behave alike are one."""
        clock, now_ms = self.clock, self.clock.ms
        for row in self.actuators.actuators:
            row.next_ms = min(row.next_ms, 0 if row.next_ms <= now_ms + RESTING_MS else row.next_ms)
            row.driver._since_ms = min(row.driver._since_ms, 0)
        for group in self.groups:
            if now_ms - group.rule._off_at_ms >= group.rule.min_off_ms:
                group.rule._off_at_ms = -group.rule.min_off_ms
        if not any(output.value() for output in self.outputs) and not any(row.held for row in self.actuators.actuators):
            self.told.heard_us, self.ear._heard_ms = 0, 0
        self.told.until_us = {place: us for place, us in self.told.until_us.items() if us > self.now_us}
        clock.wrap, clock.ticks, clock.ms = 0, clock._start, 0
        self.ticks.now_us = 0
        del self.now_us

    # what must hold

    def _executed(self, index: int, which: bytes, fresh: bool, fence: int, deadline_us: int) -> None:
        name = which.rstrip(b"\0").decode()
        if not fresh:
            raise Broken("not_genuine", f"{name} is executed: forged, of another boot, or under a used counter")
        if which in self.did:
            raise Broken("executed_twice", f"{self.thing} executes {name} again")
        if self.now_us >= deadline_us:
            late_s = (self.now_us - deadline_us) / 1e6
            raise Broken("executed_late", f"{self.thing} executes {name} {late_s:g} s after its deadline")
        if fence < self.told.fences.get(index, 0):
            text = f"{self.thing} executes {name} of fence {fence} after a higher one"
            raise Broken("old_fence_executed", text)
        self.told.fences[index] = fence
        self.did[which] = index

    def _check(self, name: str) -> None:
        on = [place for place, output in enumerate(self.outputs) if output.value()]
        if self.together and len(on) > 1:
            raise Broken("both_on", f"{self.thing}: two outputs that exclude each other are on")
        for place in on:
            since_us = self.now_us - STEP_US
            just_now = [other for other, us in self.rested.items() if other != place and us > since_us]
            if self.together and just_now:
                raise Broken("no_rest", f"{self.thing}/{self.names[place]} is on right after another output")
        self.rested = {place: us for place, us in self.rested.items() if us > self.now_us - STEP_US}
        self.rested.update((place, self.now_us) for place in on)
        for place in on if name == "step" else []:
            if self.now_us - self.told.heard_us >= SILENCE_US:
                raise Broken("not_safe_in_silence", f"{self.thing}/{self.names[place]} is on, and the host is silent")
            if self.now_us >= self.told.until_us.get(place, 0):
                over_s = (self.now_us - self.told.until_us.get(place, 0)) / 1e6
                raise Broken("not_safe", f"{self.thing}/{self.names[place]} is on {over_s:g} s after its lease")
