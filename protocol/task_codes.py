"""States and codes of a task, and the one table of allowed transitions. MicroPython and CPython.

A task only moves forward. Reports may skip steps (a line may lose them), so a state
allows every later one. UNKNOWN is what a crash leaves: late evidence may settle it, but it
is never dispatched again. `python -m protocol.task_diagram` draws the table.
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
WAITING = 12
SELECTED = 13
CANCELLED = 14

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
STALE_EVIDENCE = 17
APPROVAL_ABSENT = 18
RATE_LIMITED = 19
NOT_SELECTED = 20
CODE_CANCELLED = 21
LOCAL_STOP = 22

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
