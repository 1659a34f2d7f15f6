"""What becomes of commands that left: results, observed effects, repeats, renewals, lapses. Sans-IO."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from protocol import task_codes as codes
from protocol.board_link import TaskResult

from .checks import AHEAD_US
from .effects import DoAgain, Effect, Renew
from .guard_state import Actuator
from .latches import Latches
from .task_entry import TaskEntry

RESEND_US = 400_000
MAX_SENDS = 3
ANSWER_US = 1_600_000
INTENT_US = 1_000_000
RENEW_US = 1_000_000
Column: TypeAlias = npt.NDArray[Any]


class Following(Latches):
    """Follows each task until its effect is seen or its time is over."""

    def board_restarted(self, thing: str, now_us: int) -> list[Effect]:
        """The board began anew in its safe state: what it was doing is unknown."""
        effects: list[Effect] = []
        for actuator in self.actuators.values():
            if actuator.thing == thing:
                actuator.away_until_us = min(actuator.away_until_us, now_us + actuator.info.travel_ms * 1000)
            if actuator.thing == thing and actuator.active:
                actuator.active = None
                actuator.arbiter.refence(now_us)
        for entry in self._open(thing):
            effects += self._move(entry, codes.UNKNOWN, codes.LINK_DOWN, "the board restarted")
        return effects

    def result(self, result: TaskResult, at_us: int, now_us: int) -> list[Effect]:
        """Take a board's word about a task; `at_us` is its stamp in edge boottime."""
        entry = self.entries.get(result.task_id)
        if entry is None:
            self.refused.note("unknown_result", "board", "a result for a task that nobody here sent", now_us)
            return []
        if result.state == codes.REFUSED and result.code == codes.REPLAYED and entry.sends > 1:
            return []
        if result.state == codes.ACCEPTED:
            entry.stamps.setdefault("board_rx", at_us * 1000)
        if result.state in (codes.ACTING, codes.DONE):
            entry.stamps.setdefault("board_act", at_us * 1000)
        entry.position = result.position
        if result.state == codes.DONE:
            entry.done_us = now_us
            self._is_back(entry)
        if result.state in _MISSED:
            self._release(entry)
        moved = self._move(entry, result.state, result.code)
        if moved and result.code == codes.TRIPPED:
            text = "the board reports a fault that needs a person"
            moved += self.trip(entry.task.actuator, text, now_us, entry.thing)
        return moved

    def _is_back(self, entry: TaskEntry) -> None:
        """Its board has done the order in force, which is to be safe: an older one can do nothing any more."""
        actuator = self.actuators.get(entry.task.actuator)
        if actuator is not None and actuator.active is entry and entry.task.setpoint == actuator.info.safe:
            actuator.away_until_us = 0

    @property
    def awaiting(self) -> list[TaskEntry]:
        """Tasks that are done and wait for their effect to be seen."""
        return [entry for entry in self.running.values() if entry.state == codes.DONE]

    def feedback(self, datastream: str, t_us: Column, value: Column, good: Column) -> list[Effect]:
        """Close tasks whose effect the observed datastream shows; arrays (n,), t_us in edge boottime."""
        effects: list[Effect] = []
        for entry in [entry for entry in self.awaiting if entry.observe == datastream]:
            after = good & (t_us >= entry.sent_us)
            if not np.any(after):
                continue
            entry.seen = float(value[after][-1])
            near = self.actuators[entry.task.actuator].near
            if bool(np.any(np.abs(value[after] - entry.task.setpoint) <= near)):
                effects += self._move(entry, codes.OBSERVED, codes.OK, f"{datastream} shows it")
        return effects

    def tick(self, now_us: int) -> list[Effect]:
        """Renew, send again, give up, tell lapses. Call every 50 ms or so."""
        effects: list[Effect] = []
        for entry in list(self.running.values()):
            effects += self._progress(entry, now_us)
        for actuator in self.actuators.values():
            effects += self._renewal(actuator, now_us)
            self._hold(actuator, now_us)
            lapse = actuator.arbiter.changed(now_us)
            effects += [lapse] if lapse else []
        return effects

    def _progress(self, entry: TaskEntry, now_us: int) -> list[Effect]:
        if entry.state == codes.DISPATCHED:
            return self._unanswered(entry, now_us)
        if entry.state == codes.DONE and entry.observe and now_us - entry.done_us > entry.within_us:
            if entry.seen is None:
                return self._move(entry, codes.FAILED, codes.NO_FEEDBACK, f"{entry.observe} shows nothing")
            text = f"{entry.observe} shows {entry.seen:.3g}, not {entry.task.setpoint:.3g}"
            return self._move(entry, codes.FAILED, codes.NOT_OBSERVED, text)
        if entry.state in (codes.ACCEPTED, codes.ACTING) and now_us > entry.valid_until_us:
            return self._move(entry, codes.UNKNOWN, codes.TIMEOUT, "its time is over and no result came")
        return []

    def _unanswered(self, entry: TaskEntry, now_us: int) -> list[Effect]:
        """A command without answer is repeated, then unknown; one whose intent was never saved did not leave."""
        if not entry.sends:
            if now_us <= entry.task.not_after_us + INTENT_US:
                return []
            self._release(entry)
            return self._move(entry, codes.EXPIRED, codes.CODE_EXPIRED, "the intent could not be saved in time")
        waiting_us = now_us - entry.sent_us
        if waiting_us > ANSWER_US:
            self._release(entry)
            return self._move(entry, codes.UNKNOWN, codes.TIMEOUT, "no answer from the board")
        if entry.sends < MAX_SENDS and waiting_us > RESEND_US * entry.sends and self._still_meant(entry):
            entry.sends += 1
            return [DoAgain(entry)]
        return []

    def _still_meant(self, entry: TaskEntry) -> bool:
        """Whether a command that may not have arrived yet is to be obeyed if it does: nobody has a newer lease."""
        return entry.task.fence == self.actuators[entry.task.actuator].arbiter.fence

    def _renewal(self, actuator: Actuator, now_us: int) -> list[Effect]:
        """Renew the board's lease while the task is valid; a command without answer yet goes first."""
        entry = actuator.active
        if entry is None:
            return []
        if now_us >= entry.valid_until_us:
            actuator.active = None
            return []
        unanswered = any(e.state == codes.DISPATCHED and e.sends for e in self._open(actuator.thing))
        due = now_us - actuator.renewed_us >= RENEW_US
        if not due or unanswered or self.ready.get(actuator.thing) != codes.OK:
            return []
        actuator.renewed_us = now_us
        left_ms = (entry.valid_until_us - now_us) // 1000
        lease_ms = min(actuator.info.lease_ms or self.lease_ms, left_ms)
        if entry.task.setpoint != actuator.info.safe:
            actuator.may_act(now_us, lease_ms)
        return [Renew(actuator.thing, actuator.info.index, lease_ms)] if lease_ms > 0 else []

    @staticmethod
    def _hold(actuator: Actuator, now_us: int) -> None:
        """Keep a person's lease while the order is in force: a city that restarts, or is cut off, cannot renew it."""
        entry = actuator.active
        if entry is not None and entry.requester == "operator":
            actuator.arbiter.keep(entry.requester, entry.valid_until_us, now_us)

    def lapsed_on_board(self, name: str, known_us: int, now_us: int) -> None:
        """The board says that nobody holds its lease: a setpoint sent before known_us is not in force.

        The fence rises, so whoever holds the lease here learns that its setpoint has to be sent anew.
        """
        actuator = self.actuators.get(name)
        entry = actuator.active if actuator else None
        if actuator is not None and entry and entry.state != codes.DISPATCHED and entry.sent_us < known_us:
            actuator.active = None
            actuator.arbiter.refence(now_us)

    def looks_at(self, datastream: str) -> bool:
        """Whether this is the own feedback of an actuator whose evidence has a limit."""
        return any(a.rule.evidence_s and a.feedback == datastream for a in self.actuators.values())

    def saw(self, datastream: str, t_us: Column, good: Column, now_us: int) -> None:
        """Note when an actuator's own feedback was good last; arrays (n,), t_us in edge boottime.

        What claims to be measured after now was not: it would count as fresh until then.
        """
        found = t_us[good & (t_us <= now_us + AHEAD_US)]
        for actuator in self.actuators.values():
            if actuator.feedback == datastream and found.size:
                actuator.seen_us = max(actuator.seen_us or 0, int(found.max()))


_MISSED = frozenset({codes.FAILED, codes.REFUSED, codes.EXPIRED})
