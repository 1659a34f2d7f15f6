"""`city restore`: puts a backup in the place of what the city stored, while the city runs or not."""

import json
import select
import time
from pathlib import Path
from typing import Any

import httpx
import rich_click as click

from aggregator.backup import swap
from aggregator.backup.manifest import Manifest
from cityreflex import config
from cityreflex.address import of_section
from cityreflex.client import GATE_SAYS, Client, UnreachableError
from cityreflex.client import refused as refusal
from cityreflex.commands.options import confirm, json_option, quoted, run_dir_option
from cityreflex.commands.progress import Bar
from cityreflex.commands.storage import storage_errors
from cityreflex.exits import FAILED, NOT_FOUND, PERMISSION, UNVERIFIED, CityError
from service.errors import InUseError
from service.lock import hold
from service.sections import ServiceSection

POLL_S = 0.1
_CODES = {"not_found": NOT_FOUND, "unverified": UNVERIFIED, "permission": PERMISSION}
_UNCHANGED = "nothing was changed, the city goes on; try another backup"
_HINTS = {"ending": "the aggregator ends: start it, and it completes the restore"}


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@run_dir_option
@click.option("--check", "only_check", is_flag=True, help="Only check the backup; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def restore(source: Path, folder: Path, only_check: bool, yes: bool, as_json: bool) -> None:
    """Put the backup SOURCE in the place of what the city stored.

    All checksums are compared first. The city may run: edge nodes stay connected and boards go on; afterwards the
    edge nodes send again what the backup does not have, as far as they keep it (48 h), and declare the rest lost
    with cause restore. Tasks from before are refused. What was stored until now is kept aside, never deleted.
    Exit code 0: restored, 6: the backup is damaged and nothing was changed, 4: there is no backup.

    Example: city restore backups/monday --dir run
    """
    settings = config.load_aggregator(folder / "aggregator.toml")
    data = settings.city.data_dir
    if only_check:
        with storage_errors(source, data):
            show_checked(check(source, as_json), source, as_json)
        return
    if not yes:
        confirm(f"replace what {data} holds (it is kept aside) by {source}?")
    with storage_errors(source, data):
        try:
            with hold(data):
                row = at_rest(source, data, as_json)
        except InUseError as error:
            row = at_work(source, settings.city, error, as_json)
    show(row, folder / "aggregator.toml", as_json)


def check(source: Path, quiet: bool) -> Manifest:
    """Return the manifest of a backup that is whole. Raises: BackupError, DamagedError."""
    with Bar("checking", 0, quiet=quiet) as bar:
        return swap.read(source, bar.advance)


def at_rest(source: Path, data: Path, quiet: bool) -> dict[str, Any]:
    """Restore while no aggregator runs; return what was done."""
    manifest = check(source, quiet)
    with Bar("copying", manifest.total_bytes, quiet=quiet) as bar:
        swap.stage(source, manifest, data, bar.advance)
    epoch = swap.arm(data, int(time.time()))
    aside = swap.finish(data)
    return {"epoch": epoch, "aside": str(aside.resolve()) if aside else "", "live": False}


def at_work(source: Path, section: ServiceSection, error: InUseError, quiet: bool) -> dict[str, Any]:
    """Let the running aggregator restore; return what it did. Raises: CityError."""
    address = of_section(section)
    try:
        with Client(address.text, pin=address.pin) as city, Bar("restore", 0, quiet=quiet) as bar:
            row = city.post("restore", source=str(source.absolute()))
            while row["state"] not in ("done", "failed"):
                select.select([], [], [], POLL_S)
                row = city.get("restore")
                bar.reach(row["state"], row["done_bytes"], row["total_bytes"])
    except UnreachableError as lost:
        hint = "if it has ended, start it: a restore that was ready is completed then"
        raise CityError(NOT_FOUND, f"process {error.pid} holds the data, but: {lost}", hint) from lost
    except httpx.HTTPStatusError as refused:
        if refused.response.status_code in GATE_SAYS:
            raise refusal(refused) from refused
        text = refused.response.text
        raise CityError(FAILED, f"the city refused: {text}", "wait for it: city restore runs already") from refused
    if row["state"] == "failed":
        raise CityError(_CODES.get(row["kind"], FAILED), row["error"], _HINTS.get(row["kind"], _UNCHANGED))
    return {"epoch": row["epoch"], "aside": row["aside"], "live": True}


def show(row: dict[str, Any], path: Path, as_json: bool) -> None:
    """Print what was done."""
    if as_json:
        click.echo(json.dumps(row))
        return
    how = "while the city ran" if row["live"] else f"start the city now: city aggregator run --config {quoted(path)}"
    click.echo(f"restored, epoch {row['epoch']}; {how}")
    if row["aside"]:
        click.echo(f"the data of before is in {quoted(Path(row['aside']))}; delete it when you are sure")
    click.echo("edge nodes send again what they keep; follow it with: city ledger")


def show_checked(manifest: Manifest, source: Path, as_json: bool) -> None:
    """Print that the backup is whole."""
    row = {"folder": str(source), "samples": manifest.samples, "bytes": manifest.total_bytes, "epoch": manifest.epoch}
    if as_json:
        click.echo(json.dumps({"whole": True, **row}))
    else:
        click.echo(f"{source}: whole, {manifest.samples:,} samples, {manifest.total_bytes:,} bytes")
