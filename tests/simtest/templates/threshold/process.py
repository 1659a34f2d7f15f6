"""A process without numerics: above a threshold the output is on, below it is off; in between nothing is asked."""

import numpy as np
from pydantic import BaseModel

from processes.contract import Alarm, Estimate, Outcome, Port, Proposal


class Site(BaseModel):
    """Setpoints beyond two thresholds, and for how long they are valid."""

    high: float
    low: float
    on: float
    off: float
    valid_ms: int


PORTS = {"level": Port("level", "1", "sense", False), "gate": Port("opening", "1", "respond", False)}


def start(site: Site, seed: int) -> dict:
    """Return the state: how many steps saw something."""
    return {"n": np.zeros(1)}


def step(site: Site, state: dict, now_utc_us: int, seen: dict) -> Outcome:
    """Propose by the last good level."""
    usable = seen["level"].quality < 3
    if not usable.any():
        return Outcome(state, (), (), ())
    level = float(seen["level"].value[usable][-1])
    estimate = Estimate("level", now_utc_us, level, 0.1, level - 0.2, level + 0.2)
    proposals = ()
    if not site.low <= level <= site.high:
        setpoint = site.on if level > site.high else site.off
        proposals = (Proposal("gate", setpoint, site.valid_ms, f"level {level:.3f}"),)
    alarms = (Alarm("high", 3, 0.9),) if level > site.high else ()
    return Outcome({"n": state["n"] + 1}, (estimate,), alarms, proposals)
