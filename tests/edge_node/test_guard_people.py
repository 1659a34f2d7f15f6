"""What people ask of the guard, and what an actuator's rule asks of everybody."""

from dataclasses import replace

import numpy as np
import pytest

from edge_node.reaction.effects import LOCAL, DoAgain, DoTask, Effect, Latch, Renew, Save
from edge_node.reaction.guard import Guard
from edge_node.reaction.guard_state import MINUTE_US
from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import LeaseState, TaskReport
from service.risk import CLASSES, LOW, ActuatorSection, Rule

from .scripted_board import river_manifest
from .test_guard import GATE, MS, NOW, PUBLIC, dispatch, leased, order, reported, result, task_for

S = 1_000_000


def guard_of(rule: Rule = LOW, **more) -> Guard:
    made = Guard("edge-1", "0badcafe-3", PUBLIC, first_fence=100, rules={GATE: rule}, **more)
    made.announce(river_manifest())
    made.board("river-1", codes.OK)
    return made


def asked(guard: Guard, fence: int = 0, step: int = 1, **changes) -> tasks.Task:
    """Return anna's task."""
    return replace(task_for(guard, fence, step), **{"rank": "operator", "person": "anna", **changes})


def said(effects: list[Effect]) -> tuple[str, str]:
    report = reported(effects)
    return codes.STATES[report.state], codes.CODES[report.code]


def test_a_persons_order_needs_the_operators_lease_and_a_name() -> None:
    guard = guard_of()
    fence = leased(guard, "city")
    assert said(order(guard, asked(guard, fence))) == ("refused", "lease_held")
    fence = leased(guard, "operator")
    assert said(order(guard, asked(guard, fence, 2, person=""))) == ("refused", "unauthorised")
    assert said(order(guard, asked(guard, fence, 3, rank="safety"))) == ("refused", "unauthorised")
    dispatch(guard, asked(guard, fence, 4))


def test_an_operator_outranks_the_city_until_the_lease_lapses() -> None:
    guard = guard_of()
    city = leased(guard, "city")
    dispatch(guard, asked(guard, leased(guard, "operator")))
    assert said(order(guard, task_for(guard, city, 2))) == ("refused", "lease_held")
    (kept,) = guard.lease(GATE, "city", NOW)
    assert isinstance(kept, LeaseState) and kept.holder == "operator"
    after = NOW + 3001 * MS
    fence = leased(guard, "city", after)
    assert dispatch(guard, task_for(guard, fence, 3, not_after_us=after + S), after)


@pytest.mark.parametrize(
    ("approved", "code"),
    [([], "approval_absent"), (["anna"], "approval_absent"), ([""], "approval_absent"), (["ben"], "ok")],
)
def test_another_person_has_to_approve_what_is_of_high_risk(approved: list[str], code: str) -> None:
    guard = guard_of(Rule("high", approvals=2))
    approved = [name for name in approved if name]
    effects = order(guard, asked(guard, leased(guard, "operator"), approved=approved))
    assert next(e for e in effects if isinstance(e, Save)).intent == (code == "ok")
    assert code == "ok" or said(effects) == ("refused", code)


@pytest.mark.parametrize("holder", ["city", "edge"])
def test_a_process_may_not_act_alone_where_people_are_needed(holder: str) -> None:
    guard = guard_of(Rule("high", approvals=2, automation=False))
    task = task_for(guard, leased(guard, holder))
    effects = order(guard, task) if holder == "city" else guard.request("edge", task, NOW)
    assert said(effects) == ("refused", "approval_absent")


def selected(guard: Guard, task: tasks.Task, now_us: int = NOW) -> tuple[str, str]:
    return said(order(guard, replace(task, verb=tasks.SELECT), now_us))


def test_select_then_operate() -> None:
    guard = guard_of(Rule(hazardous=True))
    task = asked(guard, leased(guard, "operator"))
    assert selected(guard, task) == ("selected", "ok")
    assert not guard.running and guard.actuators[GATE].active is None, "nothing moves by a selection"
    dispatch(guard, task)
    assert said(order(guard, asked(guard, task.fence, 2))) == ("refused", "not_selected"), "it is used up"


CHANGED = [
    ("never selected", None),
    ("another setpoint", {"setpoint": 0.7}),
    ("another person", {"person": "ben"}),
    ("another task", {"task_id": bytes(16)}),
]


@pytest.mark.parametrize("changes", [c for _, c in CHANGED], ids=[name for name, _ in CHANGED])
def test_only_what_was_selected_is_operated(changes: dict | None) -> None:
    guard = guard_of(Rule(hazardous=True))
    task = asked(guard, leased(guard, "operator"))
    if changes is not None:
        assert selected(guard, replace(task, **changes)) == ("selected", "ok")
    assert said(order(guard, task)) == ("refused", "not_selected")


