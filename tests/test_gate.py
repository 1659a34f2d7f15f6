"""The gate runs its parts side by side: what only computes stands back, and the last line says what failed."""

import asyncio
import os
from pathlib import Path

import pytest

from tests import gate
from tests.conftest import LONGEST
from tests.gate import Gate, Part

POLICY = "import os; print(os.sched_getscheduler(0), os.getsid(0))"


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, system: str, *beside: str) -> int:
    monkeypatch.setattr(gate, "SYSTEM", Part("system tests", ("-c", system)))
    monkeypatch.setattr(gate, "BESIDE", tuple(Part(f"part {at}", ("-c", code)) for at, code in enumerate(beside)))
    return asyncio.run(Gate(2, folder).run())


def test_what_computes_takes_what_the_system_tests_leave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, POLICY, POLICY) == 0
    said = capfd.readouterr().out.splitlines()
    session = os.getsid(0)
    assert f"{os.sched_getscheduler(0)} {session}" in said, "the system tests are as they were started"
    assert f"{os.SCHED_IDLE} {session}" in said, "a session of its own would have its own share of the cores"
    assert said[-1].startswith("gate: passed in ")


def test_the_last_line_says_what_failed_and_all_else_ran(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "exit(3)", "print('why'); exit(1)", "print({jobs})") == 1
    said = capfd.readouterr().out.splitlines()
    assert said[-1].startswith("gate: FAILED: ")
    assert set(said[-1].removeprefix("gate: FAILED: ").partition(" (")[0].split(", ")) == {"system tests", "part 0"}
    assert "why" in said and "2" in said


def test_the_longest_are_there() -> None:
    assert [name for name in LONGEST if not (gate.ROOT / "tests" / name).exists()] == []


def test_a_failed_system_test_alone_fails_the_gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, tmp_path, "exit(1)", "") == 1
