"""What happens each tick, in its order. The shell (node.py) and the seeded simulation run this same code."""

from typing import Protocol

import structlog

from .boards.side import BoardSide
from .city.side import CitySide
from .core import Core
from .reaction.reaction import Reaction
from .recording import save_log

LOG_US = 1_000_000
_log = structlog.get_logger("edge_node")


class Socket(Protocol):
    """What a tick needs of the uplink's socket."""

    def poll(self) -> None:
        """Hand on what has arrived unnoticed."""

    def reconnect(self) -> None:
        """Begin a new connection."""


class Ticks:
    """Gives everybody the time; saves the processes' state; begins a new connection when the city is long silent."""

    def __init__(
        self, core: Core, boards: BoardSide, reaction: Reaction, city: CitySide, socket: Socket, snapshot_s: float
    ) -> None:
        self._core, self._boards, self._reaction = core, boards, reaction
        self._city, self._socket = city, socket
        self._snapshot_every_us = snapshot_s * 1e6
        self._logged_us = core.now()
        self._snapshot_us = -self._snapshot_every_us  # at once: a crash later begins where this start began

    def tick(self) -> None:
        """Call it 50 times a second."""
        now_us = self._core.now()
        self._core.clocks.tick(now_us)
        self._boards.tick(now_us)
        self._reaction.tick(now_us)
        self._socket.poll()
        self._city.tick(now_us)
        for text, more in self._city.epoch.take_news():
            _log.warning(text, **more)
        self._core.journal.tick(now_us, self._core.uplink.flying.keys)
        if now_us - self._logged_us > LOG_US:
            self._logged_us = now_us
            save_log(self._core)
        if now_us - self._snapshot_us > self._snapshot_every_us:
            self._snapshot_us = now_us
            self.save()
        if self._core.uplink.presence.stuck(now_us):
            self._socket.reconnect()

    def save(self) -> None:
        """Save the processes' state for the next start."""
        save_log(self._core, self._core.host.engine.freeze())
