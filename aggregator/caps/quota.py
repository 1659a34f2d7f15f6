"""What one edge node may invent: Things, boots, holes, losses, manifests. A hostile one is an enrolled one. Sans-IO.

Counts go on over restarts, from what is stored. What is refused here has no effect and is counted by its reason.
"""

from collections import Counter
from dataclasses import dataclass, field

from ..errors import PeerError
from .limits import LimitsSection


@dataclass
class Quota:
    """Counts per edge node against its limits."""

    limits: LimitsSection
    things: dict[str, set[str]] = field(default_factory=dict)
    streams: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    manifest_bytes: Counter[str] = field(default_factory=Counter)
    _known: set[tuple[str, str]] = field(default_factory=set)

    def thing(self, edge: str, thing: str) -> None:
        """Count a Thing that the node speaks of. Raises: PeerError."""
        known = self.things.setdefault(edge, set())
        if thing not in known:
            _check(edge, "things", len(known), self.limits.things_per_edge)
            known.add(thing)

    def stream(self, edge: str, key: tuple[str, str]) -> None:
        """Count a (thing, boot) if it is new. Raises: PeerError."""
        if key not in self._known:
            self.thing(edge, key[0])
            _check(edge, "streams", self.streams[edge], self.limits.streams_per_edge)
            self.remember(edge, key)

    def remember(self, edge: str, key: tuple[str, str]) -> None:
        """Count a (thing, boot) that is stored, whatever the limits are today."""
        if key not in self._known:
            self._known.add(key)
            self.streams[edge] += 1
            self.things.setdefault(edge, set()).add(key[0])

    def span(self, edge: str) -> None:
        """Ask for a stretch of samples that touches no other. Raises: PeerError."""
        _check(edge, "spans", self.spans[edge], self.limits.spans_per_edge)

    def gap(self, edge: str) -> None:
        """Count a declared loss. Raises: PeerError."""
        _check(edge, "gaps", self.gaps[edge], self.limits.gaps_per_edge)
        self.gaps[edge] += 1

    def manifest(self, edge: str, size: int) -> None:
        """Count a manifest that differs from the Thing's last one. Raises: PeerError."""
        _check(edge, "manifest_bytes", self.manifest_bytes[edge] + size, self.limits.manifest_mb_per_edge << 20)
        self.manifest_bytes[edge] += size

    def task(self, edge: str, open_tasks: int) -> None:
        """Ask for one more task of the node's own. Raises: PeerError."""
        _check(edge, "tasks", open_tasks, self.limits.open_tasks_per_edge)

    def full(self) -> list[str]:
        """Return the nodes that have reached a limit, with which one, for people."""
        pairs = (
            ("streams", self.streams, self.limits.streams_per_edge),
            ("spans", self.spans, self.limits.spans_per_edge),
            ("gaps", self.gaps, self.limits.gaps_per_edge),
        )
        return [
            f"{edge} has reached {name}_per_edge = {limit}: what goes beyond is refused"
            for name, counts, limit in pairs
            for edge, count in sorted(counts.items())
            if count >= limit
        ]


def _check(edge: str, what: str, count: int, limit: int) -> None:
    if count >= limit:
        raise PeerError(f"too_many_{what}", f"{edge} has {count} {what}, at most {limit} are allowed")
