"""Signed commands to one board: tasks and lease renewals under its nonce, with a counter that only rises.

The board executes a counter once. So the same bytes may be sent again when no answer came: if the first
copy got through, the second is refused; executed twice it never is.
"""

from protocol import board_link

BLOCK = 100_000
CALENDAR_UTC_S = 1_735_689_600  # 2025-01-01T00:00:00Z
PER_SECOND = 8


class CommandCounter:
    """Numbers for commands, never given twice: blocks are reserved durably before their first use."""

    def __init__(self, first: int, end: int) -> None:
        """Use [first, end), which the caller has reserved on disk."""
        self.next, self.end = first, end
        self.asked = False

    def take(self) -> int:
        """Return the next number. Raises: OverflowError when the block is used up."""
        if self.next >= self.end:
            raise OverflowError("the reserved block of command counters is used up")
        self.next += 1
        return self.next - 1

    @property
    def low(self) -> bool:
        """Whether it is time to reserve another block."""
        return self.end - self.next < BLOCK // 2

    def refused(self, _: Exception) -> None:
        """The block could not be reserved (a full disk): ask again with the next command."""
        self.asked = False

    def extend(self, first: int, end: int) -> None:
        """Go on with another reserved block once this one is used up; blocks follow each other."""
        self.asked = False
        if first == self.end:
            self.end = end


def calendar_floor(utc_s: float) -> int:
    """Return the least counter to begin with at a time: 8 a second since 2025, which lasts until 2042.

    A board takes rising counters only, under a nonce that lives as long as it is powered. A node that lost its
    journal would begin at 1 and be refused until every board restarts; this puts it ahead of what it used.
    """
    return max(1, int((utc_s - CALENDAR_UTC_S) * PER_SECOND))


class BoardCommands:
    """Builds bodies for one board; the key never leaves this object."""

    def __init__(self, key: bytes, counter: CommandCounter) -> None:
        self._key, self._counter = key, counter
        self.used = 0

    def task(
        self, nonce: bytes, task_id: bytes, actuator: int, setpoint: float, not_after_us: int, lease_ms: int
    ) -> bytes:
        """Return the body of a task; `not_after_us` in the board's stamps. Raises: FrameError."""
        self.used = self._counter.take()
        return board_link.encode_task(self._key, nonce, self.used, task_id, actuator, setpoint, not_after_us, lease_ms)

    def lease(self, nonce: bytes, actuator: int, lease_ms: int) -> bytes:
        """Return the body of a lease renewal; 0 ms sends the actuator to its safe state."""
        self.used = self._counter.take()
        return board_link.encode_lease(self._key, nonce, self.used, actuator, lease_ms)

    def __repr__(self) -> str:
        return f"BoardCommands(used={self.used})"
