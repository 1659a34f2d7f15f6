"""`city backup`: a copy of all that the city stored, of one moment, checked, while the city runs or not."""

import json
import time
from pathlib import Path

import rich_click as click

from aggregator.backup import taking
from aggregator.backup.manifest import Manifest
from aggregator.config import AggregatorConfig
from cityreflex import config
from cityreflex.commands.options import json_option, quoted, run_dir_option
from cityreflex.commands.progress import Bar
from cityreflex.commands.storage import storage_errors
from cityreflex.exits import CONFIG, FAILED, NOT_FOUND, CityError


@click.command()
@click.argument("dest", type=click.Path(path_type=Path))
@run_dir_option
@click.option("--with-keys", is_flag=True, help="Copy the key files too: whoever has them is the city.")
@click.option("--hard-link", is_flag=True, help="Link sealed files where DEST is on the same disk: quick, and "
              "no help if that disk fails.")  # fmt: skip
@json_option
def backup(dest: Path, folder: Path, with_keys: bool, hard_link: bool, as_json: bool) -> None:
    """Copy what the city stored to the new folder DEST, and check the copy.

    The city may run: the copy is of one moment, commits go on. DEST gets its name only once it is whole. Keys are
    not included, unless asked for. Exit code 0: the backup is whole, 6: it is not what was read, 4: no data there.

    Example: city backup backups/monday --dir run
    """
    settings = config.load_aggregator(folder / "aggregator.toml")
    data = settings.city.data_dir
    if not (data / "store.db").exists():
        raise CityError(NOT_FOUND, f"{data}: no store.db: nothing was stored yet", f"check {folder}/aggregator.toml")
    source = taking.Source(settings.city.id, data, key_files(settings, folder) if with_keys else {})
    with storage_errors(dest, data), Bar("backup", 2 * taking.size(data), quiet=as_json) as bar:
        try:
            manifest = taking.take(source, dest, int(time.time()), link=hard_link, progress=bar.advance)
        except FileExistsError as error:
            raise CityError(FAILED, str(error), "give another folder") from error
    show(manifest, dest, folder, as_json)


def key_files(settings: AggregatorConfig, folder: Path) -> dict[str, Path]:
    """Return the key files that the configuration names, and the configuration itself, by file name.

    Raises: CityError if two of them have the same name.
    """
    listen = settings.listen
    paths = [listen.public_file, listen.secret_file, folder / "aggregator.toml"]
    paths += [settings.signing.secret_file] if settings.signing else []
    paths += [edge.public_file for edge in settings.edges if edge.public_file is not None]
    found: dict[str, Path] = {}
    for path in paths:
        if found.setdefault(path.name, path) != path:
            raise CityError(CONFIG, f"{path} and {found[path.name]} have the same name", "copy the keys by hand")
    return found


def show(manifest: Manifest, dest: Path, folder: Path, as_json: bool) -> None:
    """Print what was made."""
    if as_json:
        row = {name: value for name, value in vars(manifest).items() if name != "files"}
        click.echo(json.dumps({"folder": str(dest), "bytes": manifest.total_bytes, **row}))
        return
    keys = "with keys: keep it as you keep them" if manifest.keys_included else "without keys: keep those elsewhere"
    click.echo(f"{dest}: {manifest.samples:,} samples, {manifest.total_bytes:,} bytes, checked; {keys}")
    click.echo(f"to put it back: city restore {quoted(dest)} --dir {quoted(folder)}")
