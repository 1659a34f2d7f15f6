"""`city sim`: a world with virtual boards in place of hardware."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich_click as click

from cityreflex import config
from cityreflex.commands.options import quoted, run_dir_option, time_option
from cityreflex.commands.service import in_use
from cityreflex.commands.sim_i2c import i2c
from cityreflex.exits import CONFIG, NOT_FOUND, CityError
from cityreflex.run_dir import Prepared, prepare
from service.errors import InUseError
from service.lock import hold
from simulator import runtime, scenario, shares
from simulator.world.make import Storm
from simulator.world.rain import RainError

LISTED = 10


@click.group()
def sim() -> None:
    """Run the simulator in place of hardware.

    Example: city sim up riverside --dir run --speed 480
    """


sim.add_command(i2c)


@sim.command()
@click.argument("name", metavar="SCENARIO")
@run_dir_option
@click.option("--speed", type=click.FloatRange(0, 10_000, min_open=True), default=480.0, show_default=True,
              help="World seconds per real second.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of storm, waves and noise.")
@click.option("--rain", "rain_csv", type=click.Path(path_type=Path), help="Recorded rain (CSV) as the storm.")
@time_option("--from", "start", "Start of the window")
@time_option("--to", "end", "End of the window")
@click.option("--mode", type=click.Choice(["act", "advise"]), default="act", show_default=True,
              help="advise: processes propose and nothing is moved.")  # fmt: skip
@click.option("--start-in", "start_in_s", type=click.FloatRange(0, 600), default=2.0, show_default=True,
              help="Real seconds until the world starts to move.")  # fmt: skip
def up(
    name: str, folder: Path, speed: float, seed: int, rain_csv: Path | None, start: str | None,
    end: str | None, mode: str, start_in_s: float,
) -> None:  # fmt: skip
    """Bring up SCENARIO (riverside, classroom, stations or a .toml file): world, boards, serial ports.

    Writes keys and configuration into the run directory and prints the commands that start the other
    parts. Ends with Ctrl-C.

    Example: city sim up riverside --dir run --speed 480 --seed 7
    """
    plan = config.load_scenario(name)
    window = load_window(plan, seed, rain_csv, start, end)
    options = {"speed": speed, "seed": seed, "rain_csv": rain_csv, "start": start, "end": end}
    try:
        with hold(folder):
            prepared = prepare(
                folder, plan, speed=speed, epoch_utc_us=window.start_utc_us, mode=mode, start_in_s=start_in_s
            )
            _announce(prepared, window, speed)
            epoch, utc = prepared.epoch_boottime_us, prepared.epoch_utc_us
            _run(name, prepared, plan, {**options, "epoch_boottime_us": epoch, "epoch_utc_us": utc})
    except InUseError as error:
        raise in_use(error) from error


def _run(name: str, prepared: Prepared, plan: scenario.Scenario, options: dict[str, Any]) -> None:
    """Run the boards here, or many of them in several processes."""
    processes = shares.processes_for(len(prepared.boards), plan.acts)
    if processes == 1:
        asyncio.run(runtime.run(name, prepared.folder, prepared.boards, **options))
    else:
        asyncio.run(shares.run(name, prepared.folder, prepared.boards, processes, **options))


def load_window(
    plan: scenario.Scenario, seed: int, rain_csv: Path | None, start: str | None, end: str | None
) -> Storm:
    """Return the storm and its window of world time. Raises: CityError."""
    try:
        return runtime.plan_window(plan, seed=seed, rain_csv=rain_csv, start=start, end=end)
    except FileNotFoundError as error:
        raise CityError(NOT_FOUND, f"{rain_csv}: no such file", "give a CSV of time and rain") from error
    except (RainError, ValueError) as error:
        raise CityError(CONFIG, str(error), "see docs/simulator.md, Recorded rain") from error


def _announce(prepared: Prepared, window: Storm, speed: float) -> None:
    folder = prepared.folder
    hours = (window.end_utc_us - window.start_utc_us) / 3.6e9
    lines = [
        f"world: {_iso(window.start_utc_us)} to {_iso(window.end_utc_us)}, {hours:g} h in "
        f"{hours * 3600 / speed:.0f} s",
        *(f"board: {spec.thing} on {folder / 'dev' / spec.thing}" for spec in prepared.boards[:LISTED]),
        *([f"... and {len(prepared.boards) - LISTED} more"] if len(prepared.boards) > LISTED else []),
        "next, each in a terminal of its own:",
        f"  city aggregator run --config {quoted(folder / 'aggregator.toml')}",
        f"  city edge run --config {quoted(folder / 'edge.toml')}",
        f"  city status --dir {quoted(folder)}",
    ]
    print("\n".join(lines), file=sys.stderr, flush=True)


def _iso(utc_us: int) -> str:
    return datetime.fromtimestamp(utc_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")
