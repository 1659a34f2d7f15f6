"""A part of an audit log as a file that others can check without us: its lines byte for byte, and signed heads.

The first line names the log and its key, then the lines of the log follow as they are, then heads. Who has the key from
elsewhere knows with it that nothing was changed, and nothing is missing between the first line and the last.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .audit_chain import Problem, parse, sha
from .audit_files import Verdict, verify
from .audit_heads import Head, Signer, from_map, is_signed

MARK, HEAD = "cityreflex_audit_export", "head"
VERSION = 1
_DOMAIN = b"cityreflex audit export 1\0"


def make(
    lines: Iterable[tuple[Path, int, bytes]], name: str, signer: Signer, utc_us: int, since_us: int, until_us: int
) -> list[bytes]:
    """Return the lines of an export: all that stand between the first and the last of that time."""
    part = list(_between(lines, since_us, until_us))
    whole = [(raw, row["n"]) for raw, row in part if row["n"]]
    first = {MARK: VERSION, "name": name, "key": signer.public, "made_utc_us": utc_us, "since_utc_us": since_us,
             "until_utc_us": until_us, "first": whole[0][1] if whole else 0, "last": whole[-1][1] if whole else 0}
    head = [_json({HEAD: asdict(signer.sign(name, whole[-1][1], sha(whole[-1][0]), utc_us))})] if whole else []
    return [_json({**first, "sig": signer.sign_bytes(_signed(first))}), *(raw for raw, _ in part), *head]


def _signed(first: dict[str, Any]) -> bytes:
    return _DOMAIN + _json({name: value for name, value in first.items() if name != "sig"})


def _between(
    lines: Iterable[tuple[Path, int, bytes]], since_us: int, until_us: int
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield a part without gaps: a clock that was set back in between does not tear it."""
    held: list[tuple[bytes, dict[str, Any]]] = []
    begun = False
    for _, _, raw in lines:
        row = parse(raw) or {"n": 0}
        at_us = row.get("utc_us", 0)
        begun = begun or since_us <= at_us <= until_us
        if not begun:
            continue
        held.append((raw, row))
        if since_us <= at_us <= until_us and row["n"]:
            yield from held
            held = []


def is_export(path: Path) -> bool:
    """Whether a file begins as an export does. Raises: OSError."""
    with path.open("rb") as file:
        return file.read(2 + len(MARK)) == b'{"' + MARK.encode()


def check(path: Path, key: str = "") -> tuple[Verdict, dict[str, Any]]:
    """Return what is wrong with an export, and its first line. `key`: hex, which it must be signed with.

    Raises: OSError, ValueError if it is none.
    """
    raws = path.read_bytes().splitlines()
    first = json.loads(raws[0]) if raws else None
    if not isinstance(first, dict) or first.get(MARK) != VERSION:
        raise ValueError(f"expected the first line of an export, version {VERSION}")
    rows = [_head(raw) for raw in raws]
    heads = [(path.name, head) for head in rows if head is not None]
    lines = [(path, number, raw) for number, raw in enumerate(raws, 1) if number > 1 and rows[number - 1] is None]
    found = verify(lines, heads, partial=True)
    found.problems += _ends(path.name, first, found, heads, key)
    return found, first


def _ends(
    name: str, first: dict[str, Any], found: Verdict, heads: list[tuple[str, Head]], key: str
) -> Iterator[Problem]:
    """Yield what is wrong with the first line, and whether the export begins and ends where it says."""
    wanted = key or str(first.get("key"))
    if not is_signed(wanted, _signed(first), str(first.get("sig"))):
        yield Problem(name, 1, f"the first line is not signed with the key {wanted[:16]}...: it was changed")
    begin, last = found.chain.begin, found.chain.last
    ends = (begin.n, last.n) if begin and last else (0, 0)
    if ends != (first.get("first"), first.get("last")):
        told = f"{first.get('first')} to {first.get('last')}"
        yield Problem(name, 1, f"found lines {ends[0]} to {ends[1]}, expected {told}: lines were taken out")
    if last is not None and not any(head.n == last.n for _, head in heads):
        yield Problem(name, last.line, f"no head vouches for line {last.n}, the last one")
    for _, head in heads:
        if (head.key, head.name) != (wanted, first.get("name")):
            text = f"found a head of {head.name!r} by {head.key[:16]}..., expected {first.get('name')!r}"
            yield Problem(name, 1, text)


def _head(raw: bytes) -> Head | None:
    try:
        row = json.loads(raw)
    except ValueError:
        return None
    return from_map(row.get(HEAD)) if isinstance(row, dict) and set(row) == {HEAD} else None


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()
