"""Actuators with their leases: who may command, until when, and the safe state when nobody may. Both VMs.

At start, when a lease lapses, is released, or the link falls silent, while the board's stop input is active, and
after that until the host has taken the stop over, the actuator is in its safe state. A task is reported as
accepted, acting, then done or failed; a newer one supersedes it.
"""

from protocol import task_numbers as codes
from protocol.lease import Lease

START = 0
TASK = 1
LAPSED = 2
RELEASED = 3
LINK_SILENT = 4
BROKEN = 5
STOPPED = 6
TOO_LONG = 7
REASONS = ("start", "task", "lease lapsed", "released", "link silent", "driver failed", "stopped here", "on too long")

MOVING_MS = 20
RESTING_MS = 100
MAX_RESULTS = 16
_HOLDER = "host"
_FAULT = 3
_OPENING = 1
_CLOSING = 2


def _nobody_stops() -> int:
    """Nobody stops a board without a stop input."""
    return -1


class Actuator:
    """One driver with its lease and its present task."""

    def __init__(self, index: int, driver, entry: dict, limited) -> None:  # type: ignore[no-untyped-def,type-arg]
        """`entry` is the actuator of board.json, `limited` those of its outputs that may not be on for long."""
        self.index = index
        self.limited = limited
        self.driver = driver
        self.name = entry["name"]
        self.lower = entry["lower"]
        self.upper = entry["upper"]
        self.safe_setpoint = entry["safe"]
        self.lease_ms = entry["lease_ms"]
        self.lease = Lease()
        self.held = False
        self.reason = START
        self.setpoint = self.safe_setpoint
        self.task_id = b""
        self.task_state = codes.DONE
        self.task_code = codes.OK
        self.next_ms = 0