def test_a_selection_is_over_after_its_time_and_with_its_fence() -> None:
    guard = guard_of(Rule(hazardous=True), select_ms=1000)
    fence = leased(guard, "operator")
    task = asked(guard, fence)
    assert selected(guard, task) == ("selected", "ok")
    assert said(order(guard, task, NOW + 1000 * MS)) == ("refused", "not_selected")
    task, later = asked(guard, fence, 2), NOW + 1001 * MS
    assert selected(guard, task, later) == ("selected", "ok")
    guard.actuators[GATE].arbiter.refence(later)
    fresh = replace(task, fence=guard.actuators[GATE].arbiter.fence)
    assert said(order(guard, fresh, later)) == ("refused", "not_selected")


def test_one_selection_at_a_time() -> None:
    guard = guard_of(Rule(hazardous=True))
    fence = leased(guard, "operator")
    assert selected(guard, asked(guard, fence)) == ("selected", "ok")
    assert selected(guard, asked(guard, fence, 2, person="ben")) == ("refused", "not_selected")
    assert selected(guard, asked(guard, fence)) == ("selected", "ok"), "the same again"


def test_a_selection_is_checked_like_the_order_and_refused_without_a_trace() -> None:
    guard = guard_of(Rule("high", hazardous=True, approvals=2))
    assert selected(guard, asked(guard, leased(guard, "operator"))) == ("refused", "approval_absent")
    assert not guard.entries and guard.refused == {"approval_absent": 1}


def test_no_more_commands_in_a_minute_than_the_rule_has_but_always_to_safety() -> None:
    guard = guard_of(Rule(max_per_min=2))
    fence = leased(guard)
    for step in (1, 2):
        dispatch(guard, task_for(guard, fence, step))
    assert said(order(guard, task_for(guard, fence, 3))) == ("refused", "rate_limited")
    dispatch(guard, task_for(guard, fence, 4, setpoint=0.2))
    later = NOW + MINUTE_US
    fence = leased(guard, "city", later)
    dispatch(guard, task_for(guard, fence, 5, not_after_us=later + S), later)


def seen(guard: Guard, at_us: int, good: bool = True) -> None:
    guard.saw(f"{GATE}_feedback", np.array([at_us]), np.array([good]), NOW)


