"""All that keeps a city within its limits, in one place: admission, credit, quotas, and the host's load. Sans-IO."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from .admission import Admission
from .credit import Credit
from .limits import LimitsSection
from .quota import Quota

MIB = 1 << 20


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
