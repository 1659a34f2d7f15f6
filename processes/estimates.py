"""What processes think, as rows for people: the /estimates page of the city and of an edge node."""

from collections.abc import Mapping
from typing import Any

from processes.engine import Decision, Engine


def estimate_rows(engine: Engine, newest: Mapping[str, Decision]) -> list[dict[str, Any]]:
    """Return one row per instance, by name; `newest` has the last decision of those that made one."""
    health = {row["instance"]: row for row in engine.health()}
    return [_row(health[name], newest.get(name)) for name in sorted(health)]


def _row(health: dict[str, Any], decision: Decision | None) -> dict[str, Any]:
    """Return what an instance thinks, from its newest decision."""
    outcome = decision.outcome if decision else None
    return {
        "instance": health["instance"],
        "template": health["template"],
        "mode": health["mode"],
        "state": health["state"],
        "reason": health["reason"],
        "step_utc_us": decision.step_utc_us if decision else None,
        "amended": decision.amended if decision else False,
        "estimates": [estimate._asdict() for estimate in outcome.estimates] if outcome else [],
        "alarms": [alarm._asdict() for alarm in outcome.alarms] if outcome else [],
        "standing_alarms": health["alarms"],
        "proposals": [proposal._asdict() for proposal in outcome.proposals] if outcome else [],
        "exceedance_probability": max((a.probability for a in outcome.alarms), default=0.0) if outcome else None,
    }
