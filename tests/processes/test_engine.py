"""The engine: event time, rewinds, isolation, restart."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import processes
from processes.alarms.actions import Action
from processes.engine import Decision, Engine
from processes.errors import ConfigError, FrozenError
from processes.instance import make_instance
from processes.runner import MAX_SNAPSHOTS
from tests.processes.conftest import T0, TOY, S, tell, toy


def final(decisions: list[Decision]) -> dict[int, tuple[object, ...]]:
    return {d.step_utc_us: (d.outcome.estimates, d.outcome.alarms, d.outcome.proposals) for d in decisions}


def test_steps_at_multiples_of_every_s_on_what_arrived(templates: Path) -> None:
    engine = Engine([toy(templates)], "edge")
    assert [d.step_utc_us for d in engine.advance(T0 + 3 * S)] == [T0]
    tell(engine, [4, 10, 11], [1, 2, 4])
    decisions = engine.advance(T0 + 29 * S)
    assert [d.step_utc_us for d in decisions] == [T0 + 10 * S, T0 + 20 * S]
    assert [d.outcome.estimates[0].mean for d in decisions] == [3.0, pytest.approx(6.7)]
    assert [d.dispatch for d in decisions] == [False, True]
    assert decisions[-1].actuators == {"out": "v/out"}
    assert len(decisions[-1].task_ids["out"]) == 16
    assert decisions[-1].causes == (("a", "boot", 7),)
    assert engine.advance(T0 + 29 * S) == []


def test_late_data_amends_and_does_not_dispatch_again(templates: Path) -> None:
    engine = Engine([toy(templates)], "city")
    engine.advance(T0)
    tell(engine, [5, 15], [1, 1])
    first = engine.advance(T0 + 20 * S)
    tell(engine, [6], [9], "b/x")
    again = engine.advance(T0 + 20 * S)
    assert [d.step_utc_us for d in again] == [d.step_utc_us for d in first]
    assert all(d.amended and not d.dispatch for d in again)
    assert again[0].outcome.estimates[0].mean == 10.0
    assert [d.task_ids for d in again] == [d.task_ids for d in first]
    assert [e.kind for e in again[-1].alarm_events] == ["raised"]
    tell(engine, [16], [1])
    mixed = engine.advance(T0 + 30 * S)
    assert [(d.amended, d.dispatch) for d in mixed] == [(True, False), (False, True)]


def test_too_late_is_counted_and_amends_nothing(templates: Path) -> None:
    engine = Engine([toy(templates, lateness_s=20)], "edge")
    engine.advance(T0)
    engine.advance(T0 + 100 * S)
    tell(engine, [80, 81], [1, 1])
    assert [d.step_utc_us for d in engine.advance(T0 + 100 * S)] == [T0 + 90 * S, T0 + 100 * S]
    assert engine.health()[0]["too_late"] == 1


def test_advise_mode_never_dispatches(templates: Path) -> None:
    engine = Engine([toy(templates, mode="advise")], "edge")
    decisions = engine.advance(T0)
    assert decisions[-1].outcome.proposals
    assert not decisions[-1].dispatch


def test_runs_on_places_the_instance(templates: Path) -> None:
    instances = [
        toy(templates, "e", runs_on="edge"),
        toy(templates, "c", runs_on="city"),
        toy(templates, "b"),
    ]
    assert sorted(Engine(instances, "edge").instances) == ["b", "e"]
    assert sorted(Engine(instances, "city").instances) == ["b", "c"]


def test_every_arrival_steps_at_the_samples_time(templates: Path) -> None:
    engine = Engine([toy(templates, every_s=0)], "edge")
    engine.advance(T0)
    tell(engine, [1.5, 2.5], [1, 2])
    assert [d.step_utc_us - T0 for d in engine.advance(T0 + 60 * S)] == [1_500_000, 2_500_000]
    tell(engine, [2.0], [3])
    again = engine.advance(T0 + 60 * S)
    assert [(d.step_utc_us - T0, d.amended) for d in again] == [(2_000_000, True), (2_500_000, True)]


def test_a_fault_stops_only_its_own_instance(templates: Path) -> None:
    engine = Engine([toy(templates, "bad", site={"explode_at": 50}), toy(templates, "good")], "edge")
    engine.advance(T0)
    tell(engine, [5], [99])
    assert {d.instance for d in engine.advance(T0 + 10 * S)} == {"good"}
    tell(engine, [15], [1])
    assert {d.instance for d in engine.advance(T0 + 20 * S)} == {"good"}
    bad, good = engine.health()
    assert (bad["state"], bad["reason"]) == ("faulted", "ValueError: x is too much")
    assert good["state"] == "running"


@settings(max_examples=30, deadline=None)
@given(data=st.data(), every=st.sampled_from([0, 10, 30]))
def test_shuffled_arrival_ends_with_the_same_estimates(
    templates: Path, data: st.DataObject, every: int
) -> None:
    times = data.draw(st.lists(st.integers(1, 300), min_size=1, max_size=20))
    samples = [(t, i % 7, ("a/x", "b/x")[i % 2]) for i, t in enumerate(times)]
    shuffled = data.draw(st.permutations(samples))
    stops = data.draw(st.lists(st.integers(0, 300), min_size=len(samples), max_size=len(samples)))

    def run(order: list[tuple[int, int, str]], now: list[int]) -> dict[int, tuple[object, ...]]:
        engine = Engine([toy(templates, every_s=every)], "edge")
        seen = final(engine.advance(T0))
        for (t, v, stream), stop in zip(order, now, strict=True):
            tell(engine, [t], [v], stream)
            seen |= final(engine.advance(T0 + stop * S))
        return seen | final(engine.advance(T0 + 300 * S)) | final(engine.advance(T0 + 330 * S))

    assert run(shuffled, sorted(stops)) == run(sorted(samples), [300] * len(samples))


def test_one_rewind_serves_many_late_samples(templates: Path) -> None:
    engine = Engine([toy(templates)], "edge")
    engine.advance(T0)
    engine.advance(T0 + 20 * S)
    made = []
    for k in range(10):
        tell(engine, [11 + k / 10], [1])
        made.append(len(engine.advance(T0 + 20 * S + k * S // 2)))
    assert made == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    last = engine.advance(T0 + 30 * S)
    assert [(d.amended, d.dispatch) for d in last] == [(True, False), (False, True)]
    assert last[0].outcome.estimates[0].mean == 10.0


def test_redelivery_counts_once(templates: Path) -> None:
    engine = Engine([toy(templates)], "edge")
    engine.advance(T0)
    tell(engine, [5, 5], [3, 3])
    tell(engine, [5], [3])
    assert engine.advance(T0 + 10 * S)[-1].outcome.estimates[0].mean == 3.0


def test_memory_is_bounded(templates: Path) -> None:
    engine = Engine([toy(templates, every_s=0, lateness_s=10_000)], "edge")
    engine.advance(T0)
    for k in range(10):
        t = np.arange(200) + 200 * k + 1
        tell(engine, list(t), list(t % 5))
        engine.advance(T0 + int(t[-1]) * S)
    runner = engine.runners["toy1"]
    assert len(runner.history) <= 257
    tell(engine, [3.5], [1])
    assert engine.advance(T0 + 2000 * S)[-1].amended


@pytest.mark.parametrize("each", [1, 7, 40])
def test_what_can_not_be_amended_any_more_is_forgotten(templates: Path, each: int) -> None:
    """`each`: samples that arrive together; more than MAX_SNAPSHOTS steps fall into `lateness_s`."""
    lateness = 600
    engine = Engine([toy(templates, every_s=0, lateness_s=lateness)], "edge")
    engine.advance(T0)
    runner = engine.runners["toy1"]
    for first in range(1, 5001, each):
        t = np.arange(first, first + each)
        tell(engine, list(t), list(t % 5))
        engine.advance(T0 + int(t[-1]) * S)
        if first > 2 * lateness:
            apart = lateness // (MAX_SNAPSHOTS // 2 - 1) + 1
            assert lateness <= runner.tracks["x"].all_rows().size <= lateness + 2 * apart + each
            assert runner.history[0].step_utc_us <= runner.reached_utc_us - lateness * S
    assert len(runner.history) <= MAX_SNAPSHOTS + 1
    tell(engine, [int(t[-1]) - lateness + 0.5], [1])
    assert engine.advance(T0 + int(t[-1]) * S)[-1].amended
    assert runner.counters["too_late"] == 0


def test_freeze_and_thaw_continue_with_the_same_decisions(templates: Path) -> None:
    def told() -> Engine:
        engine = Engine([toy(templates)], "edge")
        engine.advance(T0)
        tell(engine, [5, 12, 18], [3, 9, 4])
        engine.advance(T0 + 20 * S)
        tell(engine, [13, 33], [2, 2], "b/x")
        return engine

    whole, frozen = told(), told().freeze()
    resumed = Engine([toy(templates)], "edge")
    assert resumed.thaw(frozen) == ["toy1"]
    a, b = whole.advance(T0 + 40 * S), resumed.advance(T0 + 40 * S)
    assert final(a) == final(b)
    assert [d.task_ids for d in a] == [d.task_ids for d in b]
    assert whole.alarms() == resumed.alarms()


def test_thaw_ignores_a_changed_process_file_and_refuses_nonsense(templates: Path) -> None:
    engine = Engine([toy(templates)], "edge")
    engine.advance(T0)
    changed = Engine([toy(templates, site={"limit": 7})], "edge")
    assert changed.thaw(engine.freeze()) == []
    for nonsense in (b"", b"\xff" * 20, b"\x80", b"\x81\xa7version\x63"):
        with pytest.raises(FrozenError):
            changed.thaw(nonsense)


def test_a_template_cannot_write_into_a_snapshot(tmp_path: Path) -> None:
    (tmp_path / "scribbler").mkdir()
    source = TOY.replace('x = seen["x"]', 'x = seen["x"]; state["sum"][0] = 1.0')
    (tmp_path / "scribbler" / "process.py").write_text(source)
    engine = Engine([toy(tmp_path, template="scribbler")], "edge")
    engine.advance(T0)
    assert "read-only" in engine.health()[0]["reason"]


def test_a_long_sleep_is_caught_up_in_bounded_steps(templates: Path) -> None:
    engine = Engine([toy(templates)], "edge")
    engine.advance(T0)
    decisions = engine.advance(T0 + 100_000 * 10 * S)
    assert len(decisions) == 4096
    assert engine.health()[0]["skipped"] == 100_000 - 4096


def test_alarm_life(templates: Path) -> None:
    engine = Engine([toy(templates)], "edge")
    engine.advance(T0)
    tell(engine, [5], [6])
    assert [e.kind for e in engine.advance(T0 + 10 * S)[-1].alarm_events] == ["raised"]
    assert [(n, s.key, s.state) for n, s in engine.alarms()] == [("toy1", "hot", "unacknowledged")]
    ack = Action("1", "ack", "hot", T0 + 11 * S, 0, "ann", "")
    assert engine.refusal("toy1", ack) == ("", "") and engine.act("toy1", *ack)
    assert engine.alarms()[0][1].state == "acknowledged"
    assert not engine.act("toy1", *ack) and not engine.act("toy2", *ack._replace(id="2"))
    engine.advance(T0 + 20 * S)
    events = engine.advance(T0 + 30 * S)[-1].alarm_events
    assert [e.kind for e in events] == ["returned"]
    assert engine.alarms() == []
    assert engine.refusal("toy1", ack._replace(id="3"))[0] == "wrong_state"
    assert engine.refusal("toy2", ack)[0] == "unknown_instance"


def acts() -> list[Action]:
    return [
        Action("a", "ack", "hot", T0 + 11 * S, 0, "ann", ""),
        Action("b", "shelve", "hot", T0 + 24 * S, T0 + 58 * S, "bob", "pump is out"),
        Action("c", "unshelve", "hot", T0 + 43 * S, 0, "bob", ""),
    ]


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations(list(range(11))),
    cuts=st.lists(st.integers(1, 70), max_size=5),
    frozen=st.integers(0, 10),
    twice=st.booleans(),
)
def test_late_frames_and_late_acts_end_with_the_alarms_of_the_run_in_order(
    templates: Path, order: list[int], cuts: list[int], frozen: int, twice: bool
) -> None:
    """Frames and acts in any order, steps in between, a restart: alarms, their acts and estimates are the same."""
    samples = [(5, 6), (15, 3), (25, 0), (26, 9), (35, 4), (45, 9), (55, 0), (65, 8)]
    inputs = [("x", at) for at in range(8)] + [("act", at) for at in range(3)]
    rules = {"hot": {"off_delay_s": 10.0}}

    def told(engine: Engine, which: tuple[str, int]) -> None:
        if which[0] == "x":
            tell(engine, [samples[which[1]][0]], [samples[which[1]][1]])
        else:
            engine.act("toy1", *acts()[which[1]])

    plain = Engine([toy(templates, alarms=rules)], "edge")
    plain.advance(T0)
    for which in inputs:
        told(plain, which)
    plain.advance(T0 + 80 * S)
    mixed = Engine([toy(templates, alarms=rules)], "edge")
    mixed.advance(T0)
    for place, at in enumerate(order):
        told(mixed, inputs[at])
        if twice:
            told(mixed, inputs[at])
        mixed.advance(T0 + max([10, *[cut for cut in cuts if cut <= 7 * place + 7]]) * S)
        if place == frozen:
            state = mixed.freeze()
            mixed = Engine([toy(templates, alarms=rules)], "edge")
            assert mixed.thaw(state) == ["toy1"]
    mixed.advance(T0 + 80 * S)
    assert mixed.alarms() == plain.alarms()
    kept = [[(s.step_utc_us, s.book) for s in e.runners["toy1"].history] for e in (mixed, plain)]
    assert kept[0] == kept[1]


def test_frozen_state_of_release_0_1_0_is_read_with_its_alarms_and_acks(templates: Path) -> None:
    engine = Engine([toy(templates)], "edge")
    engine.advance(T0)
    tell(engine, [5, 15], [6, 6])
    engine.advance(T0 + 20 * S)
    whole = msgpack.unpackb(engine.freeze())
    body = whole["runners"]["toy1"]
    at = T0 + 10 * S
    for snapshot in body["history"]:
        snapshot[2] = [["hot", 2, 1.0, at, None, True]] if snapshot[0] >= at else []
    old = {k: v for k, v in body.items() if k not in ("actions", "known_actions")} | {"acks": {"hot": at + S}}
    again = Engine([toy(templates)], "edge")
    assert again.thaw(msgpack.packb({"version": 1, "runners": {"toy1": old}})) == ["toy1"]
    assert [(s.key, s.state, s.raised_utc_us) for _, s in again.alarms()] == [("hot", "acknowledged", at)]
    tell(again, [16], [1])
    assert again.advance(T0 + 21 * S) and again.alarms()[0][1].state == "acknowledged"


def test_health_counts_alarms_that_chatter_and_that_stand(templates: Path) -> None:
    engine = Engine([toy(templates, alarms={"hot": {"chatter_n": 3, "chatter_s": 100, "standing_s": 30}})], "edge")
    engine.advance(T0)
    for at in (5, 35, 65):
        tell(engine, [at], [7])
        tell(engine, [at + 10], [-6.3])
        engine.advance(T0 + (at + 20) * S)
    row = engine.health()[0]
    assert (row["chattering"], row["standing"], row["alarms"][0]["chattering"]) == (1, 0, True)
    tell(engine, [95], [1000])
    engine.advance(T0 + 140 * S)
    assert engine.health()[0]["standing"] == 1


@pytest.mark.parametrize(("alarms", "text"), [
    ({"hot": {"raise_p": 0.3, "return_p": 0.5}}, "return_p 0.5 must not be above raise_p 0.3"),
    ({"hot": {"suppressed_by": ["cold"]}}, "suppressed_by names 'cold', which is no alarm here"),
    ({"hot": {"on_delay": 3}}, "alarms.hot.on_delay is not known here; did you mean 'on_delay_s'?"),
])  # fmt: skip
def test_a_wrong_alarm_table_teaches(templates: Path, alarms: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        toy(templates, alarms=alarms)


def test_a_template_that_knows_its_alarms_refuses_others() -> None:
    data = tomllib.loads((Path(processes.__file__).parent / "flood/site.toml").read_text())
    with pytest.raises(ConfigError, match="did you mean 'level_stale'"):
        make_instance("flood", data | {"alarms": {"level_stal": {"on_delay_s": 60}}})
    made = make_instance("flood", data | {"alarms": {"beyond_control": {"on_delay_s": 60}}})
    assert (made.rules["beyond_control"].on_delay_s, made.rules["beyond_control"].raise_p) == (60.0, 0.3)
