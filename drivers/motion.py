"""States and fault codes that all actuator drivers share, and how they look at a feedback.

The fault codes are those of a refused or failed task, so that a report needs no translation.
"""

IDLE = 0
OPENING = 1
CLOSING = 2
FAULT = 3
WAITING = 4

STATE_NAMES = ("IDLE", "OPENING", "CLOSING", "FAULT", "WAITING")

OK = 0
INTERLOCKED = 6
TRIPPED = 7
OUT_OF_RANGE = 8
NO_FEEDBACK = 12
TIMEOUT = 13


def scaled(io, cfg):
    """A callable that gives the feedback as (position 0 to 1, quality, age in ms)."""
    sensor, channel = cfg["position"]
    closed = cfg.get("position_at_closed", 0.0)
    span = cfg.get("position_at_open", 1.0) - closed

    def feedback() -> tuple:
        value, quality, age_ms = io.reading(sensor, channel)
        if value is None:
            return float("nan"), 9, age_ms
        return (value - closed) / span, quality, age_ms

    return feedback
