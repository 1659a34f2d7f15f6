"""What a city recorded is decided again, bit for bit; what differs is found and named; other rules are compared."""

import asyncio
import json
import shutil
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import msgpack
import pytest
import tomlkit
from click.testing import CliRunner, Result

from aggregator.backup import taking
from aggregator.replay.recording import opened
from aggregator.replay.run import Run
from cityreflex.commands.process_test import test as trial
from cityreflex.commands.replay import replay
from cityreflex.exits import CityError
from durable import chained_log, sealed
from durable import opened as blob_of
from processes import replaying
from processes.fingerprint import fingerprint

from .kills import replay as replay_all
from .recorder import SITE, T0_UTC_US, Recorder, flood

PERIODS = 260
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("recorded") / "city"
    asyncio.run(Recorder(folder, PERIODS).run())
    return folder


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "city"))


def run(folder: Path, from_us: int = 0, to_us: int = 2**62, **more: Any) -> dict[str, Any]:
    with opened(folder) as recording:
        return Run(recording, from_us, to_us, **more).run()


def city(*words: str) -> Result:
    return CliRunner().invoke(replay, list(words), catch_exceptions=True)


def test_all_is_decided_again(recorded: Path) -> None:
    found = replay_all(recorded)
    assert found["equal"] and found["changed"] == 0 and found["steps"] > PERIODS // 10
    assert (found["samples"], found["missing_samples"]) == (3 * PERIODS, 0)
    (row,) = found["instances"]
    assert row["recorded"] == row["replayed"] != ""


def test_a_replay_may_begin_in_the_middle_and_end_before_the_end(recorded: Path) -> None:
    found = run(recorded, T0_UTC_US + HOUR_US, T0_UTC_US + 2 * HOUR_US)
    assert found["equal"] and 12 <= found["steps"] < run(recorded)["steps"]


def test_a_backup_replays_the_same(recorded: Path, tmp_path: Path) -> None:
    taking.take(taking.Source("city", recorded, {}), tmp_path / "backup", 1)
    assert run(tmp_path / "backup")["replayed"] == run(recorded)["recorded"]


def spoil(folder: Path, offset: int) -> None:
    """Change the levels of ten commits, checksums and all."""
    with sqlite3.connect(folder / "store.db") as store:
        query = "SELECT commit_no, data FROM blobs ORDER BY commit_no LIMIT 10 OFFSET ?"
        for number, data in store.execute(query, (offset,)).fetchall():
            records = bytearray(blob_of(data) or b"")
            records[10] ^= 0xFF  # of the level's float
            store.execute("UPDATE blobs SET data = ? WHERE commit_no = ?", (sealed(bytes(records)), number))


def test_a_sample_that_changed_since_is_found_at_its_step(copy: Path) -> None:
    spoil(copy, 50)
    found = run(copy)
    assert not found["equal"] and found["changed"] > 0 and found["missing_samples"] == 0
    first = found["differences"][0]
    assert first["instance"] == "flood" and first["what"] == "another outcome"


def test_samples_that_are_gone_are_counted(copy: Path) -> None:
    with sqlite3.connect(copy / "store.db") as store:
        store.execute("DELETE FROM frames WHERE first = (SELECT min(first) FROM frames)")
    assert run(copy)["missing_samples"] == 3


