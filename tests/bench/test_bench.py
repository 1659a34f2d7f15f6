"""The bench measures what it says: acked samples are stored ones, memory is no disk, a missing peer is no silence."""

from pathlib import Path
from typing import Any

import encoding
import facts
import link_ours
import link_zmq
import measure
import payload
import peers
import pytest


@pytest.mark.system
def test_what_ours_counts_as_acked_is_in_the_citys_ledger(tmp_path: Path) -> None:
    found = link_ours.measure(tmp_path / "ours", 300)
    assert found["frames"] == 300
    assert found["stored"] == 300 * payload.SAMPLES
    assert found["messages"] >= payload.BOARDS
    assert found["commits"] > 0 and found["resent"] == 0


@pytest.mark.system
@pytest.mark.parametrize("merge", [1, 32])
def test_what_bare_zeromq_counts_is_in_both_files(tmp_path: Path, merge: int) -> None:
    assert link_zmq.measure(tmp_path / "bare", 2500, merge=merge)["frames"] == 2500
    content = b"".join(payload.FRAMES[number % 1000] for number in range(2500))
    assert (tmp_path / "bare" / "edge.log").read_bytes() == content
    assert (tmp_path / "bare" / "city.log").read_bytes() == content


def test_all_carry_the_same_64_records_that_differ() -> None:
    assert {len(frame) for frame in payload.FRAMES} == {64 * 12}
    assert len(set(payload.FRAMES)) == len(payload.FRAMES)


@pytest.mark.parametrize("magic", facts.MEMORY)
def test_memory_is_refused(magic: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(facts, "file_system", lambda folder: magic)
    monkeypatch.setattr("sys.argv", ["measure.py", "--dir", str(tmp_path), "--out", str(tmp_path / "bench.json")])
    assert measure.main() == 1
    assert "syncs nothing: run `make bench` from a folder on a disk" in capsys.readouterr().err
    assert not (tmp_path / "bench.json").exists()


def test_statfs_knows_proc_from_a_disk(tmp_path: Path) -> None:
    assert facts.file_system(Path("/proc")) == 0x9FA0
    with pytest.raises(FileNotFoundError):
        facts.file_system(tmp_path / "nowhere")


def test_a_missing_peer_is_reported_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ours(folder: Path, frames: int) -> dict[str, Any]:
        return {"frames": frames, "seconds": 1.0}

    def missing(folder: Path, frames: int) -> dict[str, Any]:
        peers.program("no-such-broker", "apt-get install no-such-broker")
        raise AssertionError

    mine = measure.Contender("ours", 10, None, ours)
    monkeypatch.setattr(measure, "OURS", mine)
    monkeypatch.setattr(measure, "PEERS", (measure.Contender("other", 10, 6.0, missing),))
    rows = measure.link(tmp_path, rounds=2)
    assert rows[0]["samples_per_s"] == 640.0
    assert rows[1]["missing"] == "no-such-broker is not installed: apt-get install no-such-broker"


def test_a_ratio_is_the_median_of_the_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"ours": iter([1.0, 2.0, 4.0]), "other": iter([2.0, 8.0, 4.0])}

    def made(name: str) -> measure.Contender:
        return measure.Contender(name, 10, None, lambda folder, n: {"frames": n, "seconds": next(times[name])})

    monkeypatch.setattr(measure, "OURS", made("ours"))
    monkeypatch.setattr(measure, "PEERS", (made("other"),))
    other = measure.link(tmp_path, rounds=3)[1]
    assert (other["ratio_min"], other["ratio"], other["ratio_max"]) == (1.0, 2.0, 4.0)


@pytest.mark.system
def test_encoding_is_compared_in_native_code_and_in_python_at_three_sizes(tmp_path: Path) -> None:
    rows = encoding.run(tmp_path)
    assert [row["bytes"] for row in rows] == [64, 96, 2052]
    for row in rows:
        assert row["ratio"] == pytest.approx(row["plain_us"] / row["native_us"])
        assert row["native_us"] > 0
    assert len(encoding.lines(rows)) == 3
