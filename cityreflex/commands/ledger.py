"""`city ledger`: is every sample accounted for?"""

import json
import sys
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console
from rich.table import Table

from cityreflex.client import Client, UnreachableError
from cityreflex.commands import terminal
from cityreflex.commands.options import json_option, quoted, run_dir_option
from cityreflex.exits import NOT_FOUND, UNVERIFIED, CityError

COLUMNS = ("sent", "stored", "buffered", "declared_lost", "quarantined", "unexplained")


@click.command()
@run_dir_option
@json_option
def ledger(folder: Path, as_json: bool) -> None:
    """Show the balance of samples per board and node.

    sent = stored + buffered + declared lost + quarantined; the rest is unexplained. Exit code 0: nothing is
    unexplained, 6: something is, 4: the city does not answer.

    Example: city ledger --dir run --json
    """
    found = ask(folder)
    if as_json:
        click.echo(json.dumps(found))
    else:
        show(terminal.harmless(found), terminal.console())
    if not found["balanced"]:
        sys.exit(UNVERIFIED)


def ask(folder: Path) -> dict[str, Any]:
    """Return the city's ledger. Raises: CityError."""
    try:
        with Client.of_run(folder) as city:
            answer: dict[str, Any] = city.get("ledger")
            return answer
    except UnreachableError as error:
        raise CityError(
            NOT_FOUND, str(error), f"start it: city aggregator run --config {quoted(folder / 'aggregator.toml')}"
        ) from error


def show(found: dict[str, Any], console: Console) -> None:
    """Print the balance as a table."""
    heads = (name.replace("declared_", "") for name in COLUMNS)  # 80 columns are enough
    table = Table("thing", "boot", *heads, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in table.columns[2:]:
        column.justify = "right"
    for row in found["accounts"]:
        table.add_row(row["thing"], row["boot"], *(f"{row[name]:,}" for name in COLUMNS))
    table.add_row("total", "", *(f"{found['totals'][name]:,}" for name in COLUMNS), style="bold")
    console.print(table)
    for row in found["accounts"]:
        for first, end in row.get("unexplained_ranges", []):
            console.print(f"! {row['thing']} {row['boot']}: samples {first} to {end - 1} unexplained")
