"""Switch contact on a pin: door contact, limit switch, float switch.

| channel | property | unit | range  | sigma |
|---------|----------|------|--------|-------|
| closed  | closed   | 1    | 0 .. 1 | 0     |

    door = make(io, {"pin": "GP14", "pull": "up"})
    door.read_into(values)          # values[0]: 1.0 while the contact is closed

Board file keys: `pin`; `pull` ("up", "down" or "none"; default "up"); `active_high` (false): the level that
means closed. The usual wiring is contact to ground with pull-up: closed reads low.
Limits: sampled, not latched: a contact that closes for less than a period may be missed. A broken wire looks
like an open contact, so wire safety contacts normally closed.
"""

CHANNELS = (("closed", "closed", "1", 0, 1, 0, 1, 0, 0),)
PERIOD_MIN_MS = 10


def compensate_closed(level: int, active_high: bool) -> int:
    """1 if the pin level means a closed contact, else 0."""
    return 1 if bool(level) == bool(active_high) else 0


class Contact:
    """The contact at a pin; `level` is a callable that returns 0 or 1."""

    def __init__(self, level, active_high: bool = False) -> None:
        self._level = level
        self._active_high = active_high

    def start(self) -> int:
        """Wait in ms before `read_into`: none."""
        return 0

    def closed(self) -> bool:
        """Whether the contact is closed now (reads the pin)."""
        return compensate_closed(self._level(), self._active_high) == 1

    def read_into(self, values) -> None:
        """Put 1 in `values[0]` while the contact is closed, else 0."""
        values[0] = compensate_closed(self._level(), self._active_high)


def make(io, cfg) -> Contact:
    """The contact that a board file's entry describes."""
    return Contact(io.input(cfg["pin"], cfg.get("pull", "up")), cfg.get("active_high", False))
