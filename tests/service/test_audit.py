"""The audit log is durable, numbered, owner only; a torn line costs itself alone; a full disk is told."""

import hashlib
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from service import audit
from service.audit import AuditLog, read


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(read(folder))


def test_lines_are_numbered_across_restarts_and_for_the_owner_alone(tmp_path: Path) -> None:
    for start in range(3):
        log = AuditLog(tmp_path, wall=lambda: 7)
        log.write([{"event": "started", "start": start}])
        log.note([{"event": "refused"}, {"event": "refused"}])
        log.close()
    assert [row["n"] for row in rows(tmp_path)] == list(range(1, 10))
    third, fourth = (tmp_path / audit.FILE).read_bytes().splitlines()[2:4]
    before = hashlib.sha256(third).hexdigest()
    assert json.loads(fourth) == {"n": 4, "utc_us": 7, "event": "started", "start": 1, "prev": before}
    assert stat.S_IMODE((tmp_path / audit.FILE).stat().st_mode) == 0o600


def test_what_a_power_cut_tore_costs_itself_alone(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.write([{"event": "one"}, {"event": "two"}])
    log.close()
    path = tmp_path / audit.FILE
    path.write_bytes(path.read_bytes()[:-7])
    log = AuditLog(tmp_path)
    log.write([{"event": "three"}])
    log.close()
    assert [(row["n"], row["event"]) for row in rows(tmp_path)] == [(1, "one"), (2, "audit_torn"), (3, "three")]


def test_old_files_are_set_aside_and_the_oldest_go(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, max_bytes=200)
    for at in range(100):
        log.write([{"event": "refused", "at": at}])
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) <= audit.MAX_FILES + 2, "one more until a line says that it goes"
    numbers = [row["n"] for row in rows(tmp_path)]
    assert numbers == list(range(numbers[0], log.number + 1))
    assert [row["at"] for row in rows(tmp_path) if row["event"] == "refused"][-1] == 99


def test_a_full_disk_is_told_and_nothing_is_lost_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "RETRY_S", 0.01)
    log = AuditLog(tmp_path)
    full, refused = True, threading.Event()
    write = os.write

    def writing(file: int, data: bytes) -> int:
        if full:
            refused.set()
            raise OSError(28, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(audit.os, "write", writing)
    log.note([{"event": "refused", "at": at} for at in range(3)])
    assert refused.wait(90)
    while not log.problem:
        assert refused.wait(90)
    assert "No space left" in log.problem
    full = False
    log.note([{"event": "refused", "at": 3}])
    log.close()
    assert [row["at"] for row in rows(tmp_path)] == [0, 1, 2, 3]
    assert (log.problem, log.dropped) == ("", 0)


def test_waiting_lines_are_bounded_and_what_finds_no_room_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(tmp_path)
    with log._writing:  # nothing leaves meanwhile
        log.note([{"at": 0}])
        log.note({"at": at} for at in range(2 * audit.MAX_WAITING + 1))
        assert log.dropped >= 1
    log.close()
    assert len(rows(tmp_path)) + log.dropped == 2 * audit.MAX_WAITING + 2
