"""Reports of people as lines of text."""

from typing import Any

QUALITY = {1: "good", 2: "not evaluated", 3: "suspect", 4: "fail"}
Row = dict[str, Any]


def listed(row: Row) -> list[str]:
    """Return which, when and what, then where, what the reporter says, and what became of it, further in."""
    extra = row["extended_attributes"]
    head = f"{row['service_request_id']} {row['requested_datetime']} {row['service_code']} {_value(extra)}"
    more = [_place(row), " ".join(str(row["description"]).split()), _verdict(row)]
    return [head, *(f"  {line}" for line in more if line)]


def whole(row: Row) -> list[str]:
    """Return a report, a line for each thing that is known of it."""
    found = [
        ("report", row["service_request_id"]), ("what", f"{row['service_name']} ({row['service_code']})"),
        ("value", _value(row["extended_attributes"])), ("when", row["requested_datetime"]), ("where", _place(row)),
        ("says", " ".join(str(row["description"]).split())), ("counts as", _verdict(row)),
    ]  # fmt: skip
    return [f"{name:<10} {text}" for name, text in found if text]


def _value(extra: Row) -> str:
    unit = "" if extra["unit"] in ("", "1") else f" {extra['unit']}"
    return f"{extra['value']:.3g}{unit}"


def _place(row: Row) -> str:
    found = [f"{row['lat']:.5f}, {row['long']:.5f}"] if row["lat"] is not None else []
    return "; ".join([*found, *([row["address"]] if row["address"] else [])])


def _verdict(row: Row) -> str:
    extra = row["extended_attributes"]
    quality = QUALITY.get(extra["quality"], str(extra["quality"]))
    if extra["verdict"] == "none":
        return f"{quality}: nobody has looked at it yet"
    return f"{quality}: {extra['verdict']} by {extra['verdict_by']}, {row['updated_datetime']}"
