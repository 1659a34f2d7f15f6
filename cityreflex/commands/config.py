"""`city config`: checks configuration without starting anything."""

import json
from pathlib import Path

import rich_click as click

from cityreflex import config as files
from cityreflex.commands.options import json_option
from cityreflex.exits import CONFIG


@click.group()
def config() -> None:
    """Check configuration files.

    Example: city config check run/edge.toml
    """


@config.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--templates", multiple=True, metavar="DIR",
              type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Folder with templates of your own, for a process file. May be given several times.")  # fmt: skip
@json_option
def check(path: Path, templates: tuple[Path, ...], as_json: bool) -> None:
    """Say whether FILE is right: edge.toml, aggregator.toml, a process, a board or a scenario.

    An error names file, line, key, what was found and what was expected. Exit code 3 if it is wrong.

    Example: city config check run/sites/flood.toml
    """
    try:
        kind = files.check(path, templates)
    except files.ConfigFileError as error:
        if not as_json:
            raise
        click.echo(json.dumps({"file": str(path), "ok": False, "problems": error.rows()}))
        raise SystemExit(CONFIG) from error
    if as_json:
        click.echo(json.dumps({"file": str(path), "ok": True, "kind": kind, "problems": []}))
    else:
        click.echo(f"{path}: ok, {kind}")
