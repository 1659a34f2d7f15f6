"""Options that several commands share."""

import shlex
import sys
from datetime import datetime
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


def check_time(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a time of the command line if it is one. Raises: click.BadParameter."""
    if value is not None:
        try:
            datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise click.BadParameter(f"found {value!r}; expected ISO 8601 in UTC such as 2012-09-24T06:00") from error
    return value


def confirm(question: str) -> None:
    """Ask, and go on only after a yes. Raises: click.Abort, click.UsageError where nobody is there to answer."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody is there to answer: {question} Give --yes.")
    click.confirm(question, abort=True, err=True)


def quoted(path: Path) -> str:
    """Return a path as it can be pasted into a shell."""
    return shlex.quote(str(path))
