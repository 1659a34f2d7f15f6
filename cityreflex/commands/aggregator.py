"""`city aggregator`: the aggregator: ingest, store, processes, dispatch, HTTP interface."""

import asyncio
from functools import partial
from pathlib import Path

import rich_click as click

from cityreflex import config
from cityreflex.commands.service import run_service


@click.group()
def aggregator() -> None:
    """Run the aggregator: ingest, store, processes, dispatch, HTTP interface.

    Example: city aggregator run --config run/aggregator.toml
    """


@aggregator.command()
@click.option("--config", "path", type=click.Path(path_type=Path), default="run/aggregator.toml", show_default=True,
              help="Configuration, TOML.")  # fmt: skip
def run(path: Path) -> None:
    """Run until SIGTERM or Ctrl-C; logs go to stderr. SIGHUP: read the process files anew.

    Example: city aggregator run --config run/aggregator.toml
    """
    checked = config.load_aggregator(path)
    from aggregator.app import run as serve  # noqa: PLC0415 (kernels compile on import: check the file first)

    again = partial(config.load_aggregator, path)
    run_service(lambda: asyncio.run(serve(checked, again)), path, checked.city.data_dir)
