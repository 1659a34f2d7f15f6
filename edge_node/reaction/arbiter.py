"""Who may command an actuator: one lease, ranks, a fence that rises with each change. Sans-IO.

safety > operator > city > edge. A higher rank takes the lease from a lower one at once; an equal or lower one
waits until it lapses. `edge` is this node's own processes: they get it when the city has been silent.
"""

from protocol.city_link import LeaseState
from protocol.lease import Lease

RANKS = {"edge": 0, "city": 1, "operator": 2, "safety": 3}


class Arbiter:
    """The lease of one actuator. The first fence must be higher than all of earlier starts."""

    def __init__(self, actuator: str, first_fence: int, lease_ms: int) -> None:
        self.actuator, self.lease_ms = actuator, lease_ms
        self._lease = Lease(first_fence)
        self._told = ("", first_fence)

    def request(self, holder: str, now_us: int) -> LeaseState:
        """Grant or renew if the rank allows; return who holds it now."""
        now_ms = now_us // 1000
        held = self._lease.holder(now_ms)
        if holder in RANKS:
            if held and RANKS[holder] > RANKS[held]:
                self._lease.take(holder, now_ms, self.lease_ms)
            else:
                self._lease.grant(holder, now_ms, self.lease_ms)
        return self._tell(now_ms)

    def keep(self, holder: str, until_us: int, now_us: int) -> None:
        """Let the present holder keep it as long as what it ordered is in force; anybody else gets nothing."""
        now_ms = now_us // 1000
        if self._lease.holder(now_ms) == holder:
            self._lease.grant(holder, now_ms, min(self.lease_ms, until_us // 1000 - now_ms))

    def holder(self, now_us: int) -> str:
        """Return who holds it now, "" for nobody."""
        return self._lease.holder(now_us // 1000)

    @property
    def fence(self) -> int:
        """The newest fence."""
        return self._lease.fence

    def allows(self, holder: str, fence: int, now_us: int) -> bool:
        """Return whether a command of `holder` under `fence` is to be obeyed now."""
        return self.holder(now_us) == holder and fence == self._lease.fence

    def changed(self, now_us: int) -> LeaseState | None:
        """Return the state if holder or fence changed since it was last told (a lapse, for one)."""
        now = self.holder(now_us), self._lease.fence
        return None if now == self._told else self._tell(now_us // 1000)

    def refence(self, now_us: int) -> None:
        """Raise the fence for the present holder: what it sent under the old one is not in force any more."""
        now_ms = now_us // 1000
        holder = self._lease.holder(now_ms)
        if holder:
            self._lease.take(holder, now_ms, self._lease.left_ms(now_ms))

    def free(self, now_us: int) -> LeaseState:
        """Have nobody hold it: the next one who asks gets it, whatever the rank."""
        self._lease.release(self._lease.fence)
        return self._tell(now_us // 1000)

    def state(self, now_us: int) -> LeaseState:
        """Return who holds it now, as the city is told."""
        return self._tell(now_us // 1000)

    def _tell(self, now_ms: int) -> LeaseState:
        self._told = self._lease.holder(now_ms), self._lease.fence
        return LeaseState(self.actuator, *self._told, until_us=max(0, self._lease.until_ms) * 1000)
