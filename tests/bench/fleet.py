"""Many virtual boards of six channels at 1 Hz: who keeps real time, and what a board takes of memory and processor.

    python -m tests.bench.fleet [--boards 1000] [--seconds 60] [--dir FOLDER] [--out fleet.json]

`city sim up` runs scenario `stations` with so many boards, the real firmware on a VM each; `fleet_host.py` is the host
of them all. Everything shares the processors of this machine. Memory is PSS, processor time user and system, both from
/proc, over the measured window. A board kept real time if every sample that it owed in the window came, good, and none
was later than a period.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from simulator import faults, scenario
from simulator.runtime import raise_descriptor_limit
from tests.bench.fleet_host import Host, verdict

ROOT = Path(__file__).parents[2]
CHANNELS = 6
SETTLE_S = 10.0
START_LIMIT_S = 900.0
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


class FleetError(RuntimeError):
    """The boards did not come up; says what there is to read."""


def cpu_s(pid: int) -> float:
    """Return the processor seconds of a process since its start. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def pss_kb(pid: int) -> float:
    """Return the proportional set size of a process in kB. Source: proc(5), smaps_rollup."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    return float(found[1]) if found else 0.0


def busy_s() -> float:
    """Return the processor seconds of the whole machine since its start. Source: proc(5), first line of stat."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[:8])
    return (user + nice + system + irq + softirq + steal) * TICK_S


def children(pid: int) -> list[int]:
    """Return the processes that a process started, and theirs. Source: proc(5), task/.../children."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [each for child in found for each in children(child)]


def write_scenario(folder: Path, boards: int) -> Path:
    """Return scenario `stations` with so many boards, as a file in `folder`."""
    text = scenario.path_of("stations").read_text()
    found = re.sub(r"^copies = \d+$", f"copies = {boards}", text, flags=re.M)
    path = folder / "stations.toml"
    path.write_text(found)
    return path


@contextmanager
def simulator(folder: Path, boards: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the boards until the block ends; they are all powered on when it begins. Raises: FleetError."""
    words = ["sim", "up", str(write_scenario(folder, boards)), "--dir", str(folder), "--speed", "1"]
    log = folder / "sim.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "cityreflex", *words], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        wait_until(lambda: b"\nready " in b"\n" + log.read_bytes(), process, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def wait_until(condition: Any, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for a condition while the simulator runs. Raises: FleetError."""
    end_s = time.monotonic() + START_LIMIT_S
    while not condition():
        if process.poll() is not None or time.monotonic() > end_s:
            raise FleetError(f"the boards did not come up:\n{log.read_text()[-2000:]}")
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue


def measure(folder: Path, boards: int, seconds: int, settle_s: float = SETTLE_S) -> dict[str, Any]:
    """Return the figures of one run. Raises: FleetError."""
    raise_descriptor_limit(boards)
    started_s = time.monotonic()
    with simulator(folder, boards) as process:
        things = scenario.load(folder / "stations.toml").places
        host = Host({thing: folder / "dev" / thing for thing in things})
        while host.sampling() < boards:
            host.run(time.monotonic() + 1.0)
            if time.monotonic() - started_s > START_LIMIT_S:
                break
        up_s = time.monotonic() - started_s
        host.run(time.monotonic() + settle_s)
        vms, others = processes_of(folder, process.pid)
        found = window(host, vms, others, seconds)
        found |= {"boards": boards, "seconds": seconds, "up_s": up_s, **memory(vms, others)}
        verdicts = [verdict(line, seconds, CHANNELS) for line in host.lines.values()]
        host.close()
    return {**found, **summary(verdicts)}


def processes_of(folder: Path, simulator_pid: int) -> tuple[list[int], list[int]]:
    """Return the processes that are VMs, and those that carry them (simulator, bridges, fork servers)."""
    status = faults.send(folder / "faults.sock", {"fault": "status"}, timeout_s=60.0)["boards"]
    vms = [int(row["pid"]) for row in status.values()]
    return vms, sorted({simulator_pid, *children(simulator_pid)} - set(vms))


