"""`city demo`: the whole loop on this machine."""

import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console

from cityreflex import config
from cityreflex.commands.options import time_option
from cityreflex.commands.sim import load_window
from cityreflex.demo import report
from cityreflex.demo.play import Outputs, check_outputs, play
from cityreflex.demo.report import Plan
from cityreflex.demo.view import make_view
from cityreflex.exits import UNVERIFIED, USAGE, CityError
from cityreflex.run_dir import TEMPLATES
from firmware.kit import board_file
from simulator.scenario import Scenario

SCENARIO = "riverside"
SAMPLES_PER_HOUR = 12
TARGET_S = 100.0
DEFAULT_SPEED = 480.0


@click.command()
@click.option("--dir", "folder", type=click.Path(file_okay=False, path_type=Path), default="run/demo",
              show_default=True, help="Where the two runs live; emptied first.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as JSON.")
@click.option("--plot", "plot_path", type=click.Path(dir_okay=False, path_type=Path), help="Write a plot (png, svg).")
@click.option("--rain", "rain_csv", type=click.Path(path_type=Path), help="Recorded rain (CSV) as the storm.")
@time_option("--from", "start", "Start of the window")
@time_option("--to", "end", "End of the window")
@click.option("--speed", type=click.FloatRange(0, 10_000, min_open=True), help="World seconds per real second.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of storm, waves and noise.")
def demo(
    folder: Path, json_path: Path | None, plot_path: Path | None, rain_csv: Path | None, start: str | None,
    end: str | None, speed: float | None, seed: int,
) -> None:  # fmt: skip
    """A river rises, the city feels it, thinks, and opens the gate.

    Runs simulator, boards, edge node and aggregator as real processes through one storm, twice: with the
    gate left alone, then under control. Ends by itself with a report. Exit code 0: the gate kept the river
    below the threshold and every sample is accounted for; 6: not so.

    Example: city demo --json report.json --plot report.png --seed 7
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same orderly end as Ctrl-C
    scenario = config.load_scenario(SCENARIO)
    window = load_window(scenario, seed, rain_csv, start, end)
    hours = (window.end_utc_us - window.start_utc_us) / 3.6e9
    chosen = _speed(speed, hours, scenario)
    plan = Plan(window.start_utc_us, window.end_utc_us, chosen, seed, rain_csv.name if rain_csv else None, _threshold())
    outputs = Outputs(json_path, plot_path)
    check_outputs(outputs)
    console = Console(stderr=True)
    _warm_up(console)
    options = ["--speed", str(chosen), "--seed", str(seed)]
    for flag, value in (("--rain", rain_csv), ("--from", start), ("--to", end)):
        options += [flag, str(value)] if value is not None else []
    found = play(plan, folder, options, outputs, make_view(console))
    click.echo(report.text(found))
    if not found["ok"]:
        sys.exit(UNVERIFIED)


def _speed(wanted: float | None, hours: float, scenario: Scenario) -> float:
    """Return the speed to play at: never so fast that a channel gives fewer than 12 samples an hour."""
    fastest = 3_600_000.0 / SAMPLES_PER_HOUR / _longest_period_ms(scenario)
    if wanted is None:
        return min(fastest, max(DEFAULT_SPEED, hours * 3600.0 / TARGET_S))
    if wanted > fastest:
        raise CityError(
            USAGE,
            f"--speed {wanted:g} gives fewer than {SAMPLES_PER_HOUR} samples per world hour and channel; "
            f"at most {fastest:g} with boards that sample every {_longest_period_ms(scenario)} ms",
            f"give --speed {fastest:g} or less, or a shorter window",
        )
    return wanted


def _longest_period_ms(scenario: Scenario) -> int:
    boards = [
        board_file.load(board_file.board_path(place.board), dict(place.overrides)) for place in scenario.boards
    ]
    return max(sensor.period_ms for board in boards for sensor in board.sensors)


def _threshold() -> float:
    site: dict[str, Any] = tomllib.loads((TEMPLATES / "flood" / "site.toml").read_text())["site"]
    return float(site["threshold_m"])


def _warm_up(console: Console) -> None:
    from models.warm_up import warm_up  # noqa: PLC0415 (imports numba: not for --help)

    with console.status("compiling the kernels (a few seconds, the first time only)"):
        warm_up()
