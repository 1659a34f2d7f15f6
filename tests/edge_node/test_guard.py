from dataclasses import replace

import numpy as np
import pytest

from edge_node.reaction import following as g_following
from edge_node.reaction import guard as g
from edge_node.reaction.guard import DoAgain, DoTask, Guard, Latch, Renew, Save
from edge_node.reaction.task_entry import MAX_ENTRIES, from_bytes
from protocol import task_codes as codes
from protocol import tasks
from protocol.board_link import TaskResult
from protocol.city_link import LeaseState, TaskReport

from .scripted_board import river_manifest

GATE = "river-1/opening"
PRIVATE, PUBLIC = tasks.new_keys()
NOW = 100_000_000
MS = 1000


@pytest.fixture
def guard() -> Guard:
    made = Guard("edge-1", "0badcafe-3", PUBLIC, first_fence=100)
    made.announce(river_manifest())
    made.board("river-1", codes.OK)
    return made


def leased(guard: Guard, holder: str = "city", now_us: int = NOW) -> int:
    (state,) = guard.lease(GATE, holder, now_us)
    assert isinstance(state, LeaseState) and state.holder == holder
    return state.fence


def task_for(guard: Guard, fence: int, step: int = 1, **changes) -> tasks.Task:
    task = tasks.Task(
        task_id=tasks.task_id("flood", step, "gate"), actuator=GATE, setpoint=0.8, lease_ms=10_000,
        instance="flood", step_utc_us=step, edge="edge-1", edge_boot=guard.boot, not_after_us=NOW + 2_000_000,
        fence=fence,
    )  # fmt: skip
    return replace(task, **changes)


def order(guard: Guard, task: tasks.Task, now_us: int = NOW) -> list[g.Effect]:
    payload = tasks.encode(task)
    return guard.order(tasks.sign(PRIVATE, payload), payload, now_us)


def dispatch(guard: Guard, task: tasks.Task, now_us: int = NOW) -> DoTask:
    """Take a task all the way to its command."""
    (save,) = order(guard, task, now_us)
    assert isinstance(save, Save) and save.intent
    effects = guard.intent_saved(task.task_id, now_us)
    return next(effect for effect in effects if isinstance(effect, DoTask))


def result(task: tasks.Task, state: int, code: int = 0) -> TaskResult:
    return TaskResult("b-1", task.task_id, state, code, 0, 0.8)


def reported(effects: list[g.Effect]) -> TaskReport:
    return next(effect for effect in effects if isinstance(effect, TaskReport))


