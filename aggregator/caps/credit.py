"""How many batches each edge node may have in flight, so that all together stay within a cap. Sans-IO.

A credit that was told counts until the node must have heard a smaller one: raising waits for room, lowering does
not. Slow commits lower the sum, quick ones let it grow again. Too little memory or disk: everybody gets 0.
"""

from collections import Counter
from dataclasses import dataclass, field

from protocol.city_messages import DEFAULT_CREDIT

HOLD_US = 2_000_000
RESERVE = 4
SLACK = 4
LOWER = 0.7
RAISE = 16


@dataclass
class _Grant:
    now: int = 0
    before: int = 0
    before_until_us: int = 0

    def held(self, now_us: int) -> int:
        """How many the node may believe it has."""
        return max(self.now, self.before if now_us < self.before_until_us else 0)


@dataclass
class Credit:
    """The grants per node. `paused`: why nobody gets any, else ''; `known`: how many nodes may connect.

    While some of them are away a quarter of the sum is kept for newcomers, who begin with little.
    """

    cap: int
    per_edge: int
    slow_us: int
    paused: str = ""
    known: int = 1
    total: float = 0.0
    over: int = 0
    _grants: dict[str, _Grant] = field(default_factory=dict)
    _old: set[str] = field(default_factory=set)
    _taken: Counter[str] = field(default_factory=Counter)
    _turn: int = 0

    def __post_init__(self) -> None:
        self.total = float(self.cap)

    def committed(self, took_us: int) -> None:
        """Note how long a commit took."""
        if took_us > self.slow_us:
            self.total = max(1.0, self.total * LOWER)
        else:
            self.total = min(float(self.cap), self.total + RAISE)

    def begin(self, edge: str, now_us: int, *, obeys: bool) -> int:
        """Return the first credit of a connection. `obeys`: it speaks version 2, where credit was introduced."""
        (self._old.discard if obeys else self._old.add)(edge)
        grant = self._grants.setdefault(edge, _Grant())
        room = self._room(now_us) + grant.held(now_us)
        first = min(self.per_edge, max(1, int(self.total) // (RESERVE * self.known)), max(0, room))
        self._set(grant, 0 if self.paused else first, now_us)
        return grant.now

    def gone(self, edge: str, now_us: int) -> None:
        """The connection ended; what was in flight on it may still arrive for a moment."""
        if edge in self._grants:
            self._set(self._grants[edge], 0, now_us)

    def share(self, edges: list[str], now_us: int) -> dict[str, int]:
        """Return the present credit of each connected node; call it with each heartbeat."""
        self._forget(edges, now_us)
        wanted = self._wanted(edges)
        for edge, want in wanted.items():
            grant = self._grants.setdefault(edge, _Grant())
            if want < grant.now:
                self._set(grant, want, now_us)
        room = self._room(now_us)
        for edge, want in wanted.items():
            grant = self._grants[edge]
            if want > grant.now:
                held = grant.held(now_us)
                grant.now = max(grant.now, min(want, room + held))
                room -= grant.held(now_us) - held
        return {edge: self._grants[edge].now for edge in edges}

    def start_turn(self) -> None:
        """Begin to count what the nodes send in one turn; all of it is acked at the turn's end."""
        self._taken.clear()

    def may_send(self, edge: str, now_us: int) -> bool:
        """Count one batch; return whether the node had credit for it."""
        self._taken[edge] += 1
        grant = self._grants.get(edge)
        allowed = grant.held(now_us) if grant is not None and edge not in self._old else DEFAULT_CREDIT
        if self._taken[edge] <= allowed + SLACK:
            return True
        self.over += 1
        return False

    def row(self, now_us: int) -> dict[str, object]:
        """Return what /status tells."""
        held = sum(grant.held(now_us) for grant in self._grants.values())
        return {"granted": held, "total": int(self.total), "cap": self.cap, "over_credit": self.over}

    def _wanted(self, edges: list[str]) -> dict[str, int]:
        if self.paused or not edges:
            return dict.fromkeys(edges, 0)
        total = int(self.total)
        if len(edges) < self.known:
            total = max(1, total - total // RESERVE)
        each = min(self.per_edge, total // len(edges))
        if each:
            return dict.fromkeys(edges, each)
        self._turn = (self._turn + total) % len(edges)  # more nodes than credit: they take turns
        lucky = {edges[(self._turn + at) % len(edges)] for at in range(total)}
        return {edge: int(edge in lucky) for edge in edges}

    def _room(self, now_us: int) -> int:
        return int(self.total) - sum(grant.held(now_us) for grant in self._grants.values())

    def _set(self, grant: _Grant, value: int, now_us: int) -> None:
        held = grant.held(now_us)
        if value < held:
            grant.before, grant.before_until_us = held, max(now_us + HOLD_US, grant.before_until_us)
        grant.now = value

    def _forget(self, edges: list[str], now_us: int) -> None:
        gone = [edge for edge, grant in self._grants.items() if not grant.held(now_us)]
        for edge in set(gone) - set(edges):
            del self._grants[edge]
