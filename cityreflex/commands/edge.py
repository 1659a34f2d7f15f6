"""`city edge`: the edge node: board links, journal, fusion, processes, guard, uplink; and its local stop."""

import asyncio
import getpass
import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import rich_click as click

from cityreflex import config
from cityreflex.client import UnreachableError, refused
from cityreflex.commands.options import json_option, run_dir_option
from cityreflex.commands.service import run_service
from cityreflex.exits import NOT_FOUND, CityError
from cityreflex.where import Where


@click.group()
def edge() -> None:
    """Run the edge node: board links, journal, fusion, processes, guard, uplink.

    Example: city edge run --config run/edge.toml
    """


@edge.command()
@click.option("--config", "path", type=click.Path(path_type=Path), default="run/edge.toml", show_default=True,
              help="Configuration, TOML.")  # fmt: skip
def run(path: Path) -> None:
    """Run until SIGTERM or Ctrl-C; logs go to stderr. SIGHUP: read the process files anew.

    Example: city edge run --config run/edge.toml
    """
    checked = config.load_edge(path)
    from edge_node.node import run as serve  # noqa: PLC0415 (kernels compile on import: check the file first)

    run_service(lambda: asyncio.run(serve(checked, partial(config.load_edge, path))), path, checked.edge.data_dir)


@edge.command()
@click.option("--reason", required=True, help="Why, 3 characters or more; whoever wants to move something reads it.")
@run_dir_option
@json_option
def stop(folder: Path, reason: str, as_json: bool) -> None:
    """At the node: send every actuator to its safe state, and refuse everything until `city edge clear`.

    It beats operators, city and processes, and holds over restarts.

    Example: city edge stop --reason "work in the shaft"
    """
    done = _local(folder, "stop", reason)
    click.echo(json.dumps(done) if as_json else f"{done['edge']} is stopped: {done['stopped']}")


@edge.command()
@click.option("--reason", required=True, help="Why it is safe again.")
@run_dir_option
@json_option
def clear(folder: Path, reason: str, as_json: bool) -> None:
    """At the node: end its local stop. Actuators that are tripped stay tripped (`city actuator reset`).

    Example: city edge clear --reason "everybody is out of the shaft"
    """
    done = _local(folder, "clear", reason)
    click.echo(json.dumps(done) if as_json else f"{done['edge']} obeys again")


def _local(folder: Path, what: str, reason: str) -> dict[str, Any]:
    """Return what the edge node of a run directory did. Raises: CityError."""
    try:
        with Where(folder).client("edge") as node:
            done: dict[str, Any] = node.post(what, {"reason": reason, "who": getpass.getuser()})
            return done
    except UnreachableError as error:
        hint = "is it running here? without it its boards go to their safe state by themselves"
        raise CityError(NOT_FOUND, str(error), hint) from error
    except httpx.HTTPStatusError as error:
        raise refused(error) from error
