"""States and codes of a task, and the one table of allowed transitions. MicroPython and CPython.

A task only moves forward. Reports may skip steps (a line may lose them), so a state
allows every later one. UNKNOWN is what a crash leaves: late evidence may settle it, but it
is never dispatched again.
"""

from .errors import ProtocolError

PROPOSED = 0
AUTHORISED = 1
DISPATCHED = 2
ACCEPTED = 3
ACTING = 4
DONE = 5
OBSERVED = 6
FAILED = 7
REFUSED = 8
EXPIRED = 9
UNKNOWN = 10
SUPERSEDED = 11

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
}

TRANSITIONS = {
    PROPOSED: (AUTHORISED, REFUSED, EXPIRED, SUPERSEDED),
    AUTHORISED: (DISPATCHED, REFUSED, EXPIRED, SUPERSEDED),
    DISPATCHED: (ACCEPTED, ACTING, DONE, OBSERVED, FAILED, REFUSED, EXPIRED, UNKNOWN, SUPERSEDED),
    ACCEPTED: (ACTING, DONE, OBSERVED, FAILED, EXPIRED, UNKNOWN, SUPERSEDED),
    ACTING: (DONE, OBSERVED, FAILED, EXPIRED, UNKNOWN, SUPERSEDED),
    DONE: (OBSERVED, FAILED, UNKNOWN, SUPERSEDED),
    UNKNOWN: (DONE, OBSERVED, FAILED, SUPERSEDED),
    OBSERVED: (),
    FAILED: (),
    REFUSED: (),
    EXPIRED: (),
    SUPERSEDED: (),
}

OK = 0
CODE_EXPIRED = 1
REPLAYED = 2
FOREIGN = 3
UNSIGNED = 4
UNAUTHORISED = 5
INTERLOCKED = 6
TRIPPED = 7
OUT_OF_RANGE = 8
LEASE_HELD = 9
STALE_CLOCK = 10
NO_ACTUATOR = 11
NO_FEEDBACK = 12
TIMEOUT = 13
LINK_DOWN = 14
NOT_OBSERVED = 15
OLD_EPOCH = 16

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
