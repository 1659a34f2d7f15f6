"""What `city keys` prints for people, and how it reads a token."""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich_click as click

from cityreflex.commands import terminal
from cityreflex.key_admin import NOT_RUNNING
from protocol.enrol import TokenText, read_token
from protocol.errors import FrameError
from service.fingerprint import raw_key

Rows = dict[str, Any]
MAX_DEAD = 20
_TO_DO = {
    "down": "start the node: it offers the next key to the city by itself",
    "offering": "nothing to do: the node offers the next key every 3 s until the city takes it;"
    " to look: city keys list --config edge.toml",
    "changing": "nothing to do: the city has taken the next key, and the node connects under it;"
    " to look: city keys list --config edge.toml",
}


def token_of(word: str) -> TokenText:
    """Return the token of the command line. Raises: click.BadParameter, which never shows the token."""
    text = _given(word).strip()
    try:
        return read_token(text)
    except FrameError as error:
        what = f"{error}: found {len(text)} characters" if text else "found nothing"
        raise click.BadParameter(
            f"{what}; expected the one line that `city keys enroll EDGE` printed on the city", param_hint="--token"
        ) from error


def server_key(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a CURVE public key of the command line. Raises: click.BadParameter."""
    if value is not None:
        try:
            raw_key(value.encode())
        except ValueError as error:
            raise click.BadParameter(
                f"found {value!r}; expected the 40 characters of z85 that `city keys rotate --which curve` printed"
            ) from error
    return value


def verify_key(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return an Ed25519 public key of the command line. Raises: click.BadParameter."""
    if value is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise click.BadParameter(
            f"found {value!r}; expected the 64 hex digits that `city keys rotate --which signing` printed"
        )
    return value


def _given(word: str) -> str:
    """Return what a word of the command line means: itself, `-` for stdin, `@FILE` for a file."""
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
    lines = []
    for edge in sorted({row["edge"] for row in found["keys"]}):
        lines.append(edge)
        lines += [line for row in found["keys"] if row["edge"] == edge for line in _key(row)]
    lines += [] if lines else ["no key is admitted"]
    dead = sorted(found["dead"], key=lambda row: -row["since_utc_us"])
    for row in dead[:MAX_DEAD]:
        lines.append(f"{row['reason']} {when(row['since_utc_us'])}: {row['edge']} {row['fingerprint']}")
    lines += [f"... and {len(dead) - MAX_DEAD} older dead keys (--json has all)"] if len(dead) > MAX_DEAD else []
    for row in found["tokens"]:
        used = f"used by {row['used_by']}" if row["used_by"] else "not used yet"
        lines.append(f"token for {row['edge']}: {used}, lapses {when(row['lapses_utc_us'])}")
    return terminal.wrapped(lines)


def _key(row: Rows) -> list[str]:
    lines = [f"  {row['slot']:<8} {row['fingerprint']} from {row['origin']}",
             f"           since {when(row['since_utc_us'])}, last used {when(row['used_utc_us'])}"]  # fmt: skip
    lines += [f"           offered under {row['by']}"] if row.get("by") else []
    lines += [f"           reflexes signed with {row['reflex']}"] if row.get("reflex") else []
    return lines + ([f"           until {when(row['retire_utc_us'])}"] if row["retire_utc_us"] else [])


def _node(found: Rows) -> str:
    lines = [f"{found['edge']}: {found['state']}, {'connected' if found['connected'] else 'not connected'}"]
    lines += [f"own {row['slot']}: {row['fingerprint']}" for row in found["keys"]]
    lines += [f"city {row['slot']}: {row['fingerprint']}" for row in found["city"]]
    lines.append(f"signing keys of the city accepted: {found['verify_keys']}")
    return terminal.wrapped(lines + ([f"! {found['problem']}"] if found["problem"] else []))


def rotated(found: Rows) -> str:
    """Return how far the rotation of a node's key is."""
    if found["state"] == "steady":
        return f"{found['edge']} speaks under its new key {found['keys'][0]['fingerprint']}"
    lines = [f"{found['edge']}: the change is not over ({found['state']})"]
    lines += [f"own {row['slot']}: {row['fingerprint']}" for row in found["keys"]]
    lines += [f"! {found['problem']}"] if found["problem"] else []
    lines.append(_TO_DO["down" if found["problem"] == NOT_RUNNING else found["state"]])
    return terminal.wrapped(lines)


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

