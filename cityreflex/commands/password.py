"""Passwords come from a terminal without echo, or from a file: never from the command line, which others can see."""

import sys
from pathlib import Path

import rich_click as click

from cityreflex.exits import CONFIG, PERMISSION, CityError

OTHERS = 0o077
password_option = click.option(
    "--password-file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Take the password from the first line of this file (- is stdin) instead of asking.",
)  # fmt: skip


def ask(what: str, file: Path | None, *, twice: bool = False) -> str:
    """Return a password. Raises: CityError, click.UsageError where nobody is there to answer."""
    if file is not None:
        return _first_line(file)
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody is there to type the {what}: give --password-file")
    answer: str = click.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)
    return answer


def _first_line(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.readline().rstrip("\r\n")
    try:
        if file.stat().st_mode & OTHERS:
            raise CityError(PERMISSION, f"{file}: others may read this password", f"chmod 600 {file}, and change it")
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CityError(CONFIG, f"{file}: cannot be read: {error}", "expected a text file") from error
    if not lines:
        raise CityError(CONFIG, f"{file}: found an empty file", "expected the password in its first line")
    return lines[0]
