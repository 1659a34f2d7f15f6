"""Follows one run: the world's own record and what the city says, taken together once in a while."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cityreflex.client import Client, UnreachableError

FORECAST = "level_forecast"
IF_LEFT = "level_if_left"


@dataclass
class Record:
    """All that a run left behind, for view, report and plot."""

    truth: list[dict[str, Any]] = field(default_factory=list)
    forecasts: dict[int, dict[str, Any]] = field(default_factory=dict)  # by step_utc_us
    estimates: list[dict[str, Any]] = field(default_factory=list)
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    ledger: dict[str, Any] = field(default_factory=dict)
    latency: dict[str, Any] = field(default_factory=dict)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    things: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    done: bool = False

    def peak_m(self) -> float | None:
        """Return the highest true level in m, or None before the world has spoken."""
        return max((row["level_m"] for row in self.truth), default=None)


class Watcher:
    """Fills a `Record` from a run directory. A city that does not answer yet leaves it as it was."""

    def __init__(self, folder: Path, forecast: str = FORECAST) -> None:
        self.record = Record()
        self._trace = folder / "world.jsonl"
        self._read_to = 0
        self._forecast = forecast
        self._city = Client.of_run(folder)

    def look(self) -> bool:
        """Take everything in once; False while the city does not answer."""
        self._read_truth()
        try:
            self._ask()
        except (UnreachableError, httpx.HTTPStatusError):
            return False
        return True

    def close(self) -> None:
        """Close the connection to the city."""
        self._city.close()

    def _ask(self) -> None:
        record = self.record
        record.estimates = self._city.get("estimates")
        record.latest = {row["datastream"]: row for row in self._city.get("latest")}
        record.ledger = self._city.get("ledger")
        record.latency = self._city.get("latency")
        record.tasks = self._city.get("tasks")
        record.things = self._city.get("things")
        record.status = self._city.get("status")
        for row in record.estimates:
            self._keep_forecast(row)

    def _keep_forecast(self, row: dict[str, Any]) -> None:
        for estimate in row["estimates"]:
            if estimate["name"] == self._forecast:
                self.record.forecasts[row["step_utc_us"]] = estimate

    def _read_truth(self) -> None:
        """Read on where the last look ended; a half-written last line waits for the next look."""
        if not self._trace.exists():
            return
        with self._trace.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                row = json.loads(line)
                if row.get("done"):
                    self.record.done = True
                else:
                    self.record.truth.append(row)
