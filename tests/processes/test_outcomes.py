"""Whatever a template returns, raises or writes into stops its own instance, never its host."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.contract import Alarm, Estimate, Outcome, Port, Proposal
from processes.engine import Engine
from processes.errors import TemplateError
from processes.instance import make_instance
from processes.log import EngineLog
from processes.outcomes import MAX_PROPOSALS, checked, sealed
from processes.runner import MAX_STEPS
from processes.samples import ROW, _newest

S = 1_000_000
T0 = 1_700_000_000 * S
PORTS = {"x": Port("air_temperature", "Cel", "sense", False), "out": Port("valve", "1", "respond", False)}
GOOD = Outcome(
    {"sum": np.zeros(2)},
    (Estimate("sum", T0, 1.0, 0.0, 1.0, 1.0),),
    (Alarm("hot", 2, 0.5),),
    (Proposal("out", 0.5, 1000, "why"),),
)
TEMPLATE = """
from pydantic import BaseModel
from processes.contract import Port

PORTS = {
    "x": Port("air_temperature", "Cel", "sense", False), "out": Port("valve", "1", "respond", False),
}

class Site(BaseModel):
    pass

step = start = None
"""


def proposal(**changes: Any) -> Outcome:
    return GOOD._replace(proposals=(GOOD.proposals[0]._replace(**changes),))


def alarm(**changes: Any) -> Outcome:
    return GOOD._replace(alarms=(GOOD.alarms[0]._replace(**changes),))


def estimate(**changes: Any) -> Outcome:
    return GOOD._replace(estimates=(GOOD.estimates[0]._replace(**changes),))


def broken(**changes: Any) -> Outcome:
    return GOOD._replace(**changes)


def many() -> Any:
    while True:
        yield GOOD.proposals[0]


BAD: dict[str, Any] = {
    "nothing": None,
    "a tuple": tuple(GOOD),
    "setpoint nan": proposal(setpoint=np.nan),
    "setpoint infinite": proposal(setpoint=-np.inf),
    "setpoint complex": proposal(setpoint=1j),
    "setpoint text": proposal(setpoint="1"),
    "setpoint array": proposal(setpoint=np.zeros(2)),
    "setpoint huge": proposal(setpoint=10**400),
    "validity nan": proposal(valid_ms=np.nan),
    "validity infinite": proposal(valid_ms=np.inf),
    "validity below one": proposal(valid_ms=0.5),
    "validity negative": proposal(valid_ms=-1),
    "validity absurd": proposal(valid_ms=10**30),
    "validity none": proposal(valid_ms=None),
    "reason none": proposal(reason=None),
    "reason number": proposal(reason=5),
    "port unknown": proposal(port="x"),
    "port unhashable": proposal(port=[]),
    "two for a port": broken(proposals=GOOD.proposals * 2),
    "a million proposals": broken(proposals=GOOD.proposals * 1_000_000),
    "endless proposals": broken(proposals=many()),
    "proposals none": broken(proposals=None),
    "proposals text": broken(proposals="out"),
    "alarms of proposals": broken(alarms=GOOD.proposals),
    "alarm key none": alarm(key=None),
    "alarm key empty": alarm(key=""),
    "alarm key long": alarm(key="k" * 65),
    "alarm key escapes": alarm(key="\x1b[2J"),
    "alarm key surrogate": alarm(key="\ud800"),
    "severity none": alarm(severity=None),
    "severity of another scale": alarm(severity=1000),
    "probability text": alarm(probability="likely"),
    "estimate name list": estimate(name=[]),
    "estimate of no time": estimate(valid_utc_us=np.nan),
    "estimate mean none": estimate(mean=None),
    "state none": broken(state=None),
    "state list": broken(state={"sum": [1.0]}),
    "state objects": broken(state={"sum": np.array([None])}),
    "state masked": broken(state={"sum": np.ma.zeros(2)}),
    "state records": broken(state={"sum": np.zeros(1, "i4,f8")}),
    "state name": broken(state={1: np.zeros(1)}),
}


@pytest.mark.parametrize("outcome", BAD.values(), ids=list(BAD))
def test_what_breaks_the_contract_is_named(outcome: Any) -> None:
    with pytest.raises(TemplateError) as found:
        checked(outcome, PORTS)
    assert len(str(found.value)) < 300


def test_what_is_near_to_plain_becomes_plain() -> None:
    number: Any = np.float32
    near = Outcome(
        {"sum": np.zeros(2)},
        (Estimate("sum", int(T0), number(1.0), 0, np.nan, True),),
        (Alarm("hot", number(2), np.float64(0.5)),),
        (Proposal("out", number(0.5), number(1000.0), "a \ud800 lone half"),),
    )
    found = checked(near, PORTS)
    (row,) = found.proposals
    assert [type(value) for value in row] == [str, float, int, str] and row.reason.encode()
    assert [type(value) for value in (*found.estimates[0], *found.alarms[0])] == [
        str, int, float, float, float, float, str, int, float,
    ]  # fmt: skip
    assert found.estimates[0].q05 != found.estimates[0].q05, "an estimate that is not known stays so"


@given(st.lists(st.floats(), max_size=MAX_PROPOSALS))
def test_no_float_gets_through_that_is_no_setpoint(values: list[float]) -> None:
    for value in values:
        try:
            (row,) = checked(proposal(setpoint=value), PORTS).proposals
        except TemplateError:
            assert not np.isfinite(value)
        else:
            assert row.setpoint == value and np.isfinite(value)


def test_a_view_is_sealed_in_memory_of_its_own() -> None:
    scratch = np.arange(4.0)
    kept = sealed({"part": scratch[:2]})["part"]
    scratch[:] = -1.0
    assert kept.tolist() == [0.0, 1.0] and not kept.flags.writeable


Step = Callable[..., Any]


def engine_of(tmp_path: Path, step: Step, start: Step = lambda site, seed: GOOD.state) -> Engine:
    """An engine with a log, whose one instance has these functions."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "process.py").write_text(TEMPLATE)
    data = {
        "template": "toy", "runs_on": "city", "mode": "act", "every_s": 1, "lateness_s": 60,
        "senses": {"x": ["a/x"]}, "responds": {"out": {"actuator": "b/out"}},
    }  # fmt: skip
    instance = make_instance("toy", data, [tmp_path])
    object.__setattr__(instance.template, "step", step)
    object.__setattr__(instance.template, "start", start)
    engine = Engine([instance], "city")
    engine.log = EngineLog(None)
    return engine


