"""People move a gate of a real city: two persons, a trip, a local stop, and every refusal a person can cause."""

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_city import RunningCity

from cityreflex.cli import main
from service import audit

pytestmark = pytest.mark.system
GATE = "gate-1/opening"
SAFE = 0.2
RULE = 'risk = "high"\nhazardous = true\nautomation = true\nmax_per_min = 2\nevidence_s = 8\n'
REFUSED = 7


class Staff:
    """Anna is an operator, Ben a supervisor; each has a login of their own. `city` runs in this process."""

    def __init__(self, city: RunningCity, folder: Path, patch: pytest.MonkeyPatch, said: Any) -> None:
        self.city, self.folder, self._patch, self._said = city, folder, patch, said
        for name, role in (("anna", "operator"), ("ben", "supervisor")):
            secret = folder / f"{name}.password"
            secret.write_text("correct horse battery")
            secret.chmod(0o600)
            words = ("--password-file", str(secret))
            assert self.tell("", "operator", "add", name, "--role", role, *words)[0] == 0
            assert self.tell(name, "login", name, *words)[0] == 0

    def tell(self, who: str, *words: str) -> tuple[int, str]:
        """Return exit code and all that `city WORDS` says to a person; "" is the owner of the socket."""
        self._patch.setenv("XDG_CONFIG_HOME", str(self.folder / (who or "nobody")))
        self._patch.setattr(sys, "argv", ["city", *words, "--dir", str(self.city.folder)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out = self._said.readouterr()
        return code, out.out + out.err

    def request(self, who: str, setpoint: float, hold: str = "60s") -> tuple[int, str]:
        """Ask for an opening."""
        return self.tell(who, "task", "request", GATE, str(setpoint), "--for", hold, "--reason", "a tree in it")

    def both(self, setpoint: float, wait: str = "20s") -> tuple[int, str]:
        """Anna asks and Ben approves; return what Ben is told."""
        code, text = self.request("anna", setpoint)
        assert code == 0 and "waits for approval" in text, text
        return self.tell("ben", "task", "approve", text.split()[1], "--wait", wait)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    folder = tmp_path_factory.mktemp("people") / "run"
    with RunningCity(folder, "--speed", "60", "--seed", "7", "--start-in", "600") as made:
        made.start("sim")
        made.until(lambda: (folder / "faults.sock").exists(), "the simulator")
        for file, table in (("aggregator", "actuators"), ("edge", "guard.actuators")):
            with (folder / f"{file}.toml").open("a") as config:
                config.write(f'\n[{table}."{GATE}"]\n{RULE}')
            made.start(file)
        made.until(made.linked, "all boards linked and known to the city")
        yield made


def _limited(said: tuple[int, str]) -> bool:
    return "rate_limited" in said[1]


def events(folder: Path, **wanted: str) -> list[dict[str, object]]:
    """Return the rows of an audit log that have these values."""
    return [row for row in audit.read(folder) if all(row.get(name) == value for name, value in wanted.items())]


def test_people_move_the_gate_and_are_refused_what_they_may_not(
    city: RunningCity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    staff = Staff(city, tmp_path, monkeypatch, capsys)
    told = [staff.both(0.7)]
    city.until(lambda: told[-1][0] == 0 or told.append(staff.both(0.7)), "clocks and evidence are there")
    assert "observed" in told[-1][1], told
    assert abs(city.gate() - 0.7) < 0.06
    assert "held by anna" in staff.tell("", "actuator", "list")[1]

    def refused(code_and_text: tuple[int, str], word: str) -> None:
        code, text = code_and_text
        assert code == REFUSED and word in text and "next: " in text, text

    refused(staff.request("anna", 1.5), "out_of_range")
    refused(staff.tell("anna", "actuator", "reset", GATE, "--reason", "because"), "not the right 'reset'")
    waiting = staff.request("ben", 0.5)[1].split()[1]
    refused(staff.tell("ben", "task", "approve", waiting), "approval_absent")
    assert staff.tell("ben", "task", "cancel", waiting)[0] == 0

    code, text = staff.tell("anna", "actuator", "trip", GATE, "--reason", "a boat in the gate")
    assert code == 0 and "observed" in text, text
    assert "held by anna" not in staff.tell("", "actuator", "list")[1]
    city.until(lambda: abs(city.gate() - SAFE) < 0.03, "the gate goes to its safe state")
    city.kill("edge")
    city.start("edge")
    city.until(city.linked, "the edge node is back")
    city.until(lambda: "TRIPPED: anna: a boat" in staff.tell("", "actuator", "list")[1], "the trip is kept")
    # the city may first take note that the old edge node fell silent
    city.until(lambda: "not heard" not in staff.request("anna", 0.5)[1], "the city hears the new edge node")
    refused(staff.request("anna", 0.5), "tripped: anna: a boat in the gate")
    city.until(lambda: staff.tell("ben", "actuator", "reset", GATE, "--reason", "it is gone")[0] == 0, "the reset")

    assert staff.tell("", "edge", "stop", "--reason", "work in the shaft")[0] == 0
    city.until(lambda: "STOPPED" in staff.tell("", "actuator", "list")[1], "the city knows of the stop")
    refused(staff.request("anna", 0.5), "local_stop")
    assert staff.tell("", "edge", "clear", "--reason", "all are out")[0] == 0
    city.until(lambda: "STOPPED" not in staff.tell("", "actuator", "list")[1], "the city knows that it is over")

    city.fault("sda_low", thing="gate-1", bus="i2c0")
    silent = time.monotonic()
    city.until(lambda: time.monotonic() - silent > 10, "evidence to grow old")
    refused(staff.both(0.5), "stale_evidence")
    city.fault("clear", thing="gate-1")
    city.until(lambda: staff.both(0.6)[0] == 0, "the gate moves again")
    tries = itertools.cycle((0.3, 0.4, 0.5, 0.6))
    said = city.until(lambda: next(filter(_limited, [staff.both(next(tries))]), None), "too many commands in a minute")
    refused(said, "rate_limited")

    node, town = city.folder / "edge", city.folder / "city"
    for word, folder in [
        ("out_of_range", town), ("approval_absent", town), ("tripped", town), ("local_stop", town),
        ("stale_evidence", node), ("rate_limited", node),
    ]:  # fmt: skip
        city.until(lambda w=word, f=folder: events(f, event="refused", reason=w), f"{word} in the audit log")
    assert events(node, event="tripped", who="anna") and events(node, event="reset", who="ben")
    assert events(node, event="local_stop") and events(town, event="task_approved", who="ben")
