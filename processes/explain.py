"""Why an instance decided what it decided last: inputs with age and quality, estimates, rule. Pure."""

from collections.abc import Callable
from typing import Any

import numpy as np

from processes.contract import SUSPECT
from processes.engine import Decision
from processes.runner import Runner

QUALITY = {1: "good", 2: "not evaluated", 3: "suspect", 4: "fail", 9: "missing"}
ADVISE = "mode is advise: proposals are noted, nothing is sent"
AMENDED = "this step was made again for late data: what was sent before stays"
NOT_NEWEST = "a newer step was made in the same moment; only the newest sends"

Sent = Callable[[str], str]
"""What became of the proposal for a port, or which task of the port is the newest: a text."""


def no_task(_port: str) -> str:
    """Return that no task of a port is known."""
    return ""


def list_row(runner: Runner, file: str = "") -> dict[str, Any]:
    """Return one instance as a row of /processes."""
    config, running = runner.instance.config, "running" if runner.history else "waiting"
    return {
        "instance": runner.instance.name, "template": runner.instance.template.name, "file": file,
        "mode": config.mode, "runs_on": config.runs_on, "state": "faulted" if runner.fault else running,
        "reason": runner.fault, "every_s": config.every_s, "lateness_s": config.lateness_s,
        "last_step_utc_us": runner.reached_utc_us or None, **runner.counters,
    }  # fmt: skip


def explanation(
    runner: Runner, decision: Decision | None, sent: Sent, newest_task: Sent = no_task
) -> dict[str, Any]:  # fmt: skip
    """Return why an instance decided what it decided last; `decision` None: it decided nothing since the start."""
    row = {**list_row(runner), "inputs": inputs(runner, None if decision is None else decision.step_utc_us)}
    if decision is None:
        return {**row, "step_utc_us": None, "amended": False, "estimates": [], "alarms": [], "proposals": []}
    outcome = decision.outcome
    return {
        **row,
        "step_utc_us": decision.step_utc_us,
        "amended": decision.amended,
        "estimates": [estimate._asdict() for estimate in outcome.estimates],
        "alarms": [alarm._asdict() for alarm in outcome.alarms],
        "proposals": [
            {**_proposal(decision, proposal, sent), "newest_task": newest_task(proposal.port)}
            for proposal in outcome.proposals
        ],
    }


def inputs(runner: Runner, step_utc_us: int | None) -> list[dict[str, Any]]:
    """Return what each datastream had to say to the last step: its newest sample by then, how old and how good."""
    ports, config = runner.instance.template.ports, runner.instance.config
    before = _step_before(runner, step_utc_us)
    return [
        {"port": name, "datastream": datastream, "property": ports[name].property, "unit": ports[name].unit,
         **_newest(runner, name, source, before, step_utc_us)}
        for name, streams in config.senses.items() for source, datastream in enumerate(streams)
    ]  # fmt: skip


def _step_before(runner: Runner, step_utc_us: int | None) -> int:
    times = [snapshot.step_utc_us for snapshot in runner.history]
    return max([t for t in times if step_utc_us is not None and t < step_utc_us], default=0)


def _newest(runner: Runner, port: str, source: int, before_utc_us: int, step_utc_us: int | None) -> dict[str, Any]:
    rows = runner.tracks[port].all_rows()
    rows = rows[(rows["source"] == source) & (rows["t"] <= (step_utc_us or 2**62))]
    if not rows.size:
        return {"newest": None, "used": 0, "note": "nothing within lateness_s"}
    last, good = rows[-1], rows[rows["quality"] < SUSPECT]
    step = int(last["t"]) if step_utc_us is None else step_utc_us
    found = {
        "t_utc_us": int(last["t"]), "age_s": (step - int(last["t"])) / 1e6, "value": _number(last["value"]),
        "sigma": _number(last["sigma"]), "quality": int(last["quality"]),
        "quality_name": QUALITY.get(int(last["quality"]), "?"),
    }  # fmt: skip
    note = "" if last["quality"] < SUSPECT else "not usable"
    if note and good.size:
        note += f"; the last usable one is {(step - int(good[-1]['t'])) / 1e6:g} s old"
    return {"newest": found, "used": int((rows["t"] > before_utc_us).sum()), "note": note}


def _proposal(decision: Decision, proposal: Any, sent: Sent) -> dict[str, Any]:
    if proposal.port not in decision.actuators:
        became = "no actuator is bound to this port"
    elif decision.mode == "advise":
        became = ADVISE
    elif not decision.dispatch:
        became = AMENDED if decision.amended else NOT_NEWEST
    else:
        became = sent(proposal.port)
    return {**proposal._asdict(), "actuator": decision.actuators.get(proposal.port), "became": became}


def _number(value: Any) -> float | None:
    """Return a number as JSON has it; None for what is none."""
    return float(value) if np.isfinite(value) else None
