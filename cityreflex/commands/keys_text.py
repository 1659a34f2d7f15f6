"""What `city keys` prints for people, and how it reads a token."""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich_click as click
from rich.table import Table

from cityreflex.commands import terminal

Rows = dict[str, Any]
MAX_DEAD = 20


def token_of(word: str) -> str:
    """Return the token that a word of the command line means: itself, `-` for stdin, `@FILE` for a file."""
    if word == "-":
        if sys.stdin.isatty():
            return str(click.prompt("token", hide_input=True, err=True))
        return sys.stdin.read()
    if word.startswith("@"):
        try:
            return Path(word[1:]).read_text()
        except OSError as error:
            raise click.BadParameter(f"{word[1:]}: {error.strerror}", param_hint="--token") from error
    return word


def made(rows: list[dict[str, str]]) -> str:
    """Return one line for each file that was made."""
    return "\n".join(f"{row['file']}: {row['what']}" for row in rows) or "every key file is there; nothing was made"


def lapse(opened: Rows) -> str:
    """Return when a token lapses, and what to do with it."""
    return (
        f"for {opened['edge']}, once, until {when(opened['lapses_utc_us'])}. On the node: "
        "city keys enroll --token - --config edge.toml"
    )


def table(found: Rows) -> str:
    """Return the rows of `city keys list`, of a city or of a node."""
    found = terminal.harmless(found)
    return _node(found) if "state" in found else _city(found)


def _city(found: Rows) -> str:
    keys = Table("edge", "slot", "fingerprint", "from", "since", "last used", box=None, pad_edge=False)
    for row in found["keys"]:
        ends = f" until {when(row['retire_utc_us'])}" if row["retire_utc_us"] else ""
        keys.add_row(
            row["edge"], row["slot"] + ends, row["fingerprint"], row["origin"], when(row["since_utc_us"]),
            when(row["used_utc_us"]),
        )  # fmt: skip
    lines = [_rendered(keys)]
    dead = sorted(found["dead"], key=lambda row: -row["since_utc_us"])
    for row in dead[:MAX_DEAD]:
        lines.append(f"{row['reason']} {when(row['since_utc_us'])}: {row['edge']} {row['fingerprint']}")
    lines += [f"... and {len(dead) - MAX_DEAD} older dead keys (--json has all)"] if len(dead) > MAX_DEAD else []
    for row in found["tokens"]:
        used = f"used by {row['used_by']}" if row["used_by"] else "not used yet"
        lines.append(f"token for {row['edge']}: {used}, lapses {when(row['lapses_utc_us'])}")
    return "\n".join(lines)


def _node(found: Rows) -> str:
    lines = [f"{found['edge']}: {found['state']}, {'connected' if found['connected'] else 'not connected'}"]
    lines += [f"own {row['slot']}: {row['fingerprint']}" for row in found["keys"]]
    lines += [f"city {row['slot']}: {row['fingerprint']}" for row in found["city"]]
    lines.append(f"signing keys of the city accepted: {found['verify_keys']}")
    return "\n".join(lines + ([f"! {found['problem']}"] if found["problem"] else []))


def rotated(found: Rows) -> str:
    """Return how far the rotation of a node's key is."""
    if found["state"] == "steady":
        return f"{found['edge']} speaks under its new key {found['keys'][0]['fingerprint']}"
    return f"the next key {found['keys'][-1]['fingerprint']} is {found['state']}; the node goes on with it by itself"


def city_rotated(found: Rows) -> str:
    """Return what to do after a step of a city's rotation."""
    if found["step"] == "switched":
        return f"the next {found['which']} key is the present one; restart the aggregator now"
    option = "--server" if found["which"] == "curve" else "--verify"
    return (
        f"next {found['which']} key: {found['public']}\n"
        f"on every node: city keys trust --config edge.toml {option} '{found['public']}'\n"
        f"then here: city keys rotate --config aggregator.toml --which {found['which']} --switch, and restart the city"
    )


def when(utc_us: int | None) -> str:
    """Return a time of the wall clock in UTC, or "never"."""
    return datetime.fromtimestamp(utc_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if utc_us else "never"


def _rendered(found: Table) -> str:
    console = terminal.console(io.StringIO(), width=160)
    console.print(found)
    return str(console.file.getvalue()).rstrip()  # type: ignore[attr-defined]