def window(host: Host, vms: list[int], others: list[int], seconds: int) -> dict[str, Any]:
    """Serve the host for the measured window; return what all used of the processors in it."""
    for line in host.lines.values():
        line.seen.forget()
    groups = {"vm": vms, "bridge": others, "host": [os.getpid()]}
    before = {name: sum(map(cpu_s, pids)) for name, pids in groups.items()}
    busy_before_s = busy_s()
    start_s = time.monotonic()
    host.run(start_s + seconds + 1.0)
    elapsed_s = time.monotonic() - start_s
    used = {name: sum(map(cpu_s, pids)) - before[name] for name, pids in groups.items()}
    others_s = busy_s() - busy_before_s - sum(used.values())
    host.run(time.monotonic() + 2.0)
    found = {f"{name}_cpu_share": value / elapsed_s for name, value in used.items()}
    return {
        **found,
        "others_cpu_share": others_s / elapsed_s,
        "vm_cpu_ms_per_board_s": 1e3 * used["vm"] / elapsed_s / len(vms),
        "bridge_cpu_ms_per_board_s": 1e3 * used["bridge"] / elapsed_s / len(vms),
        "host_cpu_ms_per_board_s": 1e3 * used["host"] / elapsed_s / len(vms),
        "load_1min": os.getloadavg()[0],
    }


def memory(vms: list[int], others: list[int]) -> dict[str, Any]:
    """Return what a board takes of memory, in kB."""
    return {
        "vm_pss_kb_per_board": sum(map(pss_kb, vms)) / len(vms),
        "bridge_pss_kb_per_board": sum(map(pss_kb, others)) / len(vms),
        "bridge_processes": len(others),
    }


def summary(verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many boards kept real time, samples owed and received, and lags in ms."""
    lags = np.array([lag for row in verdicts for lag in row["lags_ms"]])
    p50, p99, worst = np.percentile(lags, (50, 99, 100)) if len(lags) else (np.nan, np.nan, np.nan)
    wrong = [{key: row[key] for key in row if key != "lags_ms"} for row in verdicts if not row["kept"]]
    return {
        "kept_real_time": sum(row["kept"] for row in verdicts),
        "expected": sum(row["expected"] for row in verdicts),
        "received": sum(row["received"] for row in verdicts),
        "missing_numbers": sum(row.get("missing", 0) for row in verdicts),
        "periods_missed_by_boards": sum(row.get("late", 0) for row in verdicts),
        "lag_p50_ms": float(p50), "lag_p99_ms": float(p99), "lag_worst_ms": float(worst),
        "not_kept": wrong[:20],
    }  # fmt: skip


def lines(found: dict[str, Any]) -> list[str]:
    """Return the table for people."""
    f, vm_kb, bridge_kb = found, found["vm_pss_kb_per_board"], found["bridge_pss_kb_per_board"]
    return [
        f"{f['boards']} boards x {CHANNELS} channels at 1 Hz for {f['seconds']} s, up after {f['up_s']:.0f} s: "
        f"{f['kept_real_time']} kept real time",
        f"samples {f['received']} of {f['expected']}, numbers missing {f['missing_numbers']}; lag p50 "
        f"{f['lag_p50_ms']:.0f} ms, p99 {f['lag_p99_ms']:.0f}, worst {f['lag_worst_ms']:.0f} ms",
        f"each: PSS {vm_kb:.0f} kB, {bridge_kb:.0f} of bridges; "
        f"CPU {f['vm_cpu_ms_per_board_s']:.2f} ms/s, {f['bridge_cpu_ms_per_board_s']:.2f} of bridges",
        f"cores: VMs {f['vm_cpu_share']:.2f}, bridges {f['bridge_cpu_share']:.2f}, host {f['host_cpu_share']:.2f}, "
        f"others {f['others_cpu_share']:.2f}, of {os.cpu_count()}",
    ]


def run(folder: Path, boards: int = 1000, seconds: int = 60, settle_s: float = SETTLE_S) -> dict[str, Any]:
    """Return the figures of a fleet in a folder of its own."""
    path = folder / "fleet"
    path.mkdir()
    return measure(path, boards, seconds, settle_s)


def main() -> int:
    """Measure, print the table, write the JSON; exit code 1 if not all boards kept real time."""
    parser = argparse.ArgumentParser(description="Many virtual boards at 1 Hz.")
    parser.add_argument("--boards", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="for the boards' files")
    parser.add_argument("--out", type=Path, default=Path("fleet.json"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.dir, prefix="fleet-") as name:
        found = run(Path(name).absolute(), asked.boards, asked.seconds)
    found["table"] = lines(found)
    print("\n".join(found["table"]))
    asked.out.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if found["kept_real_time"] == found["boards"] else 1


if __name__ == "__main__":
    sys.exit(main())
