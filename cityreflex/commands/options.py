"""Options that several commands share."""

from pathlib import Path

import rich_click as click

run_dir_option = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="run",
    envvar="CITYREFLEX_DIR",
    show_default=True,
    show_envvar=True,
    help="Run directory.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
