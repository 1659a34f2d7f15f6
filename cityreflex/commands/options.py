"""Options that several commands share."""

import functools
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import rich_click as click

from cityreflex.token_file import ENVIRONMENT
from cityreflex.where import Where

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

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
templates_option = click.option(
    "--templates", multiple=True, metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with templates of your own. May be given several times.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

Command: TypeAlias = Callable[..., Any]
_file = click.Path(dir_okay=False, path_type=Path)


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --dir, --at, --ca and --token-file; the command gets them as `where`."""

    @run_dir_option
    @click.option("--at", default="", envvar="CITY_AT", metavar="ADDRESS", show_envvar=True,
                  help="The city's HTTP interface: unix:PATH, HOST:PORT or https://HOST:PORT; else that of --dir.")
    @click.option("--ca", type=_file, envvar="CITY_CA_FILE", show_envvar=True,
                  help="Certificates to trust, PEM; else those of the system.")
    @click.option("--token-file", type=_file, envvar=ENVIRONMENT, show_envvar=True, help="Where the login is kept.")
    @functools.wraps(command)
    def wrapped(folder: Path, at: str, ca: Path | None, token_file: Path | None, **more: Any) -> Any:
        return command(where=Where(folder, at, ca, token_file), **more)

    return wrapped


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator that adds these options, in this order: for commands that are alike."""
    return lambda command: functools.reduce(lambda made, option: option(made), reversed(options), command)


def check_time(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a time of the command line if it is one. Raises: click.BadParameter."""
    if value is not None:
        try:
            datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise click.BadParameter(f"found {value!r}; expected ISO 8601 in UTC such as 2012-09-24T06:00") from error
    return value


def seconds(_: click.Context, __: click.Parameter, value: str) -> float:
    """Return the seconds of a time such as 90s, 15m, 2h or 1d. Raises: click.BadParameter."""
    number, unit = value[:-1], value[-1:]
    if unit not in SECONDS or not number.isdigit():
        raise click.BadParameter(f"found {value!r}; expected a number and s, m, h or d, such as 15m")
    return float(int(number) * SECONDS[unit])


def confirm(question: str) -> None:
    """Ask, and go on only after a yes. Raises: click.Abort, click.UsageError where nobody is there to answer."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody is there to answer: {question} Give --yes.")
    click.confirm(question, abort=True, err=True)


def quoted(path: Path) -> str:
    """Return a path as it can be pasted into a shell."""
    return shlex.quote(str(path))


def utc_us(text: str | None, absent: int) -> int:
    """Return a time that `check_time` let pass, in µs of UTC."""
    if text is None:
        return absent
    moment = datetime.fromisoformat(text.strip())
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
