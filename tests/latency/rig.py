"""Two virtual boards on the real VM in this process, edge node and city as processes of their own."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import tomlkit
import zmq

from cityreflex.client import Client
from cityreflex.run_dir import Prepared, prepare
from service.files import write_once
from simulator.scenario import Scenario
from simulator.wiring import WiredBoard

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HARDWARE_NICE = -10
START_S, CROSSING_S, STOP_S = 90.0, 5.0, 15.0
CONTACT, RELAY = 14, 10
LOADER = "edge-2"


def scenario() -> Scenario:
    """Return the two boards: what senses, what acts."""
    output = {"pin": "GP10", "drives": "lamp"}
    boards = [
        {"thing": "switch-1", "board": str(HERE / "boards" / "switch"), "clock_ppm": 25.0},
        {"thing": "lamp-1", "board": str(HERE / "boards" / "lamp"), "clock_ppm": -15.0, "outputs": [output]},
    ]
    return Scenario.model_validate({"name": "latency", "world": "classroom", "boards": boards})


def hurry() -> None:
    """Give the virtual hardware, which is this process and its VMs, the priority of a board with a core of its own.

    Without the right to (root, CAP_SYS_NICE) it stays as it is.
    """
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, HARDWARE_NICE)


class Contact:
    """The contact at the sensing board's pin; `read_s` is when the board first saw its present level."""

    def __init__(self) -> None:
        self.level, self.read_s = 1, 0.0

    def __call__(self) -> int:
        """Return the level, as the pin asks for it."""
        if not self.read_s:
            self.read_s = time.monotonic()
        return self.level

    def toggle(self) -> float:
        """Change the level; return the moment in s."""
        self.level, self.read_s = 1 - self.level, 0.0
        return time.monotonic()


class Rig:
    """A run directory with everything in it. `where`: "city" or "edge" decides."""

    def __init__(self, folder: Path, where: str, seed: int = 1) -> None:
        self.folder, self.where, self.rng = folder, where, Random(seed)
        self.contact, self.changed = Contact(), asyncio.Event()
        self.pin_s = 0.0
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self) -> Prepared:
        """Write keys, configuration and board folders."""
        made = prepare(self.folder, scenario(), speed=1.0, epoch_utc_us=time.time_ns() // 1000, start_in_s=0.0)
        site = {
            "template": "follow", "runs_on": self.where, "every_s": 0, "lateness_s": 60,
            "senses": {"contact": "switch-1/closed"}, "responds": {"lamp": {"actuator": "lamp-1/on"}},
            "site": {"valid_ms": 5000},
        }  # fmt: skip
        (self.folder / "sites" / "follow.toml").write_text(tomlkit.dumps(site))
        self._change("edge.toml", self._processes)
        self._change("aggregator.toml", self._processes)
        self._add_loader()
        return made

    def _processes(self, config: dict[str, Any]) -> None:
        config["processes"] = {"files": ["sites/follow.toml"], "templates": [str(HERE / "templates")]}

    def _change(self, name: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        config: dict[str, Any] = tomlkit.parse((self.folder / name).read_text()).unwrap()
        change(config)
        (self.folder / name).write_text(tomlkit.dumps(config))
        return config

    def _add_loader(self) -> None:
        """A second edge node, for the load."""
        public, secret = zmq.curve_keypair()
        (self.folder / "keys" / f"{LOADER}.public").write_bytes(public)
        write_once(self.folder / "keys" / f"{LOADER}.secret", secret)
        write_once(self.folder / "keys" / "unused-1.key", bytes(32))
        edges = {"id": LOADER, "public_file": f"keys/{LOADER}.public"}
        self._change("aggregator.toml", lambda config: config["edges"].append(edges))
        config: dict[str, Any] = tomlkit.parse((self.folder / "edge.toml").read_text()).unwrap()
        config["edge"] = {"id": LOADER, "data_dir": "loader", "api": "unix:l.sock"}
        config["boards"] = [{"thing": "unused-1", "port": "unused", "key_file": "keys/unused-1.key"}]
        config["city"] |= {"public_file": f"keys/{LOADER}.public", "secret_file": f"keys/{LOADER}.secret"}
        config["processes"] = {"files": []}
        (self.folder / "loader.toml").write_text(tomlkit.dumps(config))

    async def __aenter__(self) -> "Rig":
        """Start boards, city and edge node."""
        hurry()
        made = self.prepare()
        specs = {spec.thing: spec.fs_dir for spec in made.boards}
        self.boards = [WiredBoard(place, specs[place.thing], self.folder) for place in scenario().boards]
        self.boards[0].io.pins.net(CONTACT).source = self.contact
        self.boards[1].io.pins.watch(RELAY, self._pin)
        for board in self.boards:
            board.board.power_on()
        for name in ("aggregator", "edge"):
            self.start(name, "cityreflex", name, "run", "--config", str(self.folder / f"{name}.toml"))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        for name in list(self._running):
            self.stop(name)
        for board in self.boards:
            await board.stop()

    def start(self, name: str, module: str, *words: str) -> None:
        """Start a process of its own."""
        with (self.folder / "logs" / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *words], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0,
            )  # fmt: skip
        os.setpriority(os.PRIO_PROCESS, self._running[name].pid, 0)

    def stop(self, name: str) -> None:
        """Ask a process to end, and make it end."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)

    def _pin(self, _: int) -> None:
        self.pin_s = time.monotonic()
        self.changed.set()

    async def crossing(self) -> tuple[float, float] | None:
        """Cross the threshold once; return ms from the sample to the pin, and from the contact to the pin.

        None: nothing happened in time.
        """
        await asyncio.sleep(self.rng.uniform(0.04, 0.08))
        self.changed.clear()
        crossed_s = self.contact.toggle()
        try:
            await asyncio.wait_for(self.changed.wait(), CROSSING_S)
        except TimeoutError:
            return None
        return (self.pin_s - self.contact.read_s) * 1e3, (self.pin_s - crossed_s) * 1e3

    async def ready(self) -> None:
        """Wait until crossings have an effect. Raises: TimeoutError."""
        end = time.monotonic() + START_S
        while await self.crossing() is None:
            for name, process in self._running.items():
                if process.poll() is not None:
                    log = (self.folder / "logs" / f"{name}.log").read_text(errors="replace")
                    raise TimeoutError(f"{name} ended with code {process.returncode}: {log[-1500:]}")
            if time.monotonic() > end:
                raise TimeoutError(f"no crossing had an effect within {START_S:.0f} s; see {self.folder}/logs")

    def hops(self) -> dict[str, Any]:
        """Return the latency page of the city: n, p50 and p99 by hop."""
        with Client(f"unix:{self.folder / 'city' / 'api.sock'}") as client:
            return dict(client.get("latency"))

    def load(self, samples_s: float) -> None:
        """Let a second edge node send; 0: as much as the city takes."""
        self.start("loader", "tests.latency.load", str(self.folder / "loader.toml"), str(samples_s))

    def loaded(self) -> float:
        """Return the samples a second that the load reached in its last second."""
        lines = (self.folder / "logs" / "loader.log").read_text(errors="replace").splitlines()
        rows = [json.loads(line) for line in lines if line.startswith('{"samples_s"')]
        return float(rows[-1]["samples_s"]) if rows else 0.0