def feed(engine: Engine, at_s: int, value: float = 1.0) -> list[Any]:
    engine.arrive("a/x", [T0 + at_s * S], [value], [0.1], [1])
    return engine.advance(T0 + at_s * S)


def reason(engine: Engine) -> str:
    return str(engine.health()[0]["reason"])


@pytest.mark.parametrize("outcome", BAD.values(), ids=list(BAD))
def test_a_bad_outcome_stops_its_instance_and_the_log_goes_on(tmp_path: Path, outcome: Any) -> None:
    engine = engine_of(tmp_path, lambda *_: outcome)
    assert feed(engine, 1) == []
    assert reason(engine).startswith("TemplateError: ")
    assert engine.freeze() and feed(engine, 2) == []


@pytest.mark.parametrize("raised", [ValueError("x"), MemoryError(), RecursionError(), SystemExit(3)], ids=repr)
def test_whatever_is_raised_stops_its_instance(tmp_path: Path, raised: BaseException) -> None:
    def step(*_: Any) -> Outcome:
        raise raised

    engine = engine_of(tmp_path, step)
    assert feed(engine, 1) == [] and reason(engine).startswith(type(raised).__name__)


def test_a_template_that_ends_python_while_it_is_read_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "quit").mkdir()
    (tmp_path / "quit" / "process.py").write_text("import sys\n\nsys.exit('bye')\n")
    data = {"template": "quit", "runs_on": "city", "mode": "act", "senses": {}, "responds": {}}
    with pytest.raises(TemplateError, match=r"process\.py:3: SystemExit: bye"):
        make_instance("quit", data, [tmp_path])
    assert sys.modules


def test_a_clock_that_was_years_behind_costs_neither_memory_nor_time(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, lambda *_: GOOD._replace(proposals=()))
    feed(engine, 1)
    made = engine.advance(T0 + 1_000_000_000 * S)
    assert len(made) == MAX_STEPS and engine.health()[0]["skipped"] == 1_000_000_000 - 1 - MAX_STEPS


@given(st.lists(st.integers(0, 400), min_size=1, max_size=5), st.integers(5, 600))
def test_a_source_that_floods_a_port_silences_no_other(counts: list[int], most: int) -> None:
    rows = np.zeros(sum(counts), ROW)
    rows["source"] = np.repeat(np.arange(len(counts)), counts)
    rows["t"] = np.arange(rows.size)
    kept = _newest(rows, most)
    left = np.bincount(kept["source"], minlength=len(counts)).tolist()
    assert kept.size == min(rows.size, most) or most - kept.size < len(counts)
    for source, (had, has) in enumerate(zip(counts, left, strict=True)):
        assert has == had or has >= most // len(counts), "each has its share, or all it had"
        mine = rows["t"][rows["source"] == source]
        assert kept["t"][kept["source"] == source].tolist() == mine[had - has :].tolist(), "the newest stay"


def test_what_a_step_writes_into_its_samples_stays_with_it(tmp_path: Path) -> None:
    seen_values: list[list[float]] = []

    def step(site: Any, state: Any, now_utc_us: int, seen: Any) -> Outcome:
        seen_values.append(seen["x"].value.tolist())
        seen["x"].value[:] = -99.0
        return GOOD

    engine = engine_of(tmp_path, step)
    for at_s in (1, 2):
        feed(engine, at_s, float(at_s))
    engine.arrive("a/x", [T0 + S - 1], [0.5], [0.1], [1])
    seen_values.clear()
    engine.advance(T0 + 3 * S)
    assert seen_values == [[0.5, 1.0], [2.0], []], "steps that are made again see what was measured"