class Actuators:
    """All actuators of a board; `results` holds (task id, state, code, wrap, ticks, position) to report.

    `stopped` is 1 while the stop input is active, 2 when it was and the host has not taken that over yet, 3 when it
    has while the input is active; `stops` counts.
    """

    def __init__(self, clock) -> None:  # type: ignore[no-untyped-def]
        """Nothing to move yet."""
        self._clock = clock
        self.actuators = []
        self.results = []
        self.errors = 0
        self.stops = 0
        self.stopped = 0
        self._stop_input = _nobody_stops
        self._stop_level = 1

    def watch_stop(self, read, level: int) -> None:  # type: ignore[no-untyped-def]
        """Obey a stop input: `read()` gives its level, `level` is that of somebody who stops."""
        self._stop_input = read
        self._stop_level = level
        self._look_at_stop()

    def _look_at_stop(self) -> None:
        """Go safe at once; after the release stay so until the host has taken it over, however long that takes."""
        if self._stop_input() == self._stop_level:
            if not self.stopped:
                self.stopped = 1
                self.stops += 1
                for actuator in self.actuators:
                    self._end_lease(actuator, STOPPED)
        elif self.stopped:
            self.stopped = 0 if self.stopped == 3 else 2

    def add(self, driver, entry: dict, limited=()) -> None:  # type: ignore[no-untyped-def,type-arg]
        """Add an actuator and send it to its safe state."""
        actuator = Actuator(len(self.actuators), driver, entry, limited)
        self.actuators.append(actuator)
        self._go_safe(actuator, START)

    def step(self) -> None:
        """Let every driver do what is due, and look after leases and tasks."""
        self._look_at_stop()
        now_ms = self._clock.ms
        for actuator in self.actuators:
            if actuator.held and actuator.lease.lapsed(now_ms):
                self._end_lease(actuator, LAPSED)
            if now_ms >= actuator.next_ms:
                self._move(actuator, now_ms)

    def next_ms(self, limit_ms: int) -> int:
        """Return when the next actuator wants attention, at most `limit_ms`."""
        for actuator in self.actuators:
            limit_ms = min(limit_ms, actuator.next_ms)
        return limit_ms

    def _move(self, actuator: Actuator, now_ms: int) -> None:
        """Step one driver; a driver that raises is stopped, and so is one whose output was on for too long."""
        driver = actuator.driver
        try:
            for output in actuator.limited:
                output.check()
            driver.step(now_ms)
        except Exception as error:
            self.errors += 1
            actuator.reason = getattr(error, "reason", BROKEN)
            driver.stop()
        actuator.next_ms = now_ms + (RESTING_MS if driver.settled else MOVING_MS)
        if actuator.task_state in (codes.ACCEPTED, codes.ACTING):
            self._follow(actuator)

    def _follow(self, actuator: Actuator) -> None:
        """Report how the present task goes on."""
        driver = actuator.driver
        state = driver.state
        if state == _FAULT or actuator.reason in (BROKEN, TOO_LONG):
            self.report(actuator, codes.FAILED, driver.fault or codes.TRIPPED)
        elif driver.settled:
            self.report(actuator, codes.DONE, codes.OK)
        elif state in (_OPENING, _CLOSING) and actuator.task_state == codes.ACCEPTED:
            self.report(actuator, codes.ACTING, codes.OK)

    def command(self, actuator: Actuator, task_id: bytes, setpoint: float, lease_ms: int) -> None:
        """Execute an accepted task: a new setpoint under a lease of at most the board file's time; 0 ms: go safe."""
        if actuator.task_state in (codes.ACCEPTED, codes.ACTING):
            self.report(actuator, codes.SUPERSEDED, codes.OK)
        now_ms = self._clock.ms
        lease_ms = min(lease_ms, actuator.lease_ms)
        actuator.held = bool(actuator.lease.take(_HOLDER, now_ms, lease_ms))
        actuator.reason = TASK
        actuator.setpoint = setpoint
        actuator.task_id = task_id
        actuator.next_ms = now_ms
        self.report(actuator, codes.ACCEPTED, codes.OK)
        if lease_ms > 0:
            actuator.driver.command(setpoint)
        else:
            self._end_lease(actuator, RELEASED)

    def renew(self, actuator: Actuator, lease_ms: int) -> bool:
        """Return whether the lease was renewed; 0 ms releases it, and says that the host knows of a stop."""
        if lease_ms == 0:
            self.stopped = self.stopped and 3
            self._end_lease(actuator, RELEASED)
            return True
        lease_ms = min(lease_ms, actuator.lease_ms)
        held = actuator.held and not self.stopped
        return held and actuator.lease.renew(actuator.lease.fence, self._clock.ms, lease_ms)

    def silent(self) -> None:
        """The host is gone: every actuator goes to its safe state."""
        for actuator in self.actuators:
            if actuator.held:
                self._end_lease(actuator, LINK_SILENT)

    def _end_lease(self, actuator: Actuator, reason: int) -> None:
        """Nobody may command any more: safe state, and the task under way has failed."""
        actuator.held = False
        actuator.lease.release(actuator.lease.fence)
        if actuator.task_state in (codes.ACCEPTED, codes.ACTING):
            self.report(actuator, codes.FAILED, codes.LOCAL_STOP if reason == STOPPED else codes.LINK_DOWN)
        self._go_safe(actuator, reason)

    def _go_safe(self, actuator: Actuator, reason: int) -> None:
        """Order the safe state."""
        actuator.reason = reason
        actuator.setpoint = actuator.safe_setpoint
        actuator.next_ms = self._clock.ms
        actuator.driver.safe()

    def abandon(self) -> None:
        """The program ends: chips on a bus are told their safe state, as no reset reaches them."""
        for actuator in self.actuators:
            try:
                actuator.driver.safe()
            except Exception:
                self.errors += 1

    def report(self, actuator: Actuator, state: int, code: int) -> None:
        """Note the task's state and queue its result."""
        actuator.task_state = state
        actuator.task_code = code
        self.queue(actuator.task_id, state, code, actuator.driver.position)

    def queue(self, task_id: bytes, state: int, code: int, position: float) -> None:
        """Queue one result, dropping the oldest of too many."""
        if len(self.results) == MAX_RESULTS:
            self.results.pop(0)
        self.results.append((task_id, state, code, self._clock.wrap, self._clock.ticks, position))

    def repeat_results(self) -> None:
        """Queue the last state of each actuator's task again, for a new session."""
        self.results.clear()
        for actuator in self.actuators:
            if actuator.task_id:
                self.report(actuator, actuator.task_state, actuator.task_code)

    def rows(self) -> list:  # type: ignore[type-arg]
        """Return (index, state, reason, setpoint, position, lease left in ms) of each actuator."""
        now_ms = self._clock.ms
        return [
            (a.index, a.driver.state, a.reason, a.setpoint, a.driver.position, a.lease.left_ms(now_ms))
            for a in self.actuators
        ]
