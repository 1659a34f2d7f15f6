"""A whole city of real processes for tests: starts, kills, asks as an operator does, waits with a limit."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cityreflex.client import Client
from cityreflex.demo.stack import Stack
from simulator import faults
from tests import command
from tests.waiting import LIMIT_S, until

TICK_S = 0.1


class RunningCity(Stack):
    """A `Stack` that can be asked. Options are those of `city sim up`."""

    def __init__(self, folder: Path, *options: str, scenario: str = "riverside") -> None:
        super().__init__(folder, options, scenario)
        self.waited: list[str] = []

    def __exit__(self, *error: Any) -> None:
        """Stop everything; how long each wait took is shown with a test that failed."""
        print("\n".join(self.waited))
        super().__exit__(*error)

    def up(self, edge: str = "") -> "RunningCity":
        """Start everything and return once the edge's boards are all linked; `edge`: more sections of edge.toml."""

        def until(condition: Callable[[], Any], what: str) -> None:
            self.until(condition, what)
            with (self.folder / "edge.toml").open("a") as config:
                config.write(edge)

        self.start_all(until)
        self.until(self.linked, "all boards linked and known to the city")
        return self

    def linked(self) -> bool:
        """True when the city sees every board of its edge up."""
        status = self.status()
        edges = [edge for edge in status.get("edges", []) if edge["online"] and status["source"] == "city"]
        boards = [board for edge in edges for board in edge["health"].get("boards", [])]
        return bool(boards) and all(board["link"] == "up" for board in boards)

    def ask(self, *words: str) -> tuple[int, Any]:
        """Return exit code and JSON of `city WORDS --json` on this run directory."""
        said = command.city(self.folder, *words, "--dir", str(self.folder), "--json")
        return said.code, json.loads(said.out) if said.out.strip() else {"stderr": said.err}

    def status(self) -> Any:
        """Return what `city status --json` prints."""
        return self.ask("status")[1]

    def ledger(self) -> Any:
        """Return what `city ledger --json` prints."""
        return self.ask("ledger")[1]

    def fault(self, kind: str, **where: Any) -> None:
        """Pull a wire in the simulator."""
        answer = faults.send(self.folder / "faults.sock", {"fault": kind, **where})
        assert answer.get("ok"), answer

    def truth(self) -> list[dict[str, Any]]:
        """Return the world's own record so far."""
        lines = (self.folder / "world.jsonl").read_text().split("\n")[:-1]
        return [row for row in map(json.loads, lines) if "utc_us" in row]

    def gate(self) -> float:
        """Return how far the gate really is open."""
        return float(self.truth()[-1]["gate_opening"])

    def until(self, condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """Return the condition's first true value; fail with the logs' ends after the limit, or if a part ended."""
        began = time.monotonic()

        def checked() -> Any:
            self.check()
            return condition()

        found = until(checked, what, limit_s, self.tails, TICK_S)
        self.waited.append(f"{time.monotonic() - began:6.1f} s: {what}")
        return found

    def tails(self) -> str:
        """Return the end of every log."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted((self.folder / "logs").glob("*.log"))
        )

    def settle(self) -> dict[str, Any]:
        """Return the ledger's totals once all that was sent before now is stored."""
        wanted = self.ledger()["totals"]["sent"]

        def stored() -> Any:
            totals = self.ledger()["totals"]
            return totals if totals["stored"] >= wanted and totals["unexplained"] == 0 else None

        found: dict[str, Any] = self.until(stored, f"{wanted} samples stored and none unexplained")
        return found

    def tasks(self) -> list[dict[str, Any]]:
        """Return the city's tasks, newest first."""
        return self.page("tasks")

    def page(self, name: str) -> Any:
        """Return a page of the city's HTTP interface."""
        with Client.of_run(self.folder) as client:
            return client.get(name)

    def latest(self, datastream: str) -> dict[str, Any]:
        """Return the newest observation of a datastream, once there is one."""
        known = lambda: [row for row in self.page("latest") if row["datastream"] == datastream]  # noqa: E731
        rows = self.until(known, f"{datastream} has an observation")
        assert len(rows) == 1, (datastream, rows)
        return dict(rows[0])

    def edge_page(self, name: str) -> Any:
        """Return a page of the edge node's HTTP interface."""
        with Client.of_run(self.folder, "edge") as client:
            return client.get(name)