def test_another_fingerprint_lists_what_changed_and_is_no_failure(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(copy, 50)
    monkeypatch.setattr(replaying, "fingerprint", lambda: {**fingerprint(), "cpu": "another"})
    found = run(copy)
    assert found["fingerprint_differs_in"] == ["cpu"] and len(found["differences"]) == found["changed"] > 0
    done = city("--data", str(copy))
    assert done.exit_code == 0 and "recorded elsewhere: cpu" in done.output


def test_another_process_shows_what_it_would_have_done(recorded: Path) -> None:
    calm = flood(site={"threshold_m": 3.0})
    found = run(recorded, instead=calm)["instead"]
    assert found["tasks"]["removed"] and found["fault"] == "" and found["not_recorded"] == []
    same = run(recorded, instead=flood())["instead"]
    assert not same["tasks"]["added"] and not same["tasks"]["removed"] and not same["tasks"]["moved"]
    assert {row["estimate"] for row in same["scores"]} == {"level", "level_forecast"}


def write(path: Path, **changes: Any) -> Path:
    senses = {"level": "river-1/level", "rain": "river-1/rain", "opening": "river-1/opening"}
    data = {"template": "flood", "every_s": 300, "lateness_s": 3600, "senses": senses, "site": SITE, **changes}
    path.write_text(tomlkit.dumps(data))
    return path


def test_the_command_says_it_in_words_and_in_json(recorded: Path, tmp_path: Path) -> None:
    done = city("--data", str(recorded))
    assert done.exit_code == 0 and "  equal" in done.output and "level_forecast" in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    other = write(tmp_path / "new.toml", senses={"level": "river-1/level", "rain": "mast-9/rain",
                                                 "opening": "river-1/opening"})  # fmt: skip
    done = city("--data", str(recorded), "--process", str(other), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["instead"]["not_recorded"] == ["mast-9/rain"]


def test_a_changed_record_ends_with_exit_code_6(copy: Path) -> None:
    spoil(copy, 0)
    done = city("--data", str(copy))
    assert done.exit_code == 6 and "NOT EQUAL" in done.output


@pytest.mark.parametrize(("words", "says"), [
    (["--data", "nowhere"], "neither the data folder of a city nor a backup"),
    (["--from", "2030-01-01"], "nothing is recorded between"),
    (["--from", "2024-01-02", "--to", "2024-01-01"], "is not before"),
    (["--from", "yesterday"], "nothing is recorded between"),
    (["--from", "today", "--to", "yesterday"], "is not before"),
    (["--from", "last week"], "ISO 8601"),
])  # fmt: skip
def test_what_can_not_be_replayed_says_why(recorded: Path, words: list[str], says: str) -> None:
    done = city("--data", str(recorded), *words)
    assert done.exit_code != 0 and says in f"{done.output}{done.exception}"


def test_a_trial_on_recorded_data_says_what_a_process_would_do(recorded: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "flood.toml")
    done = CliRunner().invoke(trial, [str(file), "--data", str(recorded), "--json"])
    assert done.exit_code == 0, done.exception
    found = json.loads(done.output)
    assert found["samples"] == {f"river-1/{name}": PERIODS for name in ("level", "rain", "opening")}
    assert found["tasks"] and found["fault"] == "" and found["too_late"] == 0
    part = CliRunner().invoke(trial, [str(file), "--data", str(recorded), "--from", "2023-11-15T01:00", "--json"])
    assert 0 < json.loads(part.output)["steps"] < found["steps"]


def rewrite(folder: Path, change: Any) -> None:
    """Change the entries that a replay begins with, and the chain with them, as who knows how it is made can."""
    query = "SELECT number, body FROM engine_log ORDER BY number"
    with sqlite3.connect(folder / "store.db") as store:
        chain = bytes(chained_log.CHAIN)
        first = store.execute("SELECT min(first_utc_us) FROM engine_log WHERE first_utc_us > 0").fetchone()[0]
        begin = chained_log.base_before(store, first)
        for number, stored in store.execute(query).fetchall():
            bodies = msgpack.unpackb(zlib.decompress(blob_of(stored) or b""))
            if number == begin:
                version, entries = msgpack.unpackb(bodies[0], strict_map_key=False)
                bodies[0] = msgpack.packb(change(version, entries))
            for body in bodies:
                chain = chained_log.chained(chain, body)
            packed = sealed(zlib.compress(msgpack.packb(bodies)))
            store.execute("UPDATE engine_log SET chain = ?, body = ? WHERE number = ?", (chain, packed, number))


FORGERIES: dict[str, Any] = {
    "another version": lambda version, entries: [version + 1, entries],
    "no pair": lambda version, entries: [version],
    "no list": lambda version, entries: [version, [7, *entries]],
    "no kind": lambda version, entries: [version, [[], *entries]],
    "no setup": lambda version, entries: [version, [["start", None, [], b""], *entries]],
    "no name": lambda version, entries: [version, [["start", {"instances": [{"name": 5}]}, [], b""], *entries]],
    "no arrays": lambda version, entries: [version, [*entries, ["samples", "x", b"123", 1, 2, 3, None]]],
    "no time": lambda version, entries: [version, [*entries, ["tick", "noon", [], {}]]],
    "no rows": lambda version, entries: [version, [*entries, ["tick", 1, [[[]]], {}]]],
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=list(FORGERIES))
def test_a_log_that_was_forged_with_its_chain_is_damaged_not_a_traceback(copy: Path, forged: Any) -> None:
    rewrite(copy, forged)
    found = city("--data", str(copy))
    error = found.exception
    code = error.code if isinstance(error, CityError) else found.exit_code
    assert isinstance(error, CityError | SystemExit), repr(error)
    assert code == 6, found.output
