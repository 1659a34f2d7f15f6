"""Options that several commands share."""

import functools
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import rich_click as click

from cityreflex.token_file import ENVIRONMENT
from cityreflex.where import Where

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TIMES = "ISO 8601 in UTC such as 2026-03-01T06:00, now, today, yesterday, or how long ago such as 90m, 2h or 3d"

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


def time_option(flag: str, name: str, what: str) -> Callable[[Command], Command]:
    """Return an option that takes a time, as all commands take times; `what` it is begins its help."""
    return click.option(flag, name, metavar="TIME", callback=_time, help=f"{what}: {TIMES}.")


def _time(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else iso_time(value, datetime.now(UTC))
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"found {value!r}; expected {TIMES}") from error


def iso_time(text: str, now: datetime) -> str:
    """Return a time that people write as ISO 8601: what is that already as it is. Raises: ValueError, OverflowError."""
    word, midnight = text.strip(), now.replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if word in named:
        return f"{named[word]:%Y-%m-%dT%H:%M:%SZ}"
    if word[-1:] in SECONDS and word[:-1].isdigit():
        return f"{now - timedelta(seconds=int(word[:-1]) * SECONDS[word[-1]]):%Y-%m-%dT%H:%M:%SZ}"
    datetime.fromisoformat(word)
    return word


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
    """Return a time of a `time_option` in µs of UTC; without a zone it is UTC."""
    if text is None:
        return absent
    moment = datetime.fromisoformat(text.strip())
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
