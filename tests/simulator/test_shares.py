"""A scenario shared out to processes: all boards run, faults find theirs, and nothing outlives the run."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator import faults, shares
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PROGRAM = """
import machine, time
i2c = machine.I2C(0, sda=machine.Pin("GP4"), scl=machine.Pin("GP5"))
while True:
    time.sleep_ms(100)
    try:
        print("id", i2c.readfrom_mem(0x76, 0xD0, 1)[0])
    except OSError as error:
        print("errno", error.errno)
"""
CODE = """
import asyncio, sys
from pathlib import Path
from simulator import shares
from simulator.runtime import BoardSpec
folder = Path(sys.argv[1])
specs = [BoardSpec(f"station-{n}", folder / "fs") for n in (1, 2, 3)]
asyncio.run(shares.run("stations", folder, specs, 2, speed=1.0, seed=1))
"""


@pytest.mark.system
def test_boards_of_two_processes_run_take_their_faults_and_end_together(tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs" / "main.py").write_text(PROGRAM)
    said = tmp_path / "said"
    with said.open("w") as file:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path)], stderr=file, env=environment)

    def log(number: int) -> str:
        path = tmp_path / "logs" / f"station-{number}.vm.log"
        return path.read_text() if path.exists() else ""

    def fault(**words: Any) -> dict[str, Any]:
        return faults.send(tmp_path / "faults.sock", words)

    try:
        until(lambda: "processes=2 boards=station-1,station-2,station-3" in said.read_text(), look=said.read_text)
        until(lambda: all("id 96" in log(number) for number in (1, 2, 3)))
        rows = fault(fault="status")["boards"]
        assert sorted(rows) == ["station-1", "station-2", "station-3"]
        assert fault(fault="nack", thing="station-2", sensor="air") == {"ok": True}
        until(lambda: "errno 5" in log(2))
        assert "errno" not in log(1) + log(3)
        assert fault(fault="clear") == {"ok": True}
        assert fault(fault="nack", thing="nobody", sensor="air") == {"ok": False, "error": "no board 'nobody'"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, said.read_text()
    finally:
        process.kill()
        process.wait()
    until(lambda: not any(Path(f"/proc/{row['pid']}/status").exists() for row in rows.values()))
    assert not (tmp_path / "faults.sock").exists() and not list((tmp_path / "dev").iterdir())


@pytest.mark.system
def test_a_share_that_cannot_start_ends_the_run_and_says_why(tmp_path: Path, capfd: Any) -> None:
    specs = [shares.BoardSpec(f"station-{n}", tmp_path) for n in (1, 2)]
    with pytest.raises(shares.ShareError, match=r"the process of station-\d ended with code 1"):
        asyncio.run(shares.run("stations", tmp_path, specs, 2, speed=1.0, nonsense=1))
    assert "nonsense" in capfd.readouterr().err


def test_what_acts_is_not_shared_out_and_few_boards_are_carried_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares.os, "cpu_count", lambda: 2)
    counts = [shares.processes_for(boards, acts=False) for boards in (1, 250, 251, 1000)]
    assert (counts, shares.processes_for(1000, acts=True)) == ([1, 1, 2, 2], 1)
