"""A technician with picocom in a terminal of 80 columns, on a virtual board: from a pulled wire to a calibration."""

import asyncio
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.kit import board_file, bundle
from protocol import board_link, manifest
from protocol.host_decoder import HostDecoder
from simulator import faults, scenario
from simulator.runtime import BoardSpec, run
from tests.waiting import until

pytestmark = pytest.mark.system
THING = "gate-1"
PROMPT = f"{THING}>"


class Terminal:
    """A tmux session of its own server, 80 columns wide."""

    def __init__(self, folder: Path, command: str) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux.sock"), "-f", "/dev/null"]
        subprocess.run([*self._tmux, "new-session", "-d", "-x", "80", "-y", "40", command], check=True)

    def screen(self) -> str:
        """All that was shown since the last `clear`, lines as they stand on the screen."""
        done = subprocess.run(
            [*self._tmux, "capture-pane", "-p", "-S", "-"], check=True, capture_output=True, text=True
        )
        return done.stdout

    def clear(self) -> None:
        """Forget what was shown."""
        subprocess.run([*self._tmux, "send-keys", "-R", ";", "clear-history"], check=True)

    def keys(self, *keys: str) -> None:
        """Type keys, by tmux's names or as text."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def ask(self, line: str, wanted: str = r"^ok$|^err E-", after: str = PROMPT) -> str:
        """What stands on the screen once the reply to `line` ended with `wanted` and a prompt."""
        self.clear()
        self.keys("-l", line)
        until(lambda: line[-20:] in self.screen().replace("\n", ""), f"echo of {line}", look=self.screen)
        self.keys("Enter")
        ended = re.compile(f"(?:{wanted})(?:.*\n)+?{re.escape(after)}", re.M)
        until(lambda: ended.search(self.screen()), f"reply to {line}", look=self.screen)
        return self.screen()

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)


class Simulation:
    """gate-1 of riverside in a thread: its folder, its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = folder / "dev" / THING
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        place = scenario.load("riverside").board(THING)
        files = self.folder / "boards" / THING
        overrides = {**place.overrides, "jumper": {"pin": "GP21", "active": "high", "pull": "up"}}  # open: set
        bundle.build(board_file.board_path(place.board), files, thing=THING, overrides=overrides, key=bytes(32))

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await run("riverside", self.folder, [BoardSpec(THING, files)], stop=self._stop)

        asyncio.run(main())

    def start(self) -> None:
        self._thread.start()
        until(lambda: self.port.exists() and (self.folder / "faults.sock").exists(), "the port is there")

    def fault(self, **fault: Any) -> None:
        answer = faults.send(self.folder / "faults.sock", fault)
        assert answer["ok"], answer

    def truth(self) -> dict[str, Any]:
        """What the world was like when it was noted last."""
        return dict(json.loads((self.folder / "world.jsonl").read_text().splitlines()[-1]))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def simulation(tmp_path: Path) -> Iterator[Simulation]:
    made = Simulation(tmp_path)
    made.start()
    yield made
    made.close()


@pytest.fixture
def terminal(simulation: Simulation) -> Iterator[Terminal]:
    for program in ("tmux", "picocom"):
        if not shutil.which(program):
            pytest.skip(f"{program} is missing: apt-get install {program}")
    simulation.fault(fault="garbage", thing=THING, to="board", hex="00175b0b2f52c9")  # half a frame went before
    made = Terminal(simulation.folder, f"picocom --quiet --baud 115200 --noreset --noinit --nolock {simulation.port}")
    yield made
    made.close()


def hello_of(port: Path) -> board_link.Hello:
    """What the board says to a host."""
    decoder = HostDecoder()
    with port.open("r+b", buffering=0) as link:
        link.write(board_link.build_frame(board_link.encode_hello(1)))
        while True:
            for body in decoder.feed(link.read(64)):
                message = board_link.decode_board(body)
                if isinstance(message, board_link.Hello):
                    return message


def opening(terminal: Terminal) -> float:
    """The opening that the board reads, by the console."""
    found = re.search(r"^opening_feedback +(\S+)", terminal.ask("get opening_feedback"), re.M)
    assert found is not None
    return float(found[1])


def test_from_a_pulled_wire_to_a_calibration_that_survives_a_reboot(simulation: Simulation, terminal: Terminal) -> None:
    def greeted() -> bool:
        terminal.keys("Enter")
        return PROMPT in terminal.screen()

    until(greeted, "a prompt in mid-stream", every_s=0.3, look=terminal.screen)

    terminal.clear()
    terminal.keys("-l", "selft")
    terminal.keys("Tab")
    until(lambda: "selftest" in terminal.screen(), "Tab completes", look=terminal.screen)
    terminal.keys("C-u")
    assert re.search(r"feedback +works", terminal.ask("selftest"))
    scanned = terminal.ask("scan")
    assert "i2c0: 1 of 112 addresses answer" in scanned and re.search(r"0x48 ads1115 +feedback +answers", scanned)

    simulation.fault(fault="nack", thing=THING, sensor="feedback")
    until(lambda: "NACK" in terminal.ask("status"), "the status names the wire")
    status = terminal.screen()
    assert "ADS1115: no answer at 0x48 on i2c0" in " ".join(status.split()) and "3.3 V" in status
    assert "NO ANSWER" in terminal.ask("scan")
    assert "E-PARTS" in terminal.ask("selftest")
    simulation.fault(fault="clear", thing=THING)
    assert re.search(r"feedback +works", terminal.ask("selftest"))

    report = terminal.ask("report")
    for wanted in ("thing    gate-1", "firmware ", "settings 0 in use", "feedback works", "actuator opening", "end of"):
        assert wanted in report
    assert max(map(len, report.splitlines())) <= 80 and len(report.strip().splitlines()) <= 30

    shown = opening(terminal)
    terminal.ask(f"cal opening_feedback low {shown - 0.02:.4f} 0.004")
    terminal.clear()
    terminal.keys("-l", "outputs test opening 0.9")
    terminal.keys("Enter")
    until(lambda: simulation.truth()["gate_opening"] > 0.6, "the gate moves", look=terminal.screen)
    simulation.fault(fault="jam")  # so that it stays there when the lease has ended
    until(lambda: "goes to its safe state now" in terminal.screen(), "the lease ends", look=terminal.screen)
    high = opening(terminal)
    terminal.ask(f"cal opening_feedback high {high + 0.02:.4f} 0.004")
    assert "adds sigma 0.00" in terminal.ask("cal opening_feedback by jo 2026-12-01 rule 7").replace("\n", " ")
    assert "cal.opening_feedback: board file ->" in terminal.ask("diff")
    assert "settings 1 are stored" in terminal.ask("commit")
    terminal.clear()
    terminal.keys("-l", f"reboot {THING}")
    terminal.keys("Enter")
    until(greeted, "a prompt after the reboot", every_s=0.3, look=terminal.screen)
    assert "settings 1 in use, 1 stored" in terminal.ask("report")
    until(lambda: abs(opening(terminal) - high - 0.02) < 0.004, "what is read is calibrated", look=terminal.screen)
    terminal.close()
    told = manifest.from_bytes(hello_of(simulation.port).manifest)
    assert 0.004 < told.channels[0].sigma < 0.006, "the board file's 0.002 and the reference's 0.004"
