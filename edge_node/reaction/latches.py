"""What stays until a person ends it: trips of an actuator, and the stop of the whole node. Sans-IO.

Both act at once and are then kept over restarts (`Latch`); to end one is told only once it is durable.
"""

from collections.abc import Mapping

from protocol import task_codes as codes
from protocol.city_link import TaskReport

from .effects import LOCAL, Effect, Latch, Renew
from .guard_state import Actuator, GuardState

NO_MORE = 1 << 30
LATCHED = 2
"""What a board says of its stop when its input is free and it was not told yet that the node knows of it."""


class Latches(GuardState):
    """Trips and stops. `after`: what to tell once the latch is durable."""

    def trip(
        self, name: str, reason: str, now_us: int, who: str = "", after: tuple[TaskReport, ...] = ()
    ) -> list[Effect]:
        """Send an actuator to its safe state and refuse tasks until `reset`."""
        actuator = self.actuators[name]
        actuator.tripped = (reason or "tripped")[:200]
        self.latched[name] = actuator.tripped
        self._did("tripped", who or self.edge, actuator=name, text=actuator.tripped)
        return [self._halt(actuator, now_us), Latch(name, actuator.tripped, after)]

    def reset(self, name: str, who: str = "", after: tuple[TaskReport, ...] = ()) -> list[Effect]:
        """Let tasks through again."""
        self.actuators[name].tripped = ""
        self.latched.pop(name, None)
        self._did("reset", who or self.edge, actuator=name)
        return [Latch(name, "", after)]

    def stop(self, reason: str, who: str, now_us: int) -> list[Effect]:
        """Send every actuator of this node to its safe state and refuse everything until `clear`."""
        self.stopped = (reason or "stopped")[:200]
        self._did("local_stop", who, text=self.stopped)
        return [*(self._halt(actuator, now_us) for actuator in self.actuators.values()), Latch(LOCAL, self.stopped)]

    def clear(self, who: str, reason: str = "") -> list[Effect]:
        """Let orders through again; tripped actuators stay tripped."""
        self.stopped = ""
        self._did("local_clear", who, text=reason)
        return [Latch(LOCAL, "")]

    def board_counts(self, thing: str, counters: Mapping[str, int], now_us: int) -> list[Effect]:
        """Trip all actuators of a board whose own stop input is, or since the guard heard of it last was, active.

        The board stays stopped until it is told that this is durable: it is told again as long as it says so.
        """
        stops, before = counters.get("stops", 0), self.stops.get(thing)
        self.stops[thing] = stops
        if not counters.get("stopped") and (before is None or stops <= before):
            return []
        mine = {name: actuator for name, actuator in self.actuators.items() if actuator.thing == thing}
        free = [name for name, actuator in mine.items() if not actuator.tripped]
        effects = [effect for name in free for effect in self.trip(name, f"the stop input of {thing}", now_us, thing)]
        return [*effects, *(self._taken_over(mine) if counters.get("stopped") == LATCHED else [])]

    @staticmethod
    def _taken_over(mine: Mapping[str, Actuator]) -> list[Effect]:
        """Return what tells a board that its stop was taken over: after the newest of its latches is durable."""
        releases = tuple(Renew(actuator.thing, actuator.info.index, 0) for actuator in mine.values())
        return [Latch(name, actuator.tripped, releases) for name, actuator in [*mine.items()][-1:]]

    def latch(self, kept: dict[str, str]) -> None:
        """Know what was latched in earlier runs, before any board is announced."""
        self.stopped = kept.pop(LOCAL, "")
        self.latched = {name: text for name, text in kept.items() if text}

    def _halt(self, actuator: Actuator, now_us: int) -> Effect:
        """Nothing more leaves for it, its board drives it to its safe state, and who holds it learns of it."""
        actuator.active = actuator.selection = None
        actuator.arbiter.refence(now_us)
        for entry in self._open(actuator.thing):
            if entry.state == codes.DISPATCHED and entry.sends and self.actuators.get(entry.task.actuator) is actuator:
                entry.sends = NO_MORE  # not sent again: a late copy would move what was just halted
        return Renew(actuator.thing, actuator.info.index, 0)
