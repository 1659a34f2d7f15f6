"""States and codes of a task, and the one table of allowed transitions. MicroPython and CPython.

A task only moves forward. Reports may skip steps (a line may lose them), so a state
allows every later one. UNKNOWN is what a crash leaves: late evidence may settle it, but it
is never dispatched again. `python -m protocol.task_diagram` draws the table. Boards know the numbers alone.
"""

# ruff: noqa: F403, F405 - all numbers belong to this module too

from .errors import ProtocolError
from .task_numbers import *

STATES = {
    PROPOSED: "proposed",
    AUTHORISED: "authorised",
    DISPATCHED: "dispatched",
    ACCEPTED: "accepted",
    ACTING: "acting",
    DONE: "done",
    OBSERVED: "observed",
    FAILED: "failed",
    REFUSED: "refused",
    EXPIRED: "expired",
    UNKNOWN: "unknown",
    SUPERSEDED: "superseded",
    WAITING: "waiting",
    SELECTED: "selected",
    CANCELLED: "cancelled",
}

TRANSITIONS = {
    PROPOSED: (WAITING, AUTHORISED, REFUSED, EXPIRED, SUPERSEDED, CANCELLED),
    WAITING: (AUTHORISED, REFUSED, EXPIRED, SUPERSEDED, CANCELLED),
    AUTHORISED: (SELECTED, DISPATCHED, REFUSED, EXPIRED, SUPERSEDED, CANCELLED),
    SELECTED: (DISPATCHED, REFUSED, EXPIRED, SUPERSEDED, CANCELLED),
    DISPATCHED: (ACCEPTED, ACTING, DONE, OBSERVED, FAILED, REFUSED, EXPIRED, UNKNOWN, SUPERSEDED, CANCELLED),
    ACCEPTED: (ACTING, DONE, OBSERVED, FAILED, EXPIRED, UNKNOWN, SUPERSEDED, CANCELLED),
    ACTING: (DONE, OBSERVED, FAILED, EXPIRED, UNKNOWN, SUPERSEDED, CANCELLED),
    DONE: (OBSERVED, FAILED, UNKNOWN, SUPERSEDED, CANCELLED),
    UNKNOWN: (DONE, OBSERVED, FAILED, SUPERSEDED, CANCELLED),
    OBSERVED: (),
    FAILED: (),
    REFUSED: (),
    EXPIRED: (),
    SUPERSEDED: (),
    CANCELLED: (),
}

CODES = {
    OK: "ok",
    CODE_EXPIRED: "expired",
    REPLAYED: "replayed",
    FOREIGN: "foreign",
    UNSIGNED: "unsigned",
    UNAUTHORISED: "unauthorised",
    INTERLOCKED: "interlocked",
    TRIPPED: "tripped",
    OUT_OF_RANGE: "out_of_range",
    LEASE_HELD: "lease_held",
    STALE_CLOCK: "stale_clock",
    NO_ACTUATOR: "no_actuator",
    NO_FEEDBACK: "no_feedback",
    TIMEOUT: "timeout",
    LINK_DOWN: "link_down",
    NOT_OBSERVED: "not_observed",
    OLD_EPOCH: "old_epoch",
    STALE_EVIDENCE: "stale_evidence",
    APPROVAL_ABSENT: "approval_absent",
    RATE_LIMITED: "rate_limited",
    NOT_SELECTED: "not_selected",
    CODE_CANCELLED: "cancelled",
    LOCAL_STOP: "local_stop",
}


def may_become(state: int, new: int) -> bool:
    """Return whether a task in `state` may become `new`; staying is always allowed."""
    return new == state or new in TRANSITIONS[state]


def advance(state: int, new: int) -> int:
    """Return `new` if a task in `state` may become it.

    Raises:
        ProtocolError: the transition is not in TRANSITIONS.
    """
    if state not in STATES or new not in STATES or not may_become(state, new):
        raise ProtocolError(f"a task that is {STATES.get(state, state)} cannot become {STATES.get(new, new)}")
    return new


def is_final(state: int) -> bool:
    """Return whether nothing can follow `state`."""
    return not TRANSITIONS[state]
