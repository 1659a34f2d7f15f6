"""`city replay`: are recorded decisions what they were, and what would another process file have decided?"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rich_click as click

from aggregator.errors import DamagedError, NoRecordingError
from cityreflex import config
from cityreflex.commands import replay_text
from cityreflex.commands.options import json_option, quoted, run_dir_option, time_option, utc_us
from cityreflex.commands.progress import Bar
from cityreflex.commands.storage import damaged
from cityreflex.commands.terminal import harmless
from cityreflex.exits import CONFIG, NOT_FOUND, UNVERIFIED, CityError
from processes.errors import ProcessError

EVER_US = 2**62


@click.command()
@run_dir_option
@click.option("--data", type=click.Path(file_okay=False, path_type=Path),
              help="Data folder of a city or an edge node, or a backup; default: the city's of the run directory.")
@time_option("--from", "start", "Event time")
@time_option("--to", "end", "Event time")
@click.option("--process", "file", type=click.Path(path_type=Path),
              help="A changed process file: what would it have decided?")  # fmt: skip
@click.option("--instance", help="Which recorded process FILE takes the place of; default: by name, then template.")
@click.option("--templates", multiple=True, metavar="DIR",
              type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Folder with templates of your own. May be given several times.")  # fmt: skip
@json_option
def replay(
    folder: Path, data: Path | None, start: str | None, end: str | None, file: Path | None, instance: str | None,
    templates: tuple[Path, ...], as_json: bool,
) -> None:  # fmt: skip
    """Run the city's processes again from what was recorded, and compare every decision.

    Reads only; the city may run meanwhile. Prints the hash of what was recorded and of what was decided now. Exit
    code 0: equal, or this machine differs from the recorder's and all changed decisions are listed; 6: not equal on
    the same machine and libraries, or data is damaged; 4: nothing is recorded there.

    Example: city replay --dir run --from yesterday --to today

    Example: city replay --dir run --process flood_new.toml --json
    """
    where = data if data is not None else data_dir(folder)
    span = utc_us(start, 0), utc_us(end, EVER_US)
    if span[0] >= span[1]:
        raise click.UsageError(f"--from {start} is not before --to {end}")
    with replay_errors(where):
        found = _run(where, span, file, instance, templates, as_json)
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(replay_text.report(harmless(found)))
    if not is_fine(found):
        sys.exit(UNVERIFIED)


def is_fine(found: dict[str, Any]) -> bool:
    """Return whether nothing differs that would have to be the same."""
    return bool(found["equal"] or found["fingerprint_differs_in"])


def _run(
    where: Path, span: tuple[int, int], file: Path | None, name: str | None, templates: tuple[Path, ...], quiet: bool
) -> dict[str, Any]:
    from aggregator.replay.recording import opened  # noqa: PLC0415 (kernels compile on import)
    from aggregator.replay.run import Run  # noqa: PLC0415
    from cityreflex.edge_recording import opened_journal  # noqa: PLC0415

    is_node = not (where / "store.db").exists() and (where / "journal.db").exists()
    bar = Bar("replay", None, quiet=quiet, steps=True)
    with (opened_journal if is_node else opened)(where) as recording, bar:
        extent = recording.extent
        span = max(span[0], extent.first_utc_us), min(span[1], extent.last_utc_us + 1)
        if span[0] >= span[1]:
            text = f"recorded is {_iso(extent.first_utc_us)} to {_iso(extent.last_utc_us)}"
            raise CityError(NOT_FOUND, "nothing is recorded between --from and --to", text)
        instead = None if file is None else _instead(recording, span[0], file, name, templates)
        return Run(recording, *span, templates, instead).run(lambda done, of: bar.reach("replay", done, of))


def _instead(recording: Any, from_utc_us: int, file: Path, name: str | None, templates: tuple[Path, ...]) -> Any:
    """Return the instance of a file under the name of the recorded one whose place it takes. Raises: CityError."""
    from aggregator.replay.run import setup_at  # noqa: PLC0415
    from processes.instance import make_instance  # noqa: PLC0415

    config.check(file, templates)
    data = config.read(file).data
    recorded = {row["name"]: row["config"]["template"] for row in setup_at(recording, from_utc_us)}
    same = [one for one, template in recorded.items() if template == data["template"]]
    chosen = name or (file.stem if file.stem in recorded else same[0] if len(same) == 1 else "")
    if chosen not in recorded:
        known = ", ".join(f"{one} ({template})" for one, template in sorted(recorded.items())) or "none"
        raise CityError(CONFIG, f"{file}: which recorded process is it to take the place of?",
                        f"give --instance, one of: {known}")  # fmt: skip
    return make_instance(chosen, data, templates)


@contextmanager
def replay_errors(where: Path) -> Iterator[None]:
    """Turn what can go wrong with a recording into exit codes with a next step. Raises: CityError."""
    try:
        yield
    except NoRecordingError as error:
        hint = f"give --data with the data folder of a city, or a backup; found {quoted(where)}"
        raise CityError(NOT_FOUND, str(error), hint) from error
    except DamagedError as error:
        raise damaged(error, where) from error
    except ProcessError as error:
        raise CityError(CONFIG, f"a recorded process cannot be made again: {error}",
                        "give --templates with the folder of its template") from error  # fmt: skip


def data_dir(folder: Path) -> Path:
    """Return the city's data folder of a run directory. Raises: CityError."""
    return config.load_aggregator(folder / "aggregator.toml", with_keys=False).city.data_dir


def _iso(utc_us: int) -> str:
    return replay_text.moment(utc_us)
