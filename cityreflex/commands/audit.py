"""`city audit`: is the audit log whole, what is in it, and a part of it for others to check. Docs: docs/audit.md."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click

from cityreflex import audit_files
from cityreflex.audit_files import Log
from cityreflex.commands import audit_text
from cityreflex.commands.options import json_option, run_dir_option, time_option, utc_us
from cityreflex.commands.terminal import fitted
from cityreflex.exits import UNVERIFIED, CityError
from service.audit_heads import RECEIVED

FOREVER_US = (1 << 63) - 1


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --dir and --part."""
    part = click.option("--part", type=click.Choice(["city", "edge"]), default="city", show_default=True,
                        help="Whose log: that of aggregator.toml or that of edge.toml.")  # fmt: skip
    return run_dir_option(part(command))


def span_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --since and --until."""
    since = time_option("--since", "since", "Only from this time on")
    until = time_option("--until", "until", "Only up to this time")
    return since(until(command))


@click.group()
def audit() -> None:
    """Check, show and export the audit log of a city or an edge node. Docs: docs/audit.md.

    Example: city audit verify --dir run
    """


@audit.command()
@click.argument("copy", metavar="[EXPORT|FOLDER]", required=False, type=click.Path(exists=True, path_type=Path))
@log_options
@click.option("--heads", "books", multiple=True, type=click.Path(exists=True, path_type=Path),
              help="More heads to compare with: a book that a witness kept. May be given several times.")  # fmt: skip
@click.option("--key", default="", metavar="HEX", help="The key that an export must be signed with.")
@json_option
def verify(copy: Path | None, folder: Path, part: str, books: tuple[Path, ...], key: str, as_json: bool) -> None:
    """Follow the chain of hashes through the log, and compare it with all signed heads that were kept of it.

    A file is an export, a folder a copy of a log with its folder `audit`; both are checked offline. What was cut off,
    changed, moved, taken out or put in, and a log that was rolled back, end with exit code 6 and each with file, line
    and what was found.

    Heads are kept by the service itself, at [audit] witness, and by the other side of the city link. Of the city's log,
    its edge nodes keep them: a running city is asked what they say, `city audit heads` at a node writes all it keeps.

    Example: city audit verify --dir run --heads heads-of-edge-1.jsonl
    """
    if copy is not None and copy.is_file():
        found = audit_files.check_export(copy, key)
    else:
        found = audit_files.check(Log.of_copy(copy), books, []) if copy else _check(folder, part, books)
    if as_json:
        click.echo(json.dumps(found))
        if found["problems"]:
            raise SystemExit(UNVERIFIED)
        return
    if found["problems"]:
        text = "\n".join(f"{row['file']}:{row['line']}: {row['text']}" for row in found["problems"])
        raise CityError(UNVERIFIED, text, "docs/audit.md says what each means; keep the files as they are")
    click.echo(audit_text.verdict(found))


def _check(folder: Path, part: str, books: tuple[Path, ...]) -> dict[str, Any]:
    """Check a log; what nodes keep of the city's is asked of the city, if it runs."""
    log = Log.of(folder, part)
    return audit_files.check(log, books, audit_files.told_by_nodes(folder) if part == "city" else [])


@audit.command()
@log_options
@click.option("--of", "name", default="", metavar="EDGE", help="Only those of this node, of many that a city keeps.")
@click.option("--output", "path", type=click.Path(dir_okay=False, path_type=Path),
              help="Write them as JSON lines, which verify takes as --heads.")  # fmt: skip
@json_option
def heads(folder: Path, part: str, name: str, path: Path | None, as_json: bool) -> None:
    """Show the signed heads that are kept here of others' logs: at a node the city's, at the city those of its nodes.

    Carry them to whose log it is: there `city audit verify --heads FILE` finds what was cut, changed or rolled back.

    Example: city audit heads --dir run --part edge --output heads-of-edge-1.jsonl
    """
    found = audit_files.kept(folder, part, name)
    rows = [{**asdict(head), RECEIVED: received_utc_us} for _, (head, received_utc_us) in found]
    lines = [json.dumps(row) for row in rows]
    if path is not None:
        path.write_text("".join(f"{line}\n" for line in lines))
        click.echo(f"{path}: {len(lines)} heads; whose log it is: city audit verify --heads {path.name}", err=True)
    elif as_json:
        click.echo("\n".join(lines), nl=bool(lines))
    else:
        click.echo(audit_text.heads(rows))


@audit.command()
@log_options
@span_options
@click.option("--event", "events", multiple=True, help="Only this event, key_revoked for example. May be repeated.")
@click.option("--who", multiple=True, help="Only what this person or node did. May be repeated.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@json_option
def show(
    folder: Path, part: str, since: str | None, until: str | None, events: tuple[str, ...], who: tuple[str, ...],
    last: int | None, follow: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show what is in the log, oldest first; --json gives JSON lines.

    Example: city audit show --who anna --since 2026-11-27 --follow
    """
    log = Log.of(folder, part)
    span = utc_us(since, 0), utc_us(until, FOREVER_US)

    def wanted(row: dict[str, Any]) -> bool:
        in_time = span[0] <= row.get("utc_us", 0) <= span[1]
        return in_time and (not events or row.get("event") in events) and (not who or row.get("who") in who)

    shown = False
    for row in audit_files.rows(log, wanted, last, follow=follow):
        click.echo(json.dumps(row) if as_json else fitted(audit_text.line(row)))
        shown = True
    if not shown:
        click.echo(f"no line of the audit log of {log.name} is like that", err=True)


@audit.command("export")
@log_options
@span_options
@click.option("--output", "path", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-",
              show_default=True, help="The file to write; - is stdout.")  # fmt: skip
def export_(folder: Path, part: str, since: str | None, until: str | None, path: Path) -> None:
    """Write a part of the log, without gaps, as JSON lines with a signed head.

    Others check it offline, with `city audit verify FILE` or by what docs/audit.md says.

    Example: city audit export --since 2026-11-01 --output november.jsonl
    """
    now_us = time.time_ns() // 1000
    lines = audit_files.export(Log.of(folder, part), now_us, utc_us(since, 0), utc_us(until, FOREVER_US))
    data: bytes = b"".join(line + b"\n" for line in lines)
    if str(path) == "-":
        sys.stdout.buffer.write(data)
        return
    path.write_bytes(data)
    click.echo(f"{path}: {max(0, len(lines) - 2)} lines; whoever gets it: city audit verify {path.name}", err=True)
