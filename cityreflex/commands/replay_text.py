"""What `city replay` prints for people."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cityreflex.commands.terminal import tabled, wrapped

SHOWN = 20


def moment(utc_us: int) -> str:
    """Return an event time as ISO 8601, to the second, UTC."""
    return datetime.fromtimestamp(utc_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def report(found: dict[str, Any]) -> str:
    """Return the whole report."""
    return wrapped([*_head(found), *_differences(found), *_instead(found), *_scores(found)])


def _head(found: dict[str, Any]) -> Iterator[str]:
    span = f"{moment(found['from_utc_us'])} to {moment(found['to_utc_us'])}"
    yield f"{span}: {found['steps']:,} steps, {found['samples']:,} samples"
    yield f"recorded  {found['recorded']}"
    yield f"replayed  {found['replayed']}  {'equal' if found['equal'] else 'NOT EQUAL'}"
    for row in found["instances"]:
        same = "equal" if row["recorded"] == row["replayed"] else "NOT EQUAL"
        yield f"  {row['instance']:<20} {row['template']:<16} {row['steps']:>8,} steps  {same}"


def _differences(found: dict[str, Any]) -> Iterator[str]:
    if found["fingerprint_differs_in"]:
        yield f"recorded elsewhere: {', '.join(found['fingerprint_differs_in'])} differ from here"
    if found["missing_samples"]:
        yield f"{found['missing_samples']:,} samples of the recording are not stored any more"
    if found["other_manifests"]:
        yield f"described otherwise since: {', '.join(found['other_manifests'])}"
    if not found["changed"]:
        return
    yield f"{found['changed']:,} decisions differ; the first:"
    for row in found["differences"][:SHOWN]:
        yield f"  {moment(row['step_utc_us'])} {row['instance']}: {row['what']}"
        yield f"    recorded {_gist(row['recorded'])}"
        yield f"    replayed {_gist(row['replayed'])}"
    if found["changed"] > SHOWN:
        yield f"  ... and {found['changed'] - SHOWN:,} more (--json has the first {len(found['differences']):,})"


def _gist(gist: list[Any] | None) -> str:
    if gist is None:
        return "nothing"
    setpoints = ", ".join(f"{port} {setpoint:g}" for port, setpoint in gist[0]) or "no proposal"
    return f"{setpoints}; alarms: {', '.join(gist[1]) or 'none'}"


def _instead(found: dict[str, Any]) -> Iterator[str]:
    instead = found["instead"]
    if instead is None:
        return
    tasks = instead["tasks"]
    yield ""
    yield f"with the other {instead['instance']}: tasks " + ", ".join(
        f"{len(tasks[kind])} {kind}" for kind in ("added", "removed", "moved", "same")
    )
    if instead["fault"]:
        yield f"  it stopped: {instead['fault']}"
    for name in instead["not_recorded"]:
        yield f"  {name} was sensed by no process then, so the record has nothing of it"
    for kind, sign in (("added", "+"), ("removed", "-"), ("moved", "~")):
        for row in tasks[kind][:SHOWN]:
            was = f", was {moment(row['was_utc_us'])} ({row['later_s']:+g} s)" if kind == "moved" else ""
            yield f"  {sign} {moment(row['step_utc_us'])} {row['port']} {row['setpoint']:g}{was}"
        if len(tasks[kind]) > SHOWN:
            yield f"  {sign} ... and {len(tasks[kind]) - SHOWN} more {kind}"


def _scores(found: dict[str, Any]) -> Iterator[str]:
    groups = [(row["instance"], row["scores"]) for row in found["instances"]]
    if found["instead"] is not None:
        groups.append(("the other one", found["instead"]["scores"]))
    yield from scores(groups)


def scores(groups: list[tuple[str, list[dict[str, Any]]]]) -> Iterator[str]:
    """Yield the lines of a table of scores, (name, rows) one group after the other; none without rows."""
    if not any(rows for _, rows in groups):
        return
    yield ""
    yield "estimates against what was measured later"
    heads = ("", "estimate", "lead", "n", "RMSE", "bias", "CRPS", "90 %")
    yield from tabled(heads, [_score(name, row) for name, rows in groups for row in rows]).splitlines()


def _score(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    numbers = (f"{row[key]:>8.3g}" for key in ("rmse", "bias", "crps"))
    return name, row["estimate"], f"{row['lead_s']:>5g} s", f"{row['n']:>5}", *numbers, f"{row['coverage_90']:>4.0%}"
