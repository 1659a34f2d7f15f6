"""How far ahead a restore epoch is believed, by nodes and by the city. CPython.

An epoch is Unix seconds at the restore, and nobody takes one back: one that is absurdly high, once kept, would shut out
the real city for good. So nobody keeps one that lies further ahead of his own clock than a wrong clock could explain.
"""

AHEAD_S = 30 * 366 * 86_400
RELEASED_S = 1_790_000_000
"""A clock that is behind this, 2026-09-21, does not know the time."""


def believable(utc_s: float) -> int:
    """Return the highest epoch to believe while the wall clock says `utc_s`."""
    return max(round(utc_s), RELEASED_S) + AHEAD_S
