"""The report of a demonstration: what was reached, and whether it is what was promised. See docs/report.md."""

from dataclasses import dataclass
from typing import Any

from cityreflex.demo.watch import Record

COUNTS = ("sent", "stored", "buffered", "declared_lost", "quarantined", "unexplained")


@dataclass(frozen=True)
class Plan:
    """What is played: world window (UTC us), speed, seed, rain file, threshold."""

    start_utc_us: int
    end_utc_us: int
    speed: float
    seed: int
    rain: str | None
    threshold_m: float

    @property
    def real_s(self) -> float:
        """Real seconds that the window takes."""
        return (self.end_utc_us - self.start_utc_us) / 1e6 / self.speed


def build(plan: Plan, alone: Record, control: Record) -> dict[str, Any]:
    """Return the report as JSON data. `samples`, `tasks`, `boards`, `latency_ms` are of the controlled run."""
    report = {
        "seed": plan.seed,
        "speed": plan.speed,
        "rain": plan.rain or "synthetic",
        "window_utc_us": [plan.start_utc_us, plan.end_utc_us],
        "boards": [_board(row) for row in control.things if row["firmware_sha256"]],
        "samples": _counts(control),
        "samples_uncontrolled": _counts(alone),
        "peak_level_m": {
            "controlled": control.peak_m(),
            "uncontrolled": alone.peak_m(),
            "threshold": plan.threshold_m,
        },
        "tasks": [_task(row) for row in reversed(control.tasks)],
        "latency_ms": {
            hop: {"n": row["n"], "p50": row["p50_ms"], "p99": row["p99_ms"]} for hop, row in control.latency.items()
        },
    }
    failures = verdict(report)
    return {"ok": not failures, "failures": failures, **report}


def _board(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["thing"], "vm": row["vm"], "firmware_sha256": row["firmware_sha256"], "boot": row["boot"]}


def _counts(record: Record) -> dict[str, int]:
    totals = record.ledger.get("totals", {})
    return {name: int(totals.get(name, 0)) for name in COUNTS}


def _task(row: dict[str, Any]) -> dict[str, Any]:
    states = [{"state": step["state"], "code": step["code"], "utc_us": step["utc_us"]} for step in row["history"]]
    keys = ("id", "actuator", "setpoint", "instance", "requester", "reason", "state")
    return {**{key: row.get(key) for key in keys}, "states": states}


def verdict(report: dict[str, Any]) -> list[str]:
    """Return what was promised and not reached, one sentence each; empty if all was."""
    found = []
    peak = report["peak_level_m"]
    low, high, limit = peak["controlled"], peak["uncontrolled"], peak["threshold"]
    if low is None or high is None:
        found.append("the world left no record of the level")
    else:
        if not high > limit:
            found.append(f"the storm is too weak: {high:.3f} m without control is not above {limit} m")
        if not low < limit:
            found.append(f"the gate did not help: {low:.3f} m under control is not below {limit} m")
    for run in ("samples", "samples_uncontrolled"):
        counts = report[run]
        if not counts["stored"]:
            found.append(f"{run}: nothing was stored")
        found += [f"{run}: {counts[name]} {name}" for name in ("declared_lost", "unexplained") if counts[name]]
    if not report["boards"]:
        found.append("no board said hello")
    return found


def text(report: dict[str, Any]) -> str:
    """Return the report as lines for people."""
    peak, counts = report["peak_level_m"], report["samples"]
    states: dict[str, int] = {}
    for task in report["tasks"]:
        states[task["state"]] = states.get(task["state"], 0) + 1
    lines = [
        "",
        f"peak level   {_metres(peak['uncontrolled'])} left alone   threshold {peak['threshold']:.2f} m   "
        f"{_metres(peak['controlled'])} under control",
        f"tasks        {len(report['tasks'])}: " + (", ".join(f"{n} {s}" for s, n in sorted(states.items())) or "none"),
        "ledger       " + _counted(counts, COUNTS[:3]),
        "             " + _counted(counts, COUNTS[3:]),
        "boards       " + ", ".join(f"{board['id']} ({board['firmware_sha256'][:8]})" for board in report["boards"]),
        "latency      hop                      n    p50 ms    p99 ms",
    ]
    lines += [
        f"             {hop:<18} {row['n']:>7} {row['p50']:>9.2f} {row['p99']:>9.2f}"
        for hop, row in report["latency_ms"].items()
    ]
    lines.append(f"seed         {report['seed']}")
    lines += [f"NOT REACHED  {failure}" for failure in report["failures"]]
    return "\n".join(lines)


def _counted(counts: dict[str, int], names: tuple[str, ...]) -> str:
    return ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in names)


def _metres(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f} m"
