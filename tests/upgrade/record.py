"""Records stores, journals, board files and wire traffic of the release that is checked out: `make record-release`.

    python tests/upgrade/record.py tests/upgrade/data/0.2.0

Runs the riverside scenario for a minute as real processes, damages one blob on each side so that there is something
in quarantine, resets boards so that there are gaps, kills -9 both services while samples are on their way, and copies
what is on disk. Then both start once more alone and stop cleanly, and are copied again. The release itself writes the
inventory of each copy, so later releases are compared with what this one knew.
"""

import json
import lzma
import os
import re
import select
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from cityreflex.client import Client, UnreachableError
from cityreflex.demo.stack import Stack
from simulator import faults

HERE = Path(__file__).parent
OPTIONS = ("--speed", "480", "--seed", "7", "--start-in", "6")
STORE = "\n[store]\nseal_every_s = 2.0\nkeep_hot_commits = 30\n"
CITY_MESSAGES, BOARD_HEX, STATEMENTS_EACH, LONG = 250, 40_000, 2, 5000
LIMIT_S = 150.0


class Recorded(Stack):
    """A stack whose services run with a tap on their wires."""

    def start(self, name: str) -> None:
        """Start one part; the services through tapped.py."""
        if name == "sim":
            super().start(name)
            return
        environment = {**os.environ, "CITYREFLEX_TAP": str(self.folder / f"{name}.tap")}
        command = [sys.executable, str(HERE / "tapped.py"), *self._words[name]]
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0, env=environment
            )

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Return once the condition is true. Raises: TimeoutError."""
        end = time.monotonic() + LIMIT_S
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise TimeoutError(f"not within {LIMIT_S} s: {what}")
            select.select([], [], [], 0.1)
        print(f"  {what}", flush=True)

    def page(self, part: str, name: str) -> Any:
        """Return a page of city or edge, {} while nobody answers."""
        try:
            with Client.of_run(self.folder, part) as client:
                return client.get(name)
        except UnreachableError:
            return {}

    def totals(self, part: str) -> dict[str, int]:
        """Return the totals of a ledger."""
        found: dict[str, int] = (self.page(part, "ledger") or {}).get("totals", {})
        return Counter(found)

    def journal(self) -> dict[str, int]:
        """Return what the edge says of its journal."""
        found: dict[str, int] = (self.page("edge", "health") or {}).get("journal", {})
        return Counter(found)


def run(city: Recorded, out: Path) -> None:
    """Let the city live through all that is to be recorded."""
    folder = city.folder
    city.start("sim")
    city.until((folder / "faults.sock").exists, "the simulator is up")
    with (folder / "aggregator.toml").open("a") as file:
        file.write(STORE)
    city.start("aggregator")
    city.start("edge")
    city.until(lambda: city.totals("city")["stored"] > 500, "samples are stored")
    city.until(lambda: {"observed"} <= {row["state"] for row in city.page("city", "tasks")}, "a task was observed")
    lose(city, "river-1")
    city.until(lambda: rows(folder / "city" / "store.db", "gaps"), "a loss was declared")
    city.until(lambda: len(list((folder / "city" / "sealed").glob("*.parquet"))) > 1, "files were sealed")
    city.kill("aggregator")
    city.until(lambda: city.journal()["pending_batches"] > 20, "the edge has a backlog")
    city.kill("edge")
    damage(folder / "edge" / "journal.db", "batches", "stored", "id")
    damage(folder / "city" / "store.db", "blobs", "data", "commit_no")
    city.start("aggregator")
    city.start("edge")
    city.until(lambda: city.journal()["quarantined"] > 0, "the edge set a batch aside")
    city.until(lambda: rows(folder / "city" / "store.db", "quarantined"), "the city set a blob aside")
    city.until(lambda: city.journal()["pending_batches"] < 5, "the backlog is gone")
    city.kill("aggregator")
    lose(city, "mast-1")
    city.until(lambda: city.journal()["pending_gaps"] > 0, "a gap waits for the city")
    city.until(lambda: city.journal()["pending_batches"] > 60, "the edge has a backlog again")
    city.kill("edge")
    city.kill("sim")
    for part in ("city", "edge", "boards"):
        shutil.copytree(folder / part, out / "killed" / part, ignore=_ignored)
    stop_cleanly(city, out)


def lose(city: Recorded, thing: str) -> None:
    """Restart a board while its link is cut, so that what was in its memory is lost."""
    address = city.folder / "faults.sock"
    faults.send(address, {"fault": "cut_link", "thing": thing})
    city.until(lambda: link(city, thing) == "down", f"the edge misses {thing}")
    faults.send(address, {"fault": "reset_board", "thing": thing})
    faults.send(address, {"fault": "clear", "thing": thing})


def link(city: Recorded, thing: str) -> str:
    """Return what the edge says of a board's link."""
    boards = (city.page("edge", "health") or {}).get("boards", [])
    return next((str(board["link"]) for board in boards if board["thing"] == thing), "")


