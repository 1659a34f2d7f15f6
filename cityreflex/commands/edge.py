"""`city edge`: the edge node: board links, journal, fusion, processes, guard, uplink."""

import asyncio
from pathlib import Path

import rich_click as click

from cityreflex import config
from cityreflex.commands.service import run_service


@click.group()
def edge() -> None:
    """Run the edge node: board links, journal, fusion, processes, guard, uplink.

    Example: city edge run --config run/edge.toml
    """


@edge.command()
@click.option("--config", "path", type=click.Path(path_type=Path), default="run/edge.toml", show_default=True,
              help="Configuration, TOML.")  # fmt: skip
def run(path: Path) -> None:
    """Run until SIGTERM or Ctrl-C; logs go to stderr.

    Example: city edge run --config run/edge.toml
    """
    checked = config.load_edge(path)
    from edge_node.node import run as serve  # noqa: PLC0415 (kernels compile on import: check the file first)

    run_service(lambda: asyncio.run(serve(checked)), path, checked.edge.data_dir)
