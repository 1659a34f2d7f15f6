"""`city ledger`: is every sample accounted for?"""

import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import httpx
import rich_click as click

from cityreflex.client import Client, UnreachableError, refused
from cityreflex.commands import ledger_text, terminal
from cityreflex.commands.options import json_option, quoted, run_dir_option
from cityreflex.exits import NOT_FOUND, UNVERIFIED, CityError

GONE = 404


@click.command()
@run_dir_option
@json_option
@click.option("--explain", "thing", metavar="BOARD", help="Why samples of one board or node are missing.")
@click.option("--acknowledge", "reason", metavar="REASON",
              help="You have seen all contradicting samples, and why they are no trouble any more.")  # fmt: skip
def ledger(folder: Path, as_json: bool, thing: str | None, reason: str | None) -> None:
    """Show the balance of samples per board and node.

    sent = stored + buffered + declared lost + quarantined; the rest is unexplained. Exit code 0: nothing is
    unexplained and nothing contradicts, 6: something is or does, 4: the city does not answer, or knows no such board.

    Example: city ledger --dir run --json

    Example: city ledger --dir run --explain river-1
    """
    if reason is not None:
        done = acknowledge(folder, reason)
        click.echo(json.dumps(done) if as_json else ledger_text.acknowledged(done))
        return
    found = ask(folder) if thing is None else ask_why(folder, thing)
    if as_json:
        click.echo(json.dumps(found))
    else:
        shown = terminal.harmless(found)
        click.echo(ledger_text.balance(shown) if thing is None else ledger_text.explanation(shown))
    if not is_fine(found):
        sys.exit(UNVERIFIED)


def is_fine(found: dict[str, Any]) -> bool:
    """Return whether a ledger, or the part of one board, has nothing unexplained and nothing that contradicts."""
    unseen = [row for row in found["conflicts"] if row.get("seen_utc_us") is None]
    return not unseen and not any(row["unexplained"] for row in found["accounts"])


def ask(folder: Path) -> dict[str, Any]:
    """Return the city's ledger. Raises: CityError."""
    return _ask(folder, "ledger")


def ask_why(folder: Path, thing: str) -> dict[str, Any]:
    """Return what the city knows of a Thing's missing samples. Raises: CityError."""
    try:
        return _ask(folder, "ledger/explain", thing=thing)
    except httpx.HTTPStatusError as error:
        if error.response.status_code != GONE:
            raise
        known = error.response.json()["detail"]["known"]
        near = get_close_matches(thing, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none yet'}"
        raise CityError(NOT_FOUND, f"no board or node {thing!r}", hint) from error


def _ask(folder: Path, page: str, **query: str) -> dict[str, Any]:
    try:
        with Client.of_run(folder) as city:
            answer: dict[str, Any] = city.get(page, **query)
            return answer
    except UnreachableError as error:
        raise CityError(
            NOT_FOUND, str(error), f"start it: city aggregator run --config {quoted(folder / 'aggregator.toml')}"
        ) from error


def acknowledge(folder: Path, reason: str) -> dict[str, Any]:
    """Return how many contradictions were seen, by who was asked: the city and the node here. Raises: CityError."""
    done: dict[str, Any] = {}
    missing: list[str] = []
    for part in ("city", "edge"):
        try:
            with Client.of_run(folder, part) as service:
                done[part] = service.post("ledger/acknowledge", {"reason": reason})["acknowledged"]
        except UnreachableError as error:
            missing.append(str(error))
        except httpx.HTTPStatusError as error:
            raise refused(error) from error
    if not done:
        raise CityError(NOT_FOUND, "\n".join(missing), "start the city, or the node that raised the alarm")
    return done
