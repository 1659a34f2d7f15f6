"""`city process test`: runs a process file on recorded or simulated data and prints what it would do."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich_click as click

from cityreflex import config, trial_data
from cityreflex.commands import process_text
from cityreflex.commands.options import json_option, run_dir_option, templates_option, time_option, utc_us
from cityreflex.commands.replay import EVER_US, data_dir, replay_errors
from cityreflex.commands.terminal import harmless
from cityreflex.exits import FAILED, NOT_FOUND, CityError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@run_dir_option
@click.option("--data", type=click.Path(file_okay=False, path_type=Path),
              help="Data folder of a city, or a backup; default: that of the run directory.")  # fmt: skip
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path),
              help="A CSV file: time, and datastream,value or a column per port.")  # fmt: skip
@click.option("--scenario", help="Simulated data of a scenario in which nothing acts: riverside, classroom, or a file.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the simulated data.")
@time_option("--from", "start", "Event time")
@time_option("--to", "end", "Event time")
@templates_option
@json_option
def test(
    file: Path, folder: Path, data: Path | None, csv_file: Path | None, scenario: str | None, seed: int,
    start: str | None, end: str | None, templates: tuple[Path, ...], as_json: bool,
) -> None:  # fmt: skip
    """Run the process of FILE on recorded or simulated data, and print what it would do. Nothing is touched.

    Shows the tasks it would have asked for, alarms raised and returned, its last estimates, and how far estimates were
    from what was measured later. Exit code 1: the process stopped on an error, 4: there is no data for it.

    Example: city process test sites/flood.toml --scenario riverside

    Example: city process test sites/flood.toml --data backups/monday --from 2026-03-01
    """
    if sum(one is not None for one in (data, csv_file, scenario)) > 1:
        raise click.UsageError("give one of --data, --csv and --scenario")
    config.check(file, templates)
    from processes import trial  # noqa: PLC0415 (kernels compile on import)
    from processes.instance import make_instance  # noqa: PLC0415

    instance = make_instance(file.stem, config.read(file).data, templates)
    span = utc_us(start, 0), utc_us(end, EVER_US)
    chunks = _chunks(instance, folder, data, csv_file, scenario, seed, span)
    with replay_errors(data or folder):
        found = trial.run(instance, chunks)
    if not any(found["samples"].values()):
        raise CityError(NOT_FOUND, f"no sample of {', '.join(found['samples'])} there", "city process check FILE")
    click.echo(json.dumps(found) if as_json else process_text.tried(harmless(found)))
    if found["fault"]:
        sys.exit(FAILED)


def _chunks(
    instance: Any, folder: Path, data: Path | None, csv_file: Path | None, scenario: str | None, seed: int,
    span: tuple[int, int],
) -> Iterator[Any]:  # fmt: skip
    senses = instance.config.senses
    if csv_file is not None:
        return trial_data.from_csv(csv_file, senses, *span)
    if scenario is not None:
        from cityreflex.trial_world import simulated  # noqa: PLC0415 (only this way needs the simulator)

        return simulated(config.load_scenario(scenario), instance.template.ports, senses, seed)
    return trial_data.recorded(data if data is not None else data_dir(folder), senses, *span)
