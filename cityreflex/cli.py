"""The command `city`: one file per subcommand in commands/, one place where errors become exit codes."""

import os
import sys

import httpx
import rich_click as click
from click.exceptions import Exit
from pydantic import ValidationError

from cityreflex import exits
from cityreflex.client import mistake, refused
from cityreflex.commands import COMMANDS, load
from cityreflex.commands.terminal import harmless
from cityreflex.exits import CityError

EPILOG = (
    "Exit codes: "
    + ", ".join(f"{code} {text}" for code, text in exits.MEANING.items())
    + ". Data goes to stdout, everything else to stderr. NO_COLOR is respected. "
    "Shell completion: eval \"$(_CITY_COMPLETE=bash_source city)\"."
)


class Subcommands(click.RichGroup):
    """Imports a subcommand when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one, None if there is none of this name."""
        return load(cmd_name) if cmd_name in COMMANDS else None


@click.group(cls=Subcommands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cityreflex")
def city() -> None:
    """CityReflex: a city that senses, thinks and acts.

    Start with `city demo`, or with `city sim up riverside` and what it prints.
    """


def main() -> None:
    """Run `city`; every expected error ends as one or two lines on stderr and its exit code."""
    try:
        city(standalone_mode=False)
    except CityError as error:
        _end(error.code, str(error), error.hint)
    except httpx.HTTPStatusError as error:
        told = refused(error)
        _end(told.code, str(told), told.hint)
    except Exit as end:
        sys.exit(end.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(exits.USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(exits.FAILED)
    except (click.Abort, KeyboardInterrupt):
        _end(130, "interrupted", "")
    except BrokenPipeError:  # the reader (head, less) has gone; nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exits.OK)
    except PermissionError as error:
        _end(exits.PERMISSION, str(error), "check the owner and mode of that path")
    except ValidationError as error:
        _end(exits.CONFIG, "\n".join(map(mistake, error.errors())), "")


def _end(code: int, message: str, hint: str) -> None:
    for line in message.splitlines():
        print(f"city: {harmless(line)}", file=sys.stderr)
    if hint:
        print(f"city: next: {harmless(hint)}", file=sys.stderr)
    sys.exit(code)