@pytest.mark.parametrize(
    ("cause_us", "feedback_us", "good", "code"),
    [
        (NOW - S, NOW - S, True, "ok"),
        (NOW - 11 * S, NOW - S, True, "stale_evidence"),
        (0, NOW - S, True, "stale_evidence"),
        (NOW - S, NOW - 11 * S, True, "stale_evidence"),
        (NOW - S, NOW - S, False, "stale_evidence"),
        (NOW + S // 2, NOW + S // 2, True, "ok"),
        (NOW + 86_400 * S, NOW - S, True, "stale_evidence"),
        (NOW - S, NOW + 86_400 * S, True, "stale_evidence"),
    ],
)
def test_old_evidence_moves_nothing(cause_us: int, feedback_us: int, good: bool, code: str) -> None:
    guard = guard_of(Rule(evidence_s=10.0))
    seen(guard, feedback_us, good)
    stamps = {"sample": cause_us * 1000} if cause_us else {}
    effects = order(guard, task_for(guard, leased(guard), stamps=stamps))
    assert code == "ok" or said(effects) == ("refused", code)
    assert any(isinstance(e, Save) and e.intent for e in effects) == (code == "ok")


def test_a_person_needs_no_cause_but_an_actuator_that_is_seen_and_safety_needs_neither() -> None:
    guard = guard_of(Rule(evidence_s=10.0))
    fence = leased(guard, "operator")
    assert said(order(guard, asked(guard, fence))) == ("refused", "stale_evidence")
    dispatch(guard, asked(guard, fence, 2, setpoint=0.2))
    seen(guard, NOW)
    dispatch(guard, asked(guard, fence, 3))


def cancel(guard: Guard, task: tasks.Task, now_us: int = NOW, **changes) -> list[Effect]:
    return order(guard, replace(task, verb=tasks.CANCEL, reason="enough", **changes), now_us)


def test_a_cancelled_task_ends_goes_safe_and_frees_the_lease() -> None:
    guard = guard_of()
    task = asked(guard, leased(guard, "operator"))
    dispatch(guard, task)
    guard.result(result(task, codes.ACCEPTED), NOW, NOW)
    effects = cancel(guard, task)
    assert Renew("river-1", 0, 0) in effects and said(effects) == ("cancelled", "cancelled")
    assert guard.actuators[GATE].active is None
    leased(guard, "edge")
    assert cancel(guard, task)[-1] == reported(effects), "again: the same answer, nothing more"
    assert [deed["event"] for deed in guard.take_deeds()] == ["cancelled"]


def test_what_is_cancelled_before_it_comes_is_not_executed_when_it_comes() -> None:
    guard = guard_of()
    task = asked(guard, leased(guard, "operator"))
    assert said(cancel(guard, task)) == ("cancelled", "cancelled")
    assert order(guard, task) == [] and guard.refused["replayed"] == 1
    assert said(cancel(guard, asked(guard, 0, 2))) == ("cancelled", "cancelled")


def test_a_cancelled_selection_is_free_for_others() -> None:
    guard = guard_of(Rule(hazardous=True))
    fence = leased(guard, "operator")
    assert selected(guard, asked(guard, fence)) == ("selected", "ok")
    cancel(guard, asked(guard, fence))
    assert selected(guard, asked(guard, fence, 2, person="ben")) == ("selected", "ok")


def latch(guard: Guard, verb: int, step: int, **changes) -> list[Effect]:
    return order(guard, asked(guard, 0, step, verb=verb, reason="someone is in the channel", **changes))


def test_people_trip_and_reset_and_it_is_told_once_durable() -> None:
    guard = guard_of()
    fence = leased(guard, "operator")
    dispatch(guard, asked(guard, fence))
    effects = latch(guard, tasks.TRIP, 2)
    assert Renew("river-1", 0, 0) in effects and not any(isinstance(e, TaskReport) for e in effects)
    (kept,) = [e for e in effects if isinstance(e, Latch)]
    assert (kept.name, kept.text) == (GATE, "anna: someone is in the channel")
    assert [report.state for report in kept.after] == [codes.OBSERVED]
    fence = guard.actuators[GATE].arbiter.fence
    assert said(order(guard, asked(guard, fence, 3))) == ("refused", "tripped")
    (ended,) = [e for e in latch(guard, tasks.RESET, 4) if isinstance(e, Latch)]
    assert ended.text == "" and ended.after[0].state == codes.OBSERVED
    dispatch(guard, asked(guard, fence, 5))
    assert [(deed["event"], deed["who"]) for deed in guard.take_deeds()] == [("tripped", "anna"), ("reset", "anna")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rank": "city"}, "unauthorised"),
        ({"person": ""}, "unauthorised"),
        ({"actuator": "river-1/door"}, "no_actuator"),
        ({"edge": "edge-2"}, "foreign"),
    ],
)
def test_only_a_person_trips_or_resets_what_is_here(changes: dict, code: str) -> None:
    guard = guard_of()
    assert said(latch(guard, tasks.TRIP, 1, **changes))[1] == code
    assert not guard.actuators[GATE].tripped


def test_a_reset_of_what_is_not_tripped_says_so() -> None:
    guard = guard_of()
    texts = []
    for number, verb in enumerate((tasks.RESET, tasks.TRIP, tasks.RESET), 1):
        (kept,) = [e for e in latch(guard, verb, number) if isinstance(e, Latch)]
        texts.append((kept.after[0].state, kept.after[0].text))
    assert texts == [
        (codes.OBSERVED, "it was not tripped: there was nothing to reset"),
        (codes.OBSERVED, "trip by anna"), (codes.OBSERVED, "reset by anna"),
    ]  # fmt: skip


def test_a_board_in_fault_trips_its_actuator() -> None:
    guard = guard_of()
    task = task_for(guard, leased(guard))
    dispatch(guard, task)
    effects = guard.result(result(task, codes.FAILED, codes.TRIPPED), NOW, NOW)
    assert any(isinstance(e, Latch) and e.name == GATE for e in effects)
    assert said(order(guard, task_for(guard, guard.actuators[GATE].arbiter.fence, 2))) == ("refused", "tripped")


def test_a_local_stop_beats_everything_and_no_late_copy_leaves() -> None:
    guard = guard_of()
    dispatch(guard, asked(guard, leased(guard, "operator")))
    effects = guard.stop("work in the shaft", "pi", NOW)
    assert effects == [Renew("river-1", 0, 0), Latch(LOCAL, "work in the shaft")]
    assert not [e for ms in range(0, 1500, 50) for e in guard.tick(NOW + ms * MS) if isinstance(e, DoAgain)]
    fence = leased(guard, "operator")
    for step, changes in enumerate(({}, {"setpoint": 0.2}, {"verb": tasks.SELECT}, {"verb": tasks.RESET}), 2):
        assert said(order(guard, asked(guard, fence, step, **changes))) == ("refused", "local_stop")
    assert latch(guard, tasks.TRIP, 9), "to trip is safe"
    guard.clear("pi")
    assert said(order(guard, asked(guard, fence, 10))) == ("refused", "tripped")


