"""All that keeps a city within its limits, in one place: admission, credit, quotas, and the host's load. Sans-IO."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from .admission import Admission
from .credit import Credit
from .limits import LimitsSection
from .quota import Quota

MIB = 1 << 20
FILLED_BYTES = 64 * MIB
ENDLESS = 1 << 62


class Load(NamedTuple):
    """What the host says: room on the disk of the data folder, memory of this process."""

    free_bytes: int
    resident_bytes: int


@dataclass
class Caps:
    """The limits of one city and what counts against them."""

    limits: LimitsSection
    admission: Admission
    credit: Credit
    quota: Quota
    load: Load | None = None
    relieved: int = 0
    _relieved: Load | None = None
    _relieve_at: int = 0

    @classmethod
    def of(cls, limits: LimitsSection) -> "Caps":
        """Return fresh ones."""
        return cls(
            limits,
            Admission(limits.hello_per_s, limits.hello_burst, limits.settling_edges),
            Credit(limits.in_flight_batches, limits.credit_per_edge, limits.slow_commit_ms * 1000),
            Quota(limits),
        )

    def take_load(self, load: Load) -> None:
        """Pause or go on, by what the host says."""
        self.load = load
        self.credit.paused = self._too_little(load)
        if self._relieved is not None and load is not self._relieved:  # what does not come back is no reason to go on
            self._relieve_at = min(self._relieve_at, load.resident_bytes + FILLED_BYTES)

    def takes_relief(self) -> bool:
        """Whether all links have to begin anew now, for what they hold.

        libzmq bounds messages and the length of their parts, but not how many parts an unfinished message has: a peer
        that never ends one fills our memory, and only the end of its connection frees it.
        """
        resident = self.load.resident_bytes if self.load else 0
        if resident <= max(self._relieve_at, self.limits.memory_mb * MIB) or self.load is self._relieved:
            return False
        self.relieved, self._relieved, self._relieve_at = self.relieved + 1, self.load, ENDLESS
        return True

    def _too_little(self, load: Load) -> str:
        limits = self.limits
        if load.free_bytes < limits.min_free_mb * MIB:
            return f"{load.free_bytes // MIB} MiB are free on the disk, min_free_mb is {limits.min_free_mb}"
        if load.resident_bytes > limits.memory_mb * MIB:
            return f"{load.resident_bytes // MIB} MiB of memory are in use, memory_mb is {limits.memory_mb}"
        return ""

    def reasons(self) -> list[str]:
        """Return what people must know, for /health."""
        paused = [f"no batches are taken: {self.credit.paused}"] if self.credit.paused else []
        return paused + self.quota.full()

    def row(self, now_us: int) -> dict[str, Any]:
        """Return what /status tells."""
        load = self.load._asdict() if self.load else {}
        return {"admission": self.admission.row(), "credit": self.credit.row(now_us), **load}
