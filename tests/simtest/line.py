"""A serial line: bytes at 115200 baud, with noise, loss, cut wires and pulled plugs."""

from collections.abc import Callable
from typing import Any

from .world import World

US_PER_BYTE = 87
JITTER_US = 3000


class Line:
    """Joins a board to a port of an edge node. `noise` is the share of chunks that come to harm."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self.name = world, name
        self._rng = world.rng(f"line {name}")
        self.to_edge: Callable[[bytes], None] = lambda data: None
        self.to_board: Callable[[bytes], None] = lambda data: None
        self.plug_changed: Callable[[bool], None] = lambda plugged: None
        self.noise = 0.0
        self.plugged = True
        self.cut_to_edge = self.cut_to_board = False
        self._free = {"e": 0, "b": 0}
        self._stalls_until_us = 0
        self.heard: list[bytes] = []

    def board_sends(self, data: bytes) -> int:
        """Bytes leave the board; return when the line will be free again."""
        return self._send("e", data)

    def edge_sends(self, data: bytes) -> None:
        """Bytes leave the edge node."""
        self._send("b", data)

    def busy_us(self) -> int:
        """How long bytes of the board given before will still take to leave."""
        return max(0, self._free["e"] - self._world.now_us)

    def _send(self, way: str, data: bytes) -> int:
        free = max(self._world.now_us, self._free[way], self._stalls_until_us) + len(data) * US_PER_BYTE
        self._free[way] = free
        if self.noise and self._rng.random() < self.noise:
            data = self._harmed(data)
        if data:
            late = self._rng.randrange(JITTER_US) if way == "e" else 200
            self._world.at(max(free + late, self._free.get(way + "last", 0)), self._deliver, way, data)
            self._free[way + "last"] = free + late
        return free

    def _harmed(self, data: bytes) -> bytes:
        rng, at = self._rng, self._rng.randrange(len(data))
        kind = rng.randrange(6)
        if kind == 0:
            return b""
        if kind == 1:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        if kind == 2:
            return data[:at] + data[at + 1 :]
        if kind == 3:
            return data[:at] + rng.randbytes(rng.randrange(1, 8)) + data[at:]
        if kind == 4:
            return data + data
        return data[:at]

    def _deliver(self, way: str, data: bytes) -> None:
        if not self.plugged or (self.cut_to_edge if way == "e" else self.cut_to_board):
            return
        self._world.note(b"%s %s " % (way.encode(), self.name.encode()) + data)
        (self.to_edge if way == "e" else self.to_board)(data)

    def plug(self, plugged: bool) -> None:
        """Pull the plug or put it in."""
        if plugged != self.plugged:
            self.plugged = plugged
            self.plug_changed(plugged)

    def stall(self, for_us: int) -> None:
        """A hub or a driver keeps what is sent from now on, and hands it on later, in order."""
        self._stalls_until_us = self._world.now_us + for_us

    def inject(self, way: str, data: bytes) -> None:
        """Somebody else writes on the wire."""
        self._world.after(100, self._deliver, way, data)


def nothing(*_: Any) -> None:
    """Do nothing."""