def test_an_intent_under_way_does_not_leave_after_a_stop() -> None:
    guard = guard_of()
    task = asked(guard, leased(guard, "operator"))
    order(guard, task)
    guard.stop("", "pi", NOW)
    effects = guard.intent_saved(task.task_id, NOW)
    assert said(effects) == ("refused", "local_stop") and not any(isinstance(e, DoTask) for e in effects)


def test_what_is_latched_is_known_before_a_board_is() -> None:
    guard = Guard("edge-1", "0badcafe-4", PUBLIC, first_fence=200)
    guard.latch({GATE: "anna: someone is in the channel", "river-1/door": "", LOCAL: "work in the shaft"})
    guard.announce(river_manifest())
    guard.board("river-1", codes.OK)
    fence = leased(guard)
    assert said(order(guard, task_for(guard, fence))) == ("refused", "local_stop")
    guard.clear("pi")
    assert said(order(guard, task_for(guard, fence, 2))) == ("refused", "tripped")
    assert guard.latched == {GATE: "anna: someone is in the channel"}


def two_gates(**more) -> Guard:
    guard = guard_of(interlocks=[[GATE, "river-2/opening"]], **more)
    guard.announce(river_manifest("river-2"))
    guard.board("river-2", codes.OK)
    return guard


@pytest.mark.parametrize(
    ("setpoint", "position", "free"),
    [(0.2, 0.2, True), (0.2, float("nan"), True), (0.8, 0.2, False), (0.2, 0.5, False)],
)
def test_an_interlock_asks_also_what_the_other_board_says(setpoint: float, position: float, free: bool) -> None:
    guard = two_gates()
    guard.board_says("river-2/opening", setpoint, position)
    effects = order(guard, task_for(guard, leased(guard)))
    assert free or said(effects) == ("refused", "interlocked")
    assert any(isinstance(e, Save) and e.intent for e in effects) == free


def test_after_a_start_an_old_order_may_still_last_at_a_board_that_says_nothing() -> None:
    guard = two_gates(started_us=NOW - 6999 * MS)
    fence = leased(guard)
    assert said(order(guard, task_for(guard, fence))) == ("refused", "interlocked")
    dispatch(guard, task_for(guard, fence, 2), NOW + MS)


@pytest.mark.parametrize("risk", ["low", "medium", "high"])
def test_a_class_gives_defaults_and_the_table_goes_first(risk: str) -> None:
    assert ActuatorSection(risk=risk).rule() == CLASSES[risk]
    changed = ActuatorSection(risk=risk, approvals=3, automation=True, max_per_min=0, hazardous=True).rule()
    assert changed == CLASSES[risk]._replace(approvals=3, automation=True, max_per_min=0, hazardous=True)


@pytest.mark.parametrize(
    ("counters", "tripped"),
    [
        ([{"stops": 0, "stopped": 0}, {"stops": 1, "stopped": 1}], True),
        ([{"stops": 0, "stopped": 0}, {"stops": 1, "stopped": 0}], True),
        ([{"stops": 4, "stopped": 0}], False),
        ([{"stops": 4, "stopped": 1}], True),
        ([{"stops": 4, "stopped": 0}, {"stops": 0, "stopped": 0}], False),
        ([{}, {}], False),
    ],
)
def test_the_stop_input_of_a_board_trips_its_actuators(counters: list[dict[str, int]], tripped: bool) -> None:
    guard = two_gates()
    effects = [effect for row in counters for effect in guard.board_counts("river-1", row, NOW)]
    assert bool(guard.actuators[GATE].tripped) == tripped == any(isinstance(e, Latch) for e in effects)
    assert not guard.actuators["river-2/opening"].tripped, "another board"
    assert guard.board_counts("river-1", counters[-1], NOW) == [], "told once"


def test_a_stop_that_was_pressed_while_the_node_was_down_is_taken_over_once_it_is_durable() -> None:
    guard = two_gates()
    effects = guard.board_counts("river-1", {"stops": 1, "stopped": 2}, NOW)
    assert guard.actuators[GATE].tripped == "the stop input of river-1"
    newest = [effect for effect in effects if isinstance(effect, Latch)][-1]
    assert (newest.name, newest.text, newest.after) == (GATE, guard.actuators[GATE].tripped, (Renew("river-1", 0, 0),))
    (again,) = guard.board_counts("river-1", {"stops": 1, "stopped": 2}, NOW)
    assert again == newest, "what told the board may have got lost"
    assert guard.board_counts("river-1", {"stops": 1, "stopped": 0}, NOW) == []
