"""Follows a contact: the relay is on while it is closed."""

import numpy as np
from pydantic import BaseModel

from processes.contract import Outcome, Port, Proposal


class Site(BaseModel):
    """How long a setpoint is valid."""

    valid_ms: int


PORTS = {"contact": Port("closed", "1", "sense", False), "lamp": Port("opening", "1", "respond", False)}


def start(site: Site, seed: int) -> dict:
    """Return the state: there is none."""
    return {"none": np.zeros(1)}


def step(site: Site, state: dict, now_utc_us: int, seen: dict) -> Outcome:
    """Propose what the last good sample says; who sends it leaves out what is in force already."""
    good = seen["contact"].quality < 3
    if not good.any():
        return Outcome(state, (), (), ())
    level = float(seen["contact"].value[good][-1])
    return Outcome(state, (), (), (Proposal("lamp", level, site.valid_ms, "it crossed"),))
