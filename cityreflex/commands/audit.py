"""`city audit`: is the audit log whole, what is in it, and a part of it for others to check. Docs: docs/audit.md."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from cityreflex import audit_files
from cityreflex.audit_files import Log
from cityreflex.commands import audit_text
from cityreflex.commands.options import check_time, json_option, run_dir_option, utc_us
from cityreflex.exits import UNVERIFIED, CityError

FOREVER_US = (1 << 63) - 1


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --dir and --part."""
    part = click.option("--part", type=click.Choice(["city", "edge"]), default="city", show_default=True,
                        help="Whose log: that of aggregator.toml or that of edge.toml.")  # fmt: skip
    return run_dir_option(part(command))


def span_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --since and --until."""
    since = click.option("--since", metavar="TIME", callback=check_time, help="ISO 8601, UTC.")
    until = click.option("--until", metavar="TIME", callback=check_time, help="ISO 8601, UTC.")
    return since(until(command))


@click.group()
def audit() -> None:
    """Check, show and export the audit log of a city or an edge node. Docs: docs/audit.md.

    Example: city audit verify --dir run
    """


@audit.command()
@click.argument("export", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@log_options
@click.option("--heads", "books", multiple=True, type=click.Path(exists=True, path_type=Path),
              help="More heads to compare with: a book that a witness kept. May be given several times.")  # fmt: skip
@click.option("--key", default="", metavar="HEX", help="The key that an export must be signed with.")
@json_option
def verify(export: Path | None, folder: Path, part: str, books: tuple[Path, ...], key: str, as_json: bool) -> None:
    """Follow the chain of hashes through the log, and compare it with all signed heads that were kept of it.

    With a file it is an export that is checked, offline. What was cut off, changed, moved, taken out or put in, and a
    log that was rolled back, end with exit code 6 and each with file, line and what was found.

    Example: city audit verify --dir run --part edge --heads edge-1.jsonl
    """
    found = audit_files.check_export(export, key) if export else audit_files.check(Log.of(folder, part), books)
    if as_json:
        click.echo(json.dumps(found))
        if found["problems"]:
            raise SystemExit(UNVERIFIED)
        return
    if found["problems"]:
        text = "\n".join(f"{row['file']}:{row['line']}: {row['text']}" for row in found["problems"])
        raise CityError(UNVERIFIED, text, "docs/audit.md says what each means; keep the files as they are")
    click.echo(audit_text.verdict(found))


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

    for row in audit_files.rows(log, wanted, last, follow=follow):
        click.echo(json.dumps(row) if as_json else audit_text.line(row))


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
