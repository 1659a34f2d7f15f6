"""Scripted boards on real PTYs that remember every sample they made, so that the city's copy can be compared."""

import time

from tests.edge_node.scripted_board import ScriptedBoard, records_of

RESEND_S = 2.0


class RememberingBoard(ScriptedBoard):
    """`made[seq]` is the record of a sample; its value follows from board and number. `paused`: makes no more.

    Like the firmware it sends again what was not acked for RESEND_S.
    """

    def __init__(self, thing: str, number: int) -> None:
        self.made: list[bytes] = []
        self.paused = False
        self._number = number
        self._tail, self._tail_since = 0, 0.0
        super().__init__(thing, period_s=0.03)

    def _sample(self) -> None:
        if self.paused:
            return
        for channel in (0, 1):
            value = float((self.head * 13 + self._number * 1009) % 30011) / 8
            packed = records_of([(channel, 1, self._t_us(), value)])
            self.made.append(packed)
            self.ring.append((self.head, packed))
            self.head += 1

    def _talk(self, with_status: bool) -> None:
        tail, now = self.ring[0][0] if self.ring else self.head, time.monotonic()
        if tail != self._tail:
            self._tail, self._tail_since = tail, now
        elif now - self._tail_since > RESEND_S:
            self.sent_to, self._tail_since = tail, now
        super()._talk(with_status)