def stop_cleanly(city: Recorded, out: Path) -> None:
    """Start each service alone and let it end by itself."""
    for name, part in (("aggregator", "city"), ("edge", "edge")):
        city.start(name)
        city.until(lambda part=part: city.page(part, "health"), f"the {part} answers")
        city.stop(name)
        shutil.copytree(city.folder / part, out / "clean" / part, ignore=_ignored)


def damage(path: Path, table: str, column: str, order: str) -> None:
    """Flip a byte in the newest blob of a table."""
    with closing(sqlite3.connect(path)) as connection, connection:
        row, blob = connection.execute(
            f"SELECT {order}, {column} FROM {table} ORDER BY {order} DESC LIMIT 1"
        ).fetchone()
        changed = bytes([blob[0] ^ 0xFF]) + blob[1:]
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {order} = ?", (changed, row))


def rows(path: Path, table: str) -> int:
    """Return how many rows a table has."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _ignored(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "lock" or name.endswith((".ballast", ".sock"))}


def inventories(out: Path) -> dict[str, Any]:
    """Return what this release finds in each copy; the copies stay as they are."""
    found: dict[str, Any] = {}
    for state in ("killed", "clean"):
        for part in ("city", "edge"):
            found[f"{state}/{part}"] = inventory(part, out / state / part)
    for board in sorted((out / "killed" / "boards").iterdir()):
        found[f"boards/{board.name}"] = inventory("board", board)
    return found


def inventory(kind: str, folder: Path) -> Any:
    """Return what inventory.py says of a copy of the folder."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(folder, Path(name) / "copy")
        command = [sys.executable, str(HERE / "inventory.py"), kind, str(Path(name) / "copy")]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def wires(folder: Path) -> dict[str, Any]:
    """Return the beginning of what crossed both wires, and statements of each shape that ran on the databases."""
    taps = {name: (folder / f"{name}.tap").read_text().splitlines() for name in ("aggregator", "edge")}
    rows = [json.loads(line) for lines in taps.values() for line in lines]
    board: dict[str, list[Any]] = {}
    for way, thing, data in (row for row in rows if row[0] in ("to", "from")):
        kept = board.setdefault(thing, [])
        if sum(len(item[1]) for item in kept) < BOARD_HEX:
            kept.append([way, data])
    city = [row for row in rows if row[0] not in ("to", "from", "sql")][:CITY_MESSAGES]
    return {"city": city, "boards": board, "sql": statements(row for row in rows if row[0] == "sql")}


def statements(rows: Any) -> list[list[str]]:
    """Return [database, statement] of a few statements of each shape, in their order."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for _, name, text in rows:
        shape = re.sub(r"x'[0-9A-F]*'|'[^']*'|-?[0-9][0-9.e+-]*", "?", text, flags=re.I)
        seen[name, shape] += 1
        if seen[name, shape] == 1 or (seen[name, shape] <= STATEMENTS_EACH and len(text) < LONG):
            kept.append([name, text])
    return kept


def pack(out: Path) -> None:
    """Replace the folders by one archive: it is small, and nobody edits it."""
    with tarfile.open(out / "stores.tar.xz", "w:xz", preset=9) as archive:
        for folder in ("killed", "clean"):
            archive.add(out / folder, folder)
            shutil.rmtree(out / folder)


def main() -> None:
    """Record into the folder given on the command line."""
    out = Path(sys.argv[1]).absolute()
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name, Recorded(Path(name) / "run", OPTIONS) as city:
        try:
            run(city, out)
        except BaseException:
            for log in (city.folder / "logs").glob("*.log"):
                print(log.name, log.read_text(errors="replace")[-2000:], file=sys.stderr)
            raise
        recorded = wires(city.folder)
        shutil.copytree(city.folder / "keys", out / "clean" / "test-keys")
        for config in ("edge.toml", "aggregator.toml"):
            shutil.copy(city.folder / config, out / "clean")
        shutil.copytree(city.folder / "sites", out / "clean" / "sites")
    (out / "inventory.json").write_text(json.dumps(inventories(out), sort_keys=True) + "\n")
    with lzma.open(out / "wires.json.xz", "wt", preset=9) as file:
        json.dump(recorded, file)
    pack(out)
    print("\n".join(f"{path.name} {path.stat().st_size}" for path in sorted(out.iterdir())))


if __name__ == "__main__":
    main()
