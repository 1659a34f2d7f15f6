"""The engine's log: what it notes, what it leaves out, and that its rows can be read alone."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processes import log
from processes.contract import Alarm, Estimate, Outcome, Proposal
from processes.digests import Chain, digest
from processes.engine import Engine
from processes.fingerprint import differing, fingerprint
from processes.instance import make_instance
from processes.log import EngineLog

S = 1_000_000
DAY = 86_400 * S
TEMPLATE = """
from pydantic import BaseModel
import numpy as np
from processes.contract import Estimate, Outcome, Port
class Site(BaseModel):
    limit: float = 3.0
PORTS = {"level": Port("level", "m", "sense", False)}
def start(site, seed):
    return {"sum": np.zeros(1)}
def step(site, state, now_utc_us, seen):
    total = state["sum"] + seen["level"].value.sum()
    if total[0] > 1e6:
        raise ValueError("overflow")
    return Outcome({"sum": total}, (Estimate("sum", now_utc_us, float(total[0]), 0.0, 0.0, 0.0),), (), ())
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "adder").mkdir()
    (tmp_path / "adder" / "process.py").write_text(TEMPLATE)
    data = {"template": "adder", "every_s": 10, "lateness_s": 60, "senses": {"level": "a/level"}}
    made = Engine([make_instance("adder", data, [tmp_path])], where="city")
    made.log = EngineLog()
    return made


def arrive(engine: Engine, t_s: float, value: float) -> None:
    engine.arrive("a/level", np.array([int(t_s * S)]), [value], [0.1], [1])


def kinds(entries: list[log.Entry]) -> list[Any]:
    return [entry[0] for entry in entries]


def test_only_ticks_that_did_something_are_noted(engine: Engine) -> None:
    assert engine.log is not None
    arrive(engine, 5, 1.0)
    for now_s in (10, 11, 12, 20, 21):
        engine.advance(now_s * S)
    ticks = engine.log.take_entries()
    assert [(kind, now // S, [row[1] // S for row in rows]) for kind, now, rows, _ in ticks] == [
        ("tick", 10, [10]), ("tick", 20, [20]),
    ]  # fmt: skip


def test_a_fault_is_noted_once(engine: Engine) -> None:
    assert engine.log is not None
    arrive(engine, 5, 2e6)
    engine.advance(10 * S)
    engine.advance(20 * S)
    (tick,) = [entry for entry in engine.log.take_entries() if entry[0] == "tick"]
    assert tick[3] == {"adder": "ValueError: overflow"}


def test_what_people_do_is_an_input(engine: Engine) -> None:
    assert engine.log is not None
    act = ["adder", "id", "ack", "flood", 7, 0, "ann", ""]
    assert [engine.act(*act), engine.act(*act)] == [True, False]
    engine.begin_anew()
    assert engine.log.take_entries() == [["input", "act", act], ["input", "begin_anew", []]]


def test_the_first_frozen_state_of_a_day_is_a_checkpoint_that_begins_a_row(engine: Engine) -> None:
    assert engine.log is not None
    engine.log.start(engine.instances.values(), [], None)
    for now_s in (10, 20, 86_410):
        engine.advance(now_s * S)
        engine.freeze()
    entries = engine.log.take_entries()
    assert kinds(entries) == [
        "start", "tick", "checkpoint", "frozen", "tick", "frozen", "tick", "checkpoint", "frozen"
    ]  # fmt: skip
    made = log.rows(entries, 0)
    assert [(row.base, row.first_utc_us // S, row.last_utc_us // S) for row in made] == [
        (True, 10, 10), (True, 20, 86_410), (True, 86_410, 86_410),
    ]  # fmt: skip
    assert [entry for row in made for entry in log.unpack(row.body)] == entries


def test_a_start_from_frozen_state_names_it_and_is_no_base(engine: Engine) -> None:
    assert engine.log is not None
    engine.advance(10 * S)
    data = engine.freeze()
    engine.log.start(engine.instances.values(), engine.thaw(data), data)
    entries = engine.log.take_entries()
    assert entries[-1][2:] == [["adder"], entries[-2][1]]
    assert not log.is_base(entries[-1])


def test_what_could_not_be_stored_comes_first_next_time(engine: Engine) -> None:
    assert engine.log is not None
    engine.advance(10 * S)
    taken = engine.log.take_entries()
    engine.advance(20 * S)
    engine.log.unsaved(taken)
    assert [entry[1] // S for entry in engine.log.entries] == [10, 20]


def test_a_log_that_can_not_be_stored_stays_small_and_begins_anew(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.log is not None
    monkeypatch.setattr(log, "MAX_ENTRIES", 3)
    for now_s in range(10, 60, 10):
        engine.advance(now_s * S)
    assert kinds(engine.log.entries) == ["lost", "tick", "tick"] and engine.log.entries[0][1] == 3
    monkeypatch.setattr(log, "MAX_ENTRIES", 10)
    engine.freeze()
    assert kinds(engine.log.entries) == ["lost", "tick", "tick", "checkpoint", "frozen"]


def test_a_digest_changes_with_every_bit_and_knows_one_nan() -> None:
    estimate = Estimate("level", 5, 1.0, 0.1, 0.9, 1.1)
    outcome = Outcome({}, (estimate,), (Alarm("flood", 3, 0.5),), (Proposal("gate", 0.5, 1000, "why"),))
    nan = outcome._replace(estimates=(estimate._replace(sigma=math.nan),))
    other = outcome._replace(estimates=(estimate._replace(sigma=-math.nan),))
    changed = [
        outcome._replace(estimates=(estimate._replace(mean=math.nextafter(1.0, 2.0)),)),
        outcome._replace(alarms=(Alarm("flood", 3, math.nextafter(0.5, 1.0)),)),
        outcome._replace(proposals=(Proposal("gate", 0.5, 1000, "else"),)),
        nan,
    ]
    assert len({digest(7, one) for one in (outcome, *changed)} | {digest(8, outcome)}) == 6
    assert digest(7, nan) == digest(7, other)
    assert digest(7, outcome).hex() == digest(7, outcome._replace(state={"x": np.zeros(1)})).hex()


def test_the_chain_is_one_per_instance_and_knows_order() -> None:
    chains = Chain(), Chain(), Chain()
    for chain, order in zip(chains, ("ab", "ab", "ba"), strict=True):
        for step in order:
            chain.add("flood", step.encode())
    chains[1].add("air", b"x")
    assert chains[0].head != chains[2].head and chains[0].heads["flood"] == chains[1].heads["flood"]
    assert chains[0].head != chains[1].head and chains[0].steps == {"flood": 2}


def test_a_fingerprint_is_always_the_same_here_and_names_its_parts() -> None:
    here = fingerprint()
    assert set(here) == {"python", "numpy", "numba", "machine", "cpu", "libm", "code"} and all(here.values())
    assert differing(here, dict(here)) == []
    assert differing(here, here | {"numpy": "0"}) == ["numpy"]
