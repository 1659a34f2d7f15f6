"""What a template and the engine promise each other.

A template is a folder with `process.py` that provides `Site` (pydantic), `PORTS`, `start` and `step`:

    def start(site: Site, seed: int) -> State
    def step(site: Site, state: State, now_utc_us: int, seen: Mapping[str, Series]) -> Outcome

`step` is pure: same site, state, time and series give the same outcome, bit for bit. `seen` holds, for
every sense port, what has event time in (previous step, this step]; a port with nothing new has n = 0.

Optional: `alarm_rules(site) -> Mapping[str, AlarmRule]`, the alarms there are, and how each lives unless the process
file says otherwise. A step reports an alarm with its probability; when it is raised and returns is the engine's part.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

# A state is plain arrays by name; the engine keeps it read-only, so a step copies what it changes.
State: TypeAlias = Mapping[str, npt.NDArray[Any]]

GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9
"""QARTOD quality flags; a process uses what is better than SUSPECT."""


class Port(NamedTuple):
    """A named input or output of a template: CF property name, UCUM unit, direction, one or many streams."""

    property: str
    unit: str
    role: Literal["sense", "respond"]
    many: bool


class Series(NamedTuple):
    """Samples in event-time order, arrays (n,); `source` counts the datastreams of a port that takes many."""

    t_utc_us: I64
    value: F64
    sigma: F64
    quality: U8
    source: U8


class Estimate(NamedTuple):
    """A quantity with its uncertainty; `valid_utc_us` later than the step: a forecast."""

    name: str
    valid_utc_us: int
    mean: float
    sigma: float
    q05: float
    q95: float


class Alarm(NamedTuple):
    """The condition only, with its probability (its life: AlarmRule); severity 1 (low) to 4 (critical)."""

    key: str
    severity: int
    probability: float


class AlarmRule(NamedTuple):
    """How an alarm lives; times in event seconds.

    It is raised once its probability has been at least `raise_p` for `on_delay_s`, and returns once that has been
    below `return_p` (or the alarm was not reported) for `off_delay_s`. `text`: a headline for people. `about`: the
    sense ports whose silence it tells of, so that one dead board or node is one incident.
    """

    raise_p: float = 0.0
    return_p: float = 0.0
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    shelve_max_s: float = 28_800.0
    suppressed_by: tuple[str, ...] = ()
    out_of_service: str = ""
    chatter_n: int = 3
    chatter_s: float = 600.0
    standing_s: float = 86_400.0
    text: str = ""
    about: tuple[str, ...] = ()


class Proposal(NamedTuple):
    """An absolute setpoint for a respond port, valid for so many real milliseconds."""

    port: str
    setpoint: float
    valid_ms: int
    reason: str


class Outcome(NamedTuple):
    """What a step returns."""

    state: State
    estimates: tuple[Estimate, ...]
    alarms: tuple[Alarm, ...]
    proposals: tuple[Proposal, ...]
