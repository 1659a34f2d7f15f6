"""What a step returned, held to the contract and brought to plain types, so that nothing after it can stumble. Pure.

A template is other people's code: whatever it returns stops its own instance (TemplateError), never its host.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from math import isfinite
from typing import Any, TypeVar

import numpy as np

from processes.contract import Alarm, Estimate, Outcome, Port, Proposal, State
from processes.errors import TemplateError

MAX_ESTIMATES, MAX_ALARMS, MAX_PROPOSALS = 1000, 100, 100
MAX_NAME, MAX_REASON = 64, 1000
KINDS = "?biufcSUMm"  # those that a snapshot brings back bit for bit: no objects, no records
MAX_TIME_US = 1 << 62
MAX_VALID_MS = 10 * 366 * 86_400_000
T = TypeVar("T")


def checked(outcome: Any, ports: Mapping[str, Port]) -> Outcome:
    """Return the outcome in plain types, its state sealed. Raises: TemplateError if it breaks the contract."""
    if not isinstance(outcome, Outcome):
        raise TemplateError(f"a step returns an Outcome, found {type(outcome).__name__}")
    proposals = _each("proposals", outcome.proposals, Proposal, MAX_PROPOSALS)
    estimates = _each("estimates", outcome.estimates, Estimate, MAX_ESTIMATES)
    alarms = _each("alarms", outcome.alarms, Alarm, MAX_ALARMS)
    return Outcome(
        sealed(outcome.state), tuple(_estimate(e) for e in estimates), tuple(_alarm(a) for a in alarms),
        tuple(_proposal(p, ports) for p in _one_a_port(proposals)),
    )  # fmt: skip


def sealed(state: Any) -> State:
    """Return the state read-only: snapshots share arrays, so nobody may write into them. Raises: TemplateError."""
    if not isinstance(state, Mapping):
        raise TemplateError(f"a state maps names to arrays, found {type(state).__name__}")
    return {_name("state", name): _sealed(name, array) for name, array in state.items()}


def _sealed(name: str, array: Any) -> np.ndarray[Any, Any]:
    """Return the array read-only; a view gets memory of its own, for its owner could write below the seal."""
    if type(array) is not np.ndarray or array.dtype.kind not in KINDS:
        raise TemplateError(f"state[{name!r}] must be a plain NumPy array, found {_kind(array)}")
    own = array if array.base is None else array.copy()
    own.setflags(write=False)
    return own


def _kind(value: Any) -> str:
    return f"an array of {value.dtype}" if type(value) is np.ndarray else type(value).__name__


def _each(what: str, rows: Any, kind: type[T], most: int) -> list[T]:
    """Return at most `most` rows of one kind; one more is enough to know that there are too many."""
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise TemplateError(f"{what}: expected a tuple of {kind.__name__}, found {type(rows).__name__}")
    found = list(islice(rows, most + 1))
    if len(found) > most:
        raise TemplateError(f"{what}: a step returns at most {most}")
    for row in found:
        if not isinstance(row, kind):
            raise TemplateError(f"{what}: expected {kind.__name__}, found {type(row).__name__}")
    return found


def _one_a_port(proposals: list[Proposal]) -> list[Proposal]:
    """Return them; two setpoints for one port at the same time are none."""
    names = [str(proposal.port) for proposal in proposals]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TemplateError(f"two proposals for {twice[0]!r} in one step; expected one")
    return proposals


def _estimate(row: Estimate) -> Estimate:
    name = _name("estimate", row.name)
    numbers = [_number(f"estimate {name!r}", value) for value in row[2:]]
    return Estimate(name, _whole(f"valid_utc_us of {name!r}", row.valid_utc_us, -MAX_TIME_US, MAX_TIME_US), *numbers)


def _alarm(row: Alarm) -> Alarm:
    key = _name("alarm", row.key)
    chance = _number(f"probability of {key!r}", row.probability)
    return Alarm(key, _whole(f"severity of {key!r}", row.severity, 1, 4), chance)


def _proposal(row: Proposal, ports: Mapping[str, Port]) -> Proposal:
    port = ports.get(row.port) if isinstance(row.port, str) else None
    if port is None or port.role != "respond":
        raise TemplateError(f"proposal for {row.port!r}, which is no respond port of the template")
    setpoint = _number(f"setpoint of {row.port!r}", row.setpoint)
    if not isfinite(setpoint):
        raise TemplateError(f"proposal for {row.port!r} needs a finite setpoint, found {setpoint}")
    if not isinstance(row.reason, str):
        raise TemplateError(f"proposal for {row.port!r} needs a reason in words, found {type(row.reason).__name__}")
    reason = row.reason[:MAX_REASON].encode("utf-8", "replace").decode()
    return Proposal(row.port, setpoint, _whole(f"valid_ms of {row.port!r}", row.valid_ms, 1, MAX_VALID_MS), reason)


def _name(what: str, name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        expected = f"a name of 1 to {MAX_NAME} printable characters"
        raise TemplateError(f"{what}: found {str(name)[:80]!r}; expected {expected}")
    return str(name)


def _number(what: str, value: Any) -> float:
    """Return a real number, which may be NaN."""
    if not isinstance(value, int | float | np.integer | np.floating | np.bool_):
        raise TemplateError(f"{what}: expected a number, found {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        raise TemplateError(f"{what}: found a number of more than 308 digits") from None


def _whole(what: str, value: Any, low: int, high: int) -> int:
    """Return a whole number within limits; parts of one are cut."""
    number = _number(what, value)
    if not low <= number <= high:
        raise TemplateError(f"{what}: found {value}; expected {low} to {high}")
    return int(value)
