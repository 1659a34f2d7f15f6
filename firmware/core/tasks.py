"""Checks commands before anything moves: signature, nonce, rising counter, deadline, range. Both VMs.

At most one execution per task: a counter is used up by the first command that shows it, also when that command
is refused afterwards, and the ids of the last tasks executed are remembered. The nonce is new at each start, so
nothing from before a restart is ever executed.
"""

from protocol import commands, mac
from protocol import task_numbers as codes
from protocol.errors import FrameError
from protocol.stamp import diff_ms

NONCE_BYTES = 8
REMEMBERED = 8
_ID_BYTES = 16
_FLOAT32 = 1e-6  # a limit such as 0.1 is a little more as float32
_NOWHERE = float("nan")


class TaskDesk:
    """Takes TASK and LEASE commands; `refused` and `unsigned` count what was turned away."""

    def __init__(self, key: bytes, nonce: bytes, clock, actuators) -> None:  # type: ignore[no-untyped-def]
        """`key` is shared with the edge node; `actuators` executes."""
        self._key = key
        self._nonce = nonce
        self._clock = clock
        self._actuators = actuators
        self._counter = -1
        self._ids = bytearray(REMEMBERED * _ID_BYTES)
        self._executed = 0
        self._signs = False
        self.refused = 0
        self.unsigned = 0

    def task(self, payload: bytes, signature: bytes) -> None:
        """Execute a task, or queue a result that says why not."""
        try:
            nonce, counter, task_id, index, setpoint, not_after, lease_ms = commands.decode_task_payload(payload)
        except FrameError:
            self.refused += 1
            return
        if not self._signed(payload, signature):
            self._refuse(task_id, codes.UNSIGNED)
        elif nonce != self._nonce:
            self._refuse(task_id, codes.FOREIGN)
        elif counter <= self._counter:
            self._again(task_id)
        else:
            self._counter = counter
            self._execute(task_id, index, setpoint, not_after, lease_ms)

    def lease(self, payload: bytes, signature: bytes) -> None:
        """Renew or release a lease; a bad one is counted and changes nothing."""
        try:
            nonce, counter, index, lease_ms = commands.decode_lease_payload(payload)
        except FrameError:
            self.refused += 1
            return
        known = index < len(self._actuators.actuators)
        if not (self._signed(payload, signature) and nonce == self._nonce and counter > self._counter and known):
            self.refused += 1
            return
        self._counter = counter
        if not self._actuators.renew(self._actuators.actuators[index], lease_ms):
            self.refused += 1

    def ack(self, payload: bytes, signature: bytes):  # type: ignore[no-untyped-def]
        """Return (nonce, boot, ranges, gap ids) of an ack of who has the key, None of any other."""
        try:
            items = commands.decode_ack_payload(payload)
            if self._signed(payload, signature) and items[0] == self._nonce:
                self._signs = True
                return items
        except FrameError:
            pass
        self.refused += 1
        return None

    def plain_ack(self) -> bool:
        """Return whether an unsigned ack counts: until the host of this boot has signed one."""
        if self._signs:
            self.refused += 1
            self.unsigned += 1
        return not self._signs

    def _signed(self, payload: bytes, signature: bytes) -> bool:
        """Return whether the HMAC is right."""
        if mac.equal(mac.hmac_sha256(self._key, payload), signature):
            return True
        self.unsigned += 1
        return False

    def _execute(self, task_id: bytes, index: int, setpoint: float, not_after: tuple, lease_ms: int) -> None:  # type: ignore[type-arg]
        """Last checks of a genuine, fresh task."""
        actuators = self._actuators.actuators
        clock = self._clock
        if self._known(task_id):
            self._refuse(task_id, codes.REPLAYED)
        elif self._actuators.stopped:
            self._refuse(task_id, codes.LOCAL_STOP)
        elif index >= len(actuators):
            self._refuse(task_id, codes.NO_ACTUATOR)
        elif diff_ms(clock.wrap, clock.ticks, not_after[0], not_after[1]) >= 0:
            self.refused += 1
            self._actuators.queue(task_id, codes.EXPIRED, codes.CODE_EXPIRED, _NOWHERE)
        else:
            actuator = actuators[index]
            bounded = min(max(setpoint, actuator.lower), actuator.upper)
            if abs(setpoint - bounded) > _FLOAT32 * max(1.0, abs(bounded)):
                self._refuse(task_id, codes.OUT_OF_RANGE)
            else:
                place = self._executed % REMEMBERED * _ID_BYTES
                self._ids[place : place + _ID_BYTES] = task_id
                self._executed += 1
                self._actuators.command(actuator, task_id, bounded, lease_ms)

    def _known(self, task_id: bytes) -> bool:
        """Return whether this id is among the last executed."""
        for place in range(min(self._executed, REMEMBERED)):
            if self._ids[place * _ID_BYTES : (place + 1) * _ID_BYTES] == task_id:
                return True
        return False

    def _again(self, task_id: bytes) -> None:
        """Answer a used counter: with the state of that task if it is the present one."""
        for actuator in self._actuators.actuators:
            if actuator.task_id == task_id:
                self._actuators.report(actuator, actuator.task_state, actuator.task_code)
                return
        self._refuse(task_id, codes.REPLAYED)

    def _refuse(self, task_id: bytes, code: int) -> None:
        """Count and report a refusal."""
        self.refused += 1
        self._actuators.queue(task_id, codes.REFUSED, code, _NOWHERE)