def test_no_command_leaves_before_its_intent_is_durable(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    effects = order(guard, task)
    assert [type(effect) for effect in effects] == [Save] and effects[0].intent
    effects = guard.intent_saved(task.task_id, NOW)
    (command,) = [effect for effect in effects if isinstance(effect, DoTask)]
    assert (command.number, command.lease_ms, command.entry.task.setpoint) == (0, 3000, 0.8)
    assert not any(isinstance(effect, DoTask) for effect in guard.intent_saved(task.task_id, NOW))


REFUSALS = [
    (codes.FOREIGN, {"edge": "edge-2"}),
    (codes.STALE_CLOCK, {"edge_boot": "0badcafe-2"}),
    (codes.CODE_EXPIRED, {"not_after_us": NOW}),
    (codes.NO_ACTUATOR, {"actuator": "river-1/door"}),
    (codes.OUT_OF_RANGE, {"setpoint": 1.01}),
    (codes.LEASE_HELD, {"fence": 7}),
]


@pytest.mark.parametrize(("code", "changes"), REFUSALS, ids=[codes.CODES[c] for c, _ in REFUSALS])
def test_refusals_of_what_a_task_says(guard: Guard, code: int, changes: dict) -> None:
    effects = order(guard, replace(task_for(guard, leased(guard)), **changes))
    report = reported(effects)
    assert report.code == code and report.text
    assert report.state == (codes.EXPIRED if code == codes.CODE_EXPIRED else codes.REFUSED)
    assert guard.refused == {codes.CODES[code]: 1}
    assert not any(isinstance(e, DoTask) or (isinstance(e, Save) and e.intent) for e in effects)


@pytest.mark.parametrize("code", [codes.LINK_DOWN, codes.STALE_CLOCK])
def test_refusals_while_the_board_cannot_be_trusted(guard: Guard, code: int) -> None:
    task = task_for(guard, leased(guard))
    guard.board("river-1", code)
    assert reported(order(guard, task)).code == code


def test_what_is_no_task_is_counted_also_if_a_process_here_asks(guard: Guard) -> None:
    task = task_for(guard, leased(guard, "edge"), instance="p" * 65)
    assert guard.request("edge", task, NOW) == []
    assert guard.refused == {"malformed": 1} and not guard.entries


def test_a_wrong_signature_is_refused_and_leaves_no_trace(guard: Guard) -> None:
    payload = tasks.encode(task_for(guard, leased(guard)))
    (report,) = guard.order(bytes(64), payload, NOW)
    assert isinstance(report, TaskReport) and report.code == codes.UNSIGNED
    assert not guard.entries
    assert guard.order(bytes(64), b"\xc1garbage", NOW) == []
    assert guard.refused == {"unsigned": 1, "malformed": 1}


def test_a_forged_order_cannot_change_what_is_said_of_a_known_task(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    dispatch(guard, task)
    assert guard.order(bytes(64), tasks.encode(task), NOW) == []


def test_nobody_else_may_command(guard: Guard) -> None:
    effects = guard.request("passer-by", task_for(guard, leased(guard)), NOW)
    assert reported(effects).code == codes.UNAUTHORISED


def test_the_same_order_again_is_answered_not_executed(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    dispatch(guard, task)
    (again,) = order(guard, task)
    assert isinstance(again, TaskReport) and again.state == codes.DISPATCHED
    assert guard.refused == {"replayed": 1}


def test_the_same_id_with_other_content_is_a_replay(guard: Guard) -> None:
    fence = leased(guard)
    dispatch(guard, task_for(guard, fence))
    assert order(guard, task_for(guard, fence, setpoint=0.1)) == []
    assert guard.refused == {"replayed": 1}


def test_a_trip_goes_safe_and_refuses_until_reset(guard: Guard) -> None:
    fence = leased(guard)
    effects = guard.trip(GATE, "someone is in the channel", NOW)
    assert effects == [Renew("river-1", 0, 0), Latch(GATE, "someone is in the channel")]
    assert reported(order(guard, task_for(guard, fence))).code == codes.TRIPPED
    assert guard.reset(GATE) == [Latch(GATE, "")]
    dispatch(guard, task_for(guard, guard.actuators[GATE].arbiter.fence, step=2))


def test_interlocked_actuators_are_not_engaged_together(guard: Guard) -> None:
    guard.interlocks = [[GATE, "river-2/opening"]]
    guard.announce(river_manifest("river-2"))
    guard.board("river-2", codes.OK)
    dispatch(guard, task_for(guard, leased(guard)))
    (other,) = guard.lease("river-2/opening", "city", NOW)
    task = task_for(guard, other.fence, step=2, actuator="river-2/opening")
    assert reported(order(guard, task)).code == codes.INTERLOCKED
    safe = task_for(guard, other.fence, step=3, actuator="river-2/opening", setpoint=0.2)
    dispatch(guard, safe)


def test_the_deadline_is_checked_again_when_the_intent_is_durable(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    order(guard, task)
    effects = guard.intent_saved(task.task_id, task.not_after_us)
    assert reported(effects).state == codes.EXPIRED
    assert not any(isinstance(effect, DoTask) for effect in effects)


def test_a_lapsed_lease_goes_to_the_edge_and_back_to_the_city_with_new_fences(guard: Guard) -> None:
    city = leased(guard)
    (refused,) = guard.lease(GATE, "edge", NOW + 2999 * MS)
    assert refused.holder == "city"
    effects = guard.tick(NOW + 3000 * MS)
    assert [e.holder for e in effects if isinstance(e, LeaseState)] == [""]
    edge = leased(guard, "edge", NOW + 3001 * MS)
    assert edge > city
    back = leased(guard, "city", NOW + 3100 * MS)
    assert back > edge
    late = task_for(guard, edge, not_after_us=NOW + 9_000_000)
    assert reported(guard.request("edge", late, NOW + 3200 * MS)).code == codes.LEASE_HELD


def test_an_unanswered_command_is_sent_again_as_it_is_then_unknown(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    dispatch(guard, task)
    seen = [e for ms in range(0, 1600, 50) for e in guard.tick(NOW + ms * MS)]
    assert [type(e) for e in seen if isinstance(e, DoAgain | Renew)] == [DoAgain, DoAgain]
    report = reported(guard.tick(NOW + 1700 * MS))
    assert (report.state, report.code) == (codes.UNKNOWN, codes.TIMEOUT)
    assert reported(guard.result(result(task, codes.DONE), NOW, NOW + 2000 * MS)).state == codes.DONE


def test_a_replay_answer_to_a_second_copy_is_no_refusal(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    dispatch(guard, task)
    guard.tick(NOW + 500 * MS)
    assert guard.result(result(task, codes.REFUSED, codes.REPLAYED), NOW, NOW) == []
    assert guard.entries[task.task_id].state == codes.DISPATCHED


def done(guard: Guard) -> tasks.Task:
    task = task_for(guard, leased(guard))
    dispatch(guard, task)
    for state in (codes.ACCEPTED, codes.ACTING, codes.DONE):
        guard.result(result(task, state), NOW + 10 * MS, NOW + 20 * MS)
    return task


def show(guard: Guard, value: float, t_us: int, good: bool = True) -> list[g.Effect]:
    arrays = np.array([t_us]), np.array([value]), np.array([good])
    return guard.feedback("river-1/opening_feedback", *arrays)


def test_the_effect_is_observed_in_the_feedback(guard: Guard) -> None:
    task = done(guard)
    assert show(guard, 0.8, NOW - 1) == [], "from before the command"
    assert show(guard, 0.8, NOW + 30 * MS, good=False) == [], "of bad quality"
    assert show(guard, 0.5, NOW + 30 * MS) == [], "still on its way"
    report = reported(show(guard, 0.79, NOW + 40 * MS))
    assert report.state == codes.OBSERVED
    assert set(report.stamps) == {"edge_rx", "edge_guard", "edge_tx", "board_rx", "board_act"}
    assert guard.entries[task.task_id].position == 0.8


@pytest.mark.parametrize(("value", "code"), [(0.3, codes.NOT_OBSERVED), (None, codes.NO_FEEDBACK)])
def test_an_effect_that_does_not_show_is_a_failure(guard: Guard, value: float | None, code: int) -> None:
    done(guard)
    if value is not None:
        show(guard, value, NOW + 1_000_000)
    assert not [e for e in guard.tick(NOW + 20_000_000) if isinstance(e, TaskReport)]
    report = reported(guard.tick(NOW + 20_100_000))
    assert (report.state, report.code) == (codes.FAILED, code)


def test_the_board_lease_is_renewed_each_second_until_the_setpoint_is_over(guard: Guard) -> None:
    done(guard)
    renewals = [
        (ms, e.lease_ms) for ms in range(0, 12_000, 50) for e in guard.tick(NOW + ms * MS) if isinstance(e, Renew)
    ]
    assert [ms for ms, _ in renewals] == list(range(1000, 10_000, 1000))
    assert renewals[0][1] == 3000 and renewals[-1][1] == 1000, "never beyond the task's own time"


def test_a_newer_task_supersedes_the_one_under_way(guard: Guard) -> None:
    first = done(guard)
    dispatch(guard, task_for(guard, guard.actuators[GATE].arbiter.fence, step=2))
    assert guard.entries[first.task_id].state == codes.SUPERSEDED


def test_a_restarted_board_leaves_its_task_unknown(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    dispatch(guard, task)
    guard.result(result(task, codes.ACTING), NOW, NOW)
    report = reported(guard.board_restarted("river-1", NOW))
    assert report.state == codes.UNKNOWN
    assert guard.actuators[GATE].active is None


def test_after_a_crash_open_tasks_are_unknown_and_never_executed_again(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    order(guard, task)
    kept = guard.entries[task.task_id].to_bytes()
    after = Guard("edge-1", guard.boot, PUBLIC, first_fence=guard.actuators[GATE].arbiter.fence - 1)
    after.announce(river_manifest())
    after.board("river-1", codes.OK)
    after.restore([from_bytes(kept)])
    assert after.lease(GATE, "city", NOW)
    (report,) = order(after, task)
    assert isinstance(report, TaskReport) and report.state == codes.UNKNOWN
    assert after.intent_saved(task.task_id, NOW) == []


def test_a_lease_the_board_let_go_is_no_setpoint_in_force(guard: Guard) -> None:
    done(guard)
    fence = guard.actuators[GATE].arbiter.fence
    guard.lapsed_on_board(GATE, NOW - 1, NOW + 2)
    assert guard.actuators[GATE].active is not None, "the status is older than the command"
    guard.lapsed_on_board(GATE, NOW + 1, NOW + 2)
    assert guard.actuators[GATE].active is None
    (told,) = [e for e in guard.tick(NOW + 3) if isinstance(e, LeaseState)]
    assert told.holder == "city" and told.fence == fence + 1, "so the city sends its setpoint anew"


def test_what_nobody_ordered_is_counted(guard: Guard) -> None:
    task = task_for(guard, 1)
    assert guard.result(result(task, codes.DONE), NOW, NOW) == []
    assert guard.refused == {"unknown_result": 1}
    (state,) = guard.lease("nowhere/x", "city", NOW)
    assert (state.holder, state.fence) == ("", 0)


def test_only_own_tasks_are_enclosed_in_reports(guard: Guard) -> None:
    fence = leased(guard, "edge")
    effects = guard.request("edge", task_for(guard, fence), NOW)
    effects = guard.intent_saved(effects[0].entry.task.task_id, NOW)
    assert tasks.decode(reported(effects).task).setpoint == 0.8


def test_an_intent_that_is_never_saved_expires(guard: Guard) -> None:
    task = task_for(guard, leased(guard))
    order(guard, task)
    assert not [e for e in guard.tick(task.not_after_us) if isinstance(e, TaskReport)]
    reports = [e for e in guard.tick(task.not_after_us + g.INTENT_US + 1) if isinstance(e, TaskReport)]
    assert [(r.state, r.code) for r in reports] == [(codes.EXPIRED, codes.CODE_EXPIRED)]
    late = guard.intent_saved(task.task_id, task.not_after_us + 2 * g.INTENT_US)
    assert not [e for e in late if isinstance(e, DoTask)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"lease_ms": 0}, codes.OUT_OF_RANGE), ({"not_after_us": 2**53}, codes.STALE_CLOCK)],
    ids=["valid for no time", "deadline in another century"],
)
def test_a_task_without_a_sane_time_is_refused(guard: Guard, changes: dict, code: int) -> None:
    reports = [e for e in order(guard, task_for(guard, leased(guard), **changes)) if isinstance(e, TaskReport)]
    assert [(r.state, r.code) for r in reports] == [(codes.REFUSED, code)]


def test_orders_of_an_earlier_restore_epoch_are_refused_also_while_their_intent_is_saved(guard: Guard) -> None:
    fence = leased(guard)
    under_way = task_for(guard, fence, 1, epoch=1)
    guard.epoch = 1
    order(guard, under_way)
    guard.epoch = 2
    report = reported(guard.intent_saved(under_way.task_id, NOW))
    assert (report.state, report.code) == (codes.REFUSED, codes.OLD_EPOCH)
    report = reported(order(guard, task_for(guard, fence, 2, epoch=1)))
    assert (report.state, report.code) == (codes.REFUSED, codes.OLD_EPOCH) and "epoch 1" in report.text
    assert guard.refused["old_epoch"] == 2
    dispatch(guard, task_for(guard, fence, 3, epoch=2))


def test_no_flood_of_tasks_makes_the_guard_forget_one_that_could_be_replayed(guard: Guard) -> None:
    fence = leased(guard)
    task = task_for(guard, fence)
    dispatch(guard, task)
    for step in range(2, MAX_ENTRIES + 50):
        order(guard, task_for(guard, fence, step, edge="edge-2"))
    assert len(guard.entries) <= MAX_ENTRIES and guard.entries[task.task_id].sends == 1
    assert not any(isinstance(effect, Save) for effect in order(guard, task)), "known, so not executed again"
    guard.result(result(task, codes.DONE), NOW, NOW)
    for step in range(2, MAX_ENTRIES + 50):
        order(guard, task_for(guard, fence, 10_000 + step, edge="edge-2"), NOW + 3_000_000)
    assert task.task_id in guard.entries, "it waits for its effect to be seen"


def test_tasks_that_wait_for_their_intent_are_not_forgotten_and_no_more_are_taken(guard: Guard) -> None:
    fence = leased(guard)
    for step in range(MAX_ENTRIES + 10):
        order(guard, task_for(guard, fence, step))
    assert len(guard.entries) == MAX_ENTRIES and guard.refused["too_many_tasks"] == 10
    assert any(isinstance(e, DoTask) for e in guard.intent_saved(tasks.task_id("flood", 0, "gate"), NOW))


def test_an_actuator_that_did_not_answer_counts_as_engaged_as_long_as_its_board_may_keep_it_on(guard: Guard) -> None:
    guard.interlocks = [[GATE, "river-2/opening"]]
    guard.announce(river_manifest("river-2"))
    guard.board("river-2", codes.OK)
    guard.started_us = -60_000_000
    first = task_for(guard, leased(guard))
    dispatch(guard, first)
    given_up_us = NOW + g_following.ANSWER_US + 100 * MS
    guard.tick(given_up_us)
    assert guard.entries[first.task_id].state == codes.UNKNOWN
    (lease,) = guard.lease("river-2/opening", "city", given_up_us)
    words = {"actuator": "river-2/opening", "not_after_us": NOW + 60_000_000}
    early = task_for(guard, lease.fence, step=2, **words)
    assert reported(order(guard, early, given_up_us)).code == codes.INTERLOCKED
    board_safe_us = first.not_after_us + (3000 + 4000) * MS
    (lease,) = guard.lease("river-2/opening", "city", board_safe_us)
    dispatch(guard, task_for(guard, lease.fence, step=3, **words), board_safe_us)


def test_an_actuator_that_went_to_its_safe_setpoint_engages_nobody(guard: Guard) -> None:
    guard.interlocks = [[GATE, "river-2/opening"]]
    guard.announce(river_manifest("river-2"))
    guard.started_us = -60_000_000
    fence = leased(guard)
    dispatch(guard, task_for(guard, fence))
    assert guard.engaged_with("river-2/opening", NOW) == [GATE]
    back = task_for(guard, fence, step=2, setpoint=0.2)
    dispatch(guard, back, NOW + 10 * MS)
    assert guard.engaged_with("river-2/opening", NOW + 20 * MS) == [GATE], "the older order may still arrive"
    guard.result(result(back, codes.DONE), NOW + 30 * MS, NOW + 30 * MS)
    guard.board_says(GATE, 0.2, 0.2)
    assert guard.engaged_with("river-2/opening", NOW + 40 * MS) == []
