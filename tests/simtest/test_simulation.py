"""The simulation itself: same seed, same history; it notices what is wrong; it makes what it found smaller."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .disk import Committer, Drive
from .mutation import Mutation
from .mutations import MUTATIONS
from .planted import PlantError, mutated
from .streams import Stream
from .wires import Eye, frames_in
from .world import SECOND, Violation, World

ROOT = Path(__file__).parents[2]


def simtest(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the simulation in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def trace(seed: int, hash_seed: str) -> str:
    """Return the hash of the history of one short run."""
    words = ("--trace", "hash", "--first", str(seed), "--minutes", "12", "--until", "200")
    done = simtest("tests.simtest", *words, PYTHONHASHSEED=hash_seed)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.partition(", trace ")[2].split(",")[0]


@pytest.mark.slow
def test_same_seed_gives_the_same_history_whatever_the_hash_seed() -> None:
    assert trace(3, "1") == trace(3, "2") != trace(4, "1")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_planted_bug_is_found_and_its_history_is_repeated_by_the_command_that_is_printed_and_made_smaller() -> None:
    bug = {"SIMTEST_MUTANT": "edge acks when it queues"}
    found = simtest("tests.simtest", "--seeds", "1", "--minutes", "12", "--jobs", "1", **bug)
    assert found.returncode == 1, found.stdout + found.stderr
    lines = [line for line in found.stdout.splitlines() if line.startswith("seed 1 VIOLATES ack_before_commit")]
    assert len(lines) == 2, found.stdout
    assert "smaller:" in found.stdout
    command = [line for line in found.stdout.splitlines() if "again: make simtest" in line][-1]
    more = command.partition("MORE='")[2].rstrip("'").split()
    again = simtest("tests.simtest", "--trace", "hash", "--first", "1", "--minutes", "12", *more, **bug)
    assert lines[-1].partition("(trace ")[2].rstrip(")") in again.stdout


@pytest.mark.slow
def test_a_run_that_ends_its_faults_early_is_repeated_without_counting_events() -> None:
    words = ("tests.simtest", "--trace", "hash", "--first", "4", "--minutes", "20")
    early = simtest(*words, "--enough", "3000").stdout
    more = early.partition("MORE='")[2].partition("'")[0].split()
    assert more[0] == "--calm" and float(more[1]) < 12 * 60
    again = simtest(*words, *more).stdout
    assert again == early.splitlines()[0].rpartition(",")[0] + again[again.rindex(",") :]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_an_hour_apart_with_both_wanting_the_gate(seed: int) -> None:
    done = simtest("tests.simtest.partition", str(seed))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_planted_bug_still_fits_the_product(mutation: Mutation) -> None:
    for path, source in mutated(*mutation.edits).items():
        compile(source, path, "exec")


def test_a_bug_that_does_not_fit_any_more_is_an_error() -> None:
    with pytest.raises(PlantError, match="found 0 times"):
        mutated(("durable/group.py", "no such text", ""))


def test_a_callback_that_fails_after_a_commit_is_a_violation() -> None:
    world = World(1)
    drive = Drive(world.rng("drive"), lambda connection: None)
    committer = Committer(world, drive, world.rng("commits"), pytest.fail, Path("x"), schema="CREATE TABLE t(x)")
    told: list[int] = []
    committer.submit(lambda connection: 5, told.append)
    world.run_until(SECOND)
    assert told == [5]
    committer.submit(lambda connection: 5, lambda result: told.index(6))
    with pytest.raises(Violation, match="callback_failed"):
        world.run_until(2 * SECOND)


def test_facts_about_samples() -> None:
    stream = Stream("a", "b")
    for n in range(10):
        stream.acquire(bytes([n] * 12))
    stream.mark("edge_durable", 2, 5)
    assert stream.lacks("edge_durable", 2, 5) is None
    assert stream.lacks("edge_durable", 0, 5) == 0 and stream.lacks("edge_durable", 2, 9) == 5
    assert stream.lacks("city_durable", 0, 1) == 0 and stream.count("edge_durable") == 3
    stream.unmark("edge_durable", 3, 4)
    assert stream.lacks("edge_durable", 2, 5) == 3
    assert stream.records(1, 3) == bytes([1] * 12 + [2] * 12)


def test_the_oracle_reads_frames_as_they_are_written_in_whatever_chunks() -> None:
    from protocol.board_link import build_frame, encode_ack, encode_sync  # noqa: PLC0415

    wire = build_frame(encode_sync(7)) + build_frame(encode_ack("0badcafe-3", [(0, 300)], [5]))
    assert [items[0] for items in frames_in(wire)] == [5, 6]
    eye, found = Eye(), []
    for byte in wire:
        found += eye.feed(bytes([byte]))
    assert found == frames_in(wire) and found[1][2:] == [[[0, 300]], [5]]
    assert frames_in(wire[:3] + b"\xff" + wire[3:])[0][0] == 6
