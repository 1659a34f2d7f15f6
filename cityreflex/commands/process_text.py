"""What `city process` prints for people."""

import textwrap
from collections.abc import Iterator
from typing import Any

from cityreflex.commands.replay_text import moment, scores
from cityreflex.commands.terminal import tabled, wrapped
from processes.fitting import UNSEEN

SHOWN_NEAR = 5
SHOWN = 20


def listed(rows: list[dict[str, Any]]) -> str:
    """Return one row per process, then why one stopped."""
    if not rows:
        return "no process runs here: name files under [processes] of its configuration"
    heads = ("process", "template", "mode", "runs", "state", "last step")
    table = tabled(heads, [
        (row["instance"], row["template"], row["mode"], row["runs_on"], row["state"],
         moment(row["last_step_utc_us"]) if row["last_step_utc_us"] else "none yet")
        for row in rows
    ])  # fmt: skip
    return "\n".join([table, *(f"process {row['instance']} stopped: {row['reason']}" for row in rows if row["reason"])])


def explained(found: dict[str, Any]) -> str:
    """Return why an instance decided what it did."""
    return wrapped([*_head(found), *_inputs(found), *_outcome(found)])


def _head(found: dict[str, Any]) -> Iterator[str]:
    how = f"{found['state']}, mode {found['mode']}, {_pace(found['every_s'])}"
    yield f"{found['instance']} ({found['template']}): {how}"
    if found["reason"]:
        yield f"  stopped: {found['reason']}"
    if found["step_utc_us"] is None:
        yield "  no decision since the start"
    else:
        again = " (made again for late data)" if found["amended"] else ""
        yield f"last decision: step at {moment(found['step_utc_us'])}{again}"
    if found["too_late"]:
        lateness = f"lateness_s ({found['lateness_s']:g} s)"
        yield f"  {found['too_late']:,} samples unused: before the first step, or later than {lateness}"


def _pace(every_s: float) -> str:
    return f"every {every_s:g} s" if every_s else "at each arrival"


def _inputs(found: dict[str, Any]) -> Iterator[str]:
    yield "inputs"
    for row in found["inputs"]:
        newest = row["newest"]
        yield f"  {row['port']:<10} {row['datastream']}"
        if newest is None:
            yield f"             {row['note']}"
            continue
        sigma = "" if newest["sigma"] is None else f" +- {newest['sigma']:.3g}"
        value = "no value" if newest["value"] is None else f"{newest['value']:.4g}{sigma} {row['unit']}"
        age = f"{newest['age_s']:g} s old, {row['used']} new in this step"
        yield f"             {value}, {newest['quality_name']}, {age}"
        if row["note"]:
            yield f"             {row['note']}"


def _outcome(found: dict[str, Any]) -> Iterator[str]:
    yield "estimates" if found["estimates"] else "no estimates"
    for row in found["estimates"]:
        lead_s = (row["valid_utc_us"] - found["step_utc_us"]) / 1e6
        when = f"in {lead_s:g} s" if lead_s else "now"
        yield f"  {row['name']:<24} {row['mean']:>9.4g}  90 %: {row['q05']:.4g} to {row['q95']:.4g}  {when}"
    yield "alarm conditions" if found["alarms"] else "no alarm condition"
    for row in found["alarms"]:
        yield f"  {row['key']:<24} severity {row['severity']}, probability {row['probability']:.2f}"
    yield "proposals" if found["proposals"] else "no proposal"
    for row in found["proposals"]:
        yield f"  {row['port']} {row['setpoint']:g} -> {row['actuator'] or 'no actuator'}"
        newest = f"newest task: {row['newest_task']}" if row.get("newest_task") else ""
        for text in filter(None, (f"because {row['reason']}", row["became"], newest)):
            yield from textwrap.wrap(text, 80, initial_indent="    ", subsequent_indent="    ")


def checked(rows: list[dict[str, Any]]) -> str:
    """Return what fits each port."""
    return wrapped(line for row in rows for line in _port(row))


def _port(row: dict[str, Any]) -> Iterator[str]:
    many = "s" if row["many"] else ""
    what = f"datastream{many}" if row["role"] == "sense" else "actuator"
    yield f"{row['port']}: {what} of {row['property']} in {row['unit']}"
    bound = {one["name"] for one in row["bound"]}
    for one in row["bound"]:
        why = one["why"] or ("" if one["fits"] else "it is not there, or measures something else")
        yield f"  {'ok   ' if one['fits'] else 'WRONG'} {one['name']}" + (f": {why}" if why else "")
    for name in row["fits"]:
        if name not in bound:
            yield f"  fits  {name}"
    near = [one for one in row["near"] if one["name"] not in bound]
    if not row["fits"] and not any(one["fits"] for one in row["bound"]):
        yield "  nothing fits" + (" for sure" if any(one["why"] == UNSEEN for one in near) else "")
    for one in near[:SHOWN_NEAR]:
        yield f"  {'maybe' if one['why'] == UNSEEN else 'no   '} {one['name']}: {one['why']}"
    if row["others"]:
        yield f"        {row['others']} {'other is' if row['others'] == 1 else 'others are'} of another property"


def tried(found: dict[str, Any]) -> str:
    """Return what a process would have done."""
    return wrapped([*_trial_head(found), *_trial_tasks(found), *_trial_rest(found)])


def _trial_head(found: dict[str, Any]) -> Iterator[str]:
    span = f"{moment(found['from_utc_us'])} to {moment(found['to_utc_us'])}"
    yield f"{found['instance']} ({found['template']}), {span}: {found['steps']:,} steps"
    for name, count in found["samples"].items():
        yield f"  {count:>10,} samples  {name}"
    if found["fault"]:
        yield f"  it stopped: {found['fault']}"


def _trial_tasks(found: dict[str, Any]) -> Iterator[str]:
    yield f"it would have asked for {len(found['tasks'])} setpoints"
    for row in found["tasks"][:SHOWN]:
        yield f"  {moment(row['step_utc_us'])} {row['port']} {row['setpoint']:g}"
        yield from textwrap.wrap(row["reason"], 80, initial_indent="    ", subsequent_indent="    ")
    if len(found["tasks"]) > SHOWN:
        yield f"  ... and {len(found['tasks']) - SHOWN:,} more (--json has all)"


def _trial_rest(found: dict[str, Any]) -> Iterator[str]:
    yield f"{len(found['alarm_events'])} changes of alarms"
    for row in found["alarm_events"][:SHOWN]:
        yield f"  {moment(row['at_utc_us'])} {row['key']} {row['kind']}, severity {row['severity']}"
    if len(found["alarm_events"]) > SHOWN:
        yield f"  ... and {len(found['alarm_events']) - SHOWN:,} more (--json has all)"
    yield from scores([(found["instance"], found["scores"])])
    yield "nothing was sent, nothing was changed"
