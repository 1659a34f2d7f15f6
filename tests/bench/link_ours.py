"""Our durable city link, measured: a real aggregator, and an edge node's journal and uplink (city_link_edge.py)."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit
import zmq

from cityreflex.client import Client
from protocol import tasks

HERE = Path(__file__).parent
LIMIT_S = 180.0


def prepare(folder: Path) -> None:
    """Write keys and the configuration of one city with one edge node, all in `folder`."""
    folder.mkdir(parents=True)
    private, verify = tasks.new_keys()
    keys: dict[str, bytes] = {"sign.secret": private.hex().encode(), "sign.public": verify.hex().encode()}
    for name in ("city", "edge-1"):
        keys[f"{name}.public"], keys[f"{name}.secret"] = zmq.curve_keypair()
    keys["unused-1.secret"] = bytes(32)
    for name, key in keys.items():
        (folder / name).write_bytes(key)
        (folder / name).chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    (folder / "aggregator.toml").write_text(tomlkit.dumps(_aggregator(endpoint)))
    (folder / "edge.toml").write_text(tomlkit.dumps(_edge(endpoint)))


def _aggregator(endpoint: str) -> dict[str, Any]:
    return {
        "city": {"id": "city", "data_dir": "city", "api": "unix:c.sock"},
        "listen": {"endpoint": endpoint, "public_file": "city.public", "secret_file": "city.secret"},
        "edges": [{"id": "edge-1", "public_file": "edge-1.public"}],
        "signing": {"secret_file": "sign.secret"},
        "store": {"seal_every_s": 3600.0},
    }


def _edge(endpoint: str) -> dict[str, Any]:
    return {
        "edge": {"id": "edge-1", "data_dir": "edge", "api": "unix:e.sock"},
        "boards": [{"thing": "unused-1", "port": "unused", "key_file": "unused-1.secret"}],
        "city": {
            "endpoint": endpoint,
            "server_public_file": "city.public",
            "public_file": "edge-1.public",
            "secret_file": "edge-1.secret",
            "verify_key_file": "sign.public",
        },
    }


@contextlib.contextmanager
def city(folder: Path) -> Iterator[int]:
    """Run a real aggregator until the block ends; its process id."""
    with (folder / "city.log").open("wb") as log:
        command = [sys.executable, "-m", "cityreflex", "aggregator", "run", "--config", str(folder / "aggregator.toml")]
        process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def measure(folder: Path, frames: int) -> dict[str, Any]:
    """Return {frames, seconds, stored, ...}; `stored` is what the city's own ledger says. Raises: RuntimeError."""
    prepare(folder)
    with city(folder) as pid:
        command = [sys.executable, str(HERE / "city_link_edge.py"), str(folder / "edge.toml"), str(frames)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or len(lines) != 1:
            said = f"{done.stdout[-1000:]}\n{done.stderr[-2000:]}\n{(folder / 'city.log').read_text()[-2000:]}"
            raise RuntimeError(f"the edge failed:\n{said}")
        with Client(f"unix:{folder / 'c.sock'}") as client:
            rows = client.get("ledger")["accounts"]
        city_cpu_s = _cpu_s(pid)
    stored = sum(row["stored"] for row in rows if row["thing"].startswith("bench-"))
    return {**json.loads(lines[0]), "city_cpu_s": city_cpu_s, "stored": stored}


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process since its start. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
