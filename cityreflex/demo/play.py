"""Plays the storm twice and gathers what the report needs."""

import json
import os
import select
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cityreflex.demo import plot, report
from cityreflex.demo.report import Plan
from cityreflex.demo.stack import Stack
from cityreflex.demo.view import View
from cityreflex.demo.watch import FORECAST, IF_LEFT, Record, Watcher
from cityreflex.exits import FAILED, NOT_FOUND, PERMISSION, USAGE, CityError

LOOK_EVERY_S = 0.5
START_IN_S = 10.0
START_LIMIT_S = 90.0
DRAIN_LIMIT_S = 45.0
MARK = ".city-demo"
PLOT_KINDS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Outputs:
    """Where the report and the plot go; None: nowhere."""

    json_path: Path | None
    plot_path: Path | None


def play(plan: Plan, folder: Path, sim_options: list[str], outputs: Outputs, view: View) -> dict[str, Any]:
    """Return the report of two runs, gate left alone and under control. Raises: CityError."""
    _make_fresh(folder)
    with view:
        alone = _run(plan, folder / "alone", [*sim_options, "--mode", "advise"], "gate left alone", view, IF_LEFT)
        control = _run(plan, folder / "control", [*sim_options, "--mode", "act"], "gate under control", view, FORECAST)
    found = report.build(plan, alone, control)
    if outputs.json_path is not None:
        outputs.json_path.write_text(json.dumps(found, indent=2) + "\n")
    if outputs.plot_path is not None:
        plot.save(outputs.plot_path, plan, alone, control)
    return found


def check_outputs(outputs: Outputs) -> None:
    """Raise CityError unless what the run leaves behind can be written: better now than after the storm."""
    for path in (outputs.json_path, outputs.plot_path):
        if path is None:
            continue
        if not path.parent.is_dir():
            raise CityError(NOT_FOUND, f"{path}: there is no folder {path.parent}", f"mkdir -p {path.parent}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise CityError(PERMISSION, f"{path}: cannot be written", f"ls -ld {path.parent}")
    plot_path = outputs.plot_path
    if plot_path is not None and plot_path.suffix not in PLOT_KINDS:
        raise CityError(USAGE, f"--plot {plot_path}: expected a file ending in {', '.join(PLOT_KINDS)}")


def _make_fresh(folder: Path) -> None:
    """Empty the folder if an earlier demonstration made it; never anything else."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise CityError(FAILED, f"{folder} holds something that is no demo; nothing was touched", "give another --dir")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


def _run(plan: Plan, folder: Path, sim_options: list[str], title: str, view: View, forecast: str) -> Record:
    view.say(f"{title}: {plan.real_s:.0f} s for {(plan.end_utc_us - plan.start_utc_us) / 3.6e9:g} h of storm")
    with Stack(folder, [*sim_options, "--start-in", str(START_IN_S)]) as stack:
        watcher = Watcher(folder, forecast)
        try:
            stack.start_all(_waiter(stack, START_LIMIT_S))
            _follow(plan, stack, watcher, title, view)
            _drain(stack, watcher)
        finally:
            watcher.close()
    return watcher.record


def _follow(plan: Plan, stack: Stack, watcher: Watcher, title: str, view: View) -> None:
    """Look until the world has played its window."""
    limit = time.monotonic() + START_LIMIT_S + 2 * plan.real_s
    while not watcher.record.done:
        stack.check()
        watcher.look()
        view.show(title, plan, watcher.record)
        if time.monotonic() > limit:
            raise CityError(FAILED, f"the storm did not end within {limit:.0f} s", f"see {stack.folder}/logs")
        _pause()


def _drain(stack: Stack, watcher: Watcher) -> None:
    """Wait until all that is older than this moment is stored, then take the last look."""

    def settled() -> bool:
        if not watcher.look():
            return False
        totals = watcher.record.ledger["totals"]
        return bool(totals["unexplained"] == 0 and totals["stored"] >= wanted)

    watcher.look()
    wanted = watcher.record.ledger.get("totals", {}).get("sent", 1)
    try:
        _waiter(stack, DRAIN_LIMIT_S)(settled, "the last samples to be stored")
    except CityError:
        return  # the report then says what is missing


def _waiter(stack: Stack, limit_s: float) -> Callable[[Callable[[], bool], str], None]:
    def wait(condition: Callable[[], bool], what: str) -> None:
        limit = time.monotonic() + limit_s
        while not condition():
            stack.check()
            if time.monotonic() > limit:
                raise CityError(FAILED, f"waited {limit_s:.0f} s in vain for {what}", f"see {stack.folder}/logs")
            _pause()

    return wait


def _pause() -> None:
    select.select([], [], [], LOOK_EVERY_S)
