"""What people ask of actuators: city and real guard in one hand, from the request to the observed effect."""

from typing import Any

import pytest
from guarded_city import GATE, S, Town, end, states

from aggregator.errors import TaskRefused
from aggregator.store.store import Store
from aggregator.tasks.api import actuator_rows
from aggregator.tasks.people import MAX_OPEN_EACH
from cityreflex.commands import task_text
from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import EdgeHello, LeaseState
from service.risk import CLASSES, LOW, Rule


def holder(town: Town) -> str:
    return town.guard.actuators[GATE].arbiter.holder(town.now_us)


def test_a_persons_order_takes_the_lease_acts_and_is_observed(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW)
    record = town.ask()
    town.run(1000)
    assert states(record) == ["proposed", "authorised", "dispatched", "accepted", "done", "observed"]
    (order,) = town.orders
    assert (order.rank, order.person, order.setpoint, order.verb) == ("operator", "anna", 0.8, tasks.OPERATE)
    assert order.not_after_us > town.now_us and order.fence == town.guard.actuators[GATE].arbiter.fence
    assert town.moved == [0.8] and holder(town) == "operator"


def test_the_operators_lease_lasts_as_long_as_the_order_then_automation_goes_on(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW)
    town.ask(valid_s=10)
    town.run(9000)
    assert holder(town) == "operator", "renewed, though a lease lasts 3 s"
    town.run(6000)
    assert holder(town) == "city"


def test_two_people_before_anything_is_ordered(kit: Any, store: Store) -> None:
    town = Town(kit, store, Rule("high", approvals=2))
    record = town.ask()
    town.run(2000)
    assert end(record) == ("waiting", "ok") and not town.orders and holder(town) != "operator"
    with pytest.raises(TaskRefused) as refused:
        town.people.approve("anna", record.task.task_id, town.moment)
    assert refused.value.name == "approval_absent" and "another person" in refused.value.hint
    town.people.approve("ben", record.task.task_id, town.moment)
    town.run(1000)
    assert end(record) == ("observed", "ok")
    assert (town.orders[0].person, town.orders[0].approved) == ("anna", ["ben"])
    with pytest.raises(TaskRefused, match="it is observed"):
        town.people.approve("cleo", record.task.task_id, town.moment)


def test_without_approval_in_time_it_expires(kit: Any, store: Store) -> None:
    town = Town(kit, store, Rule("high", approvals=2))
    record = town.ask()
    town.city.orders.tick(town.city.now(town.now_us + 600 * S))
    assert end(record) == ("expired", "approval_absent")


def test_a_city_that_forgets_the_second_person_is_refused_by_the_guard(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW, guards_rule=Rule("high", approvals=2))
    record = town.ask()
    town.run(1000)
    assert end(record) == ("refused", "approval_absent") and not town.moved


def test_a_hazardous_actuator_is_selected_then_operated(kit: Any, store: Store) -> None:
    town = Town(kit, store, Rule(hazardous=True))
    record = town.ask()
    town.run(1000)
    assert [order.verb for order in town.orders] == [tasks.SELECT, tasks.OPERATE]
    assert states(record)[:4] == ["proposed", "authorised", "selected", "dispatched"] and town.moved == [0.8]


def test_a_city_that_forgets_to_select_is_refused_by_the_guard(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW, guards_rule=Rule(hazardous=True))
    record = town.ask()
    town.run(1000)
    assert end(record) == ("refused", "not_selected") and not town.moved


def test_a_selection_that_gets_lost_is_said_again(kit: Any, store: Store) -> None:
    town = Town(kit, store, Rule(hazardous=True))
    record = town.ask()
    town.cut = "orders"
    town.run(2000)
    town.cut = "reports"
    town.run(1000)
    assert end(record) == ("authorised", "ok") and town.orders
    town.cut = ""
    town.run(2000)
    assert end(record) == ("observed", "ok") and town.moved == [0.8]


def test_an_order_that_nobody_answers_expires_and_one_that_left_is_unknown(kit: Any, store: Store) -> None:
    town = Town(kit, store, Rule(hazardous=True))
    record = town.ask()
    town.cut = "orders"
    town.run(16_000)
    assert end(record) == ("expired", "link_down")
    town = Town(kit, store, LOW)
    record = town.ask(nonce="m")
    while end(record)[0] != "dispatched":
        town.run(50)
    town.cut = "reports"
    town.to_city.clear()
    town.run(10_000)
    assert end(record) == ("unknown", "timeout")


def test_nobody_uses_up_the_orders_that_are_there_for_all(kit: Any, store: Store) -> None:
    town = Town(kit, store, Rule("high", approvals=2))
    for n in range(MAX_OPEN_EACH):
        town.ask("mallory", nonce=str(n))
    with pytest.raises(TaskRefused, match="20 orders of mallory are open") as refused:
        town.ask("mallory", nonce="one more")
    assert refused.value.name == "rate_limited"
    assert end(town.ask("anna")) == ("waiting", "ok")
    assert town.people.latch("mallory", tasks.TRIP, GATE, "a boat", "t", town.moment), "a trip is never too much"


LIES = [
    {"actuator": GATE, "setpoint": "\x1b[2J", "holder": {"a": 1}, "tripped": ["x"]},
    {"actuator": GATE, "setpoint": True, "holder": None},
    {"actuator": GATE},
]


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_what_a_node_says_of_its_actuators_is_shown_in_the_right_shape(kit: Any, store: Store, lie: Any) -> None:
    town = Town(kit, store, LOW)
    town.city.sessions.by_edge["edge-1"].health = {"leases": [lie], "stopped": 7}
    (row,) = actuator_rows(town.city.orders)
    assert row["setpoint"] is None and isinstance(row["holder"], str) and isinstance(row["tripped"], str)
    assert row["stopped"] == "7" and task_text.actuator(row)


def test_a_persons_order_is_taken_back_at_every_stage(kit: Any, store: Store) -> None:
    town = Town(kit, store, Rule("high", approvals=2))
    waiting = town.ask()
    town.people.cancel("anna", waiting.task.task_id, "", town.moment)
    assert end(waiting) == ("cancelled", "cancelled")
    town = Town(kit, store, LOW)
    town.stuck = True
    done = town.ask(nonce="d")
    town.run(1000)
    assert end(done) == ("done", "ok")
    town.people.cancel("ben", done.task.task_id, "too early", town.moment)
    town.run(1000)
    assert end(done) == ("cancelled", "cancelled") and "ben" in done.steps[-1].text
    assert holder(town) == "city", "automation goes on at once"
    with pytest.raises(TaskRefused, match="nothing to take back"):
        town.people.cancel("ben", done.task.task_id, "", town.moment)


def test_an_observed_order_ends_its_hold_when_it_is_taken_back(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW)
    record = town.ask()
    town.run(1000)
    assert end(record) == ("observed", "ok") and town.guard.actuators[GATE].active is not None
    town.people.cancel("anna", record.task.task_id, "", town.moment)
    town.run(1000)
    assert town.guard.actuators[GATE].active is None and holder(town) == "city"


def test_trip_and_reset(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW)
    trip = town.people.latch("anna", tasks.TRIP, GATE, "a boat in the gate", "t", town.moment)
    town.run(1000)
    assert end(trip) == ("observed", "ok") and town.guard.actuators[GATE].tripped == "anna: a boat in the gate"
    with pytest.raises(TaskRefused, match="a boat in the gate") as refused:
        town.ask()
    assert (refused.value.name, refused.value.hint) == ("tripped", f"look at it, then: city actuator reset {GATE}")
    reset = town.people.latch("ben", tasks.RESET, GATE, "it is gone", "r", town.moment)
    town.run(1000)
    assert end(reset) == ("observed", "ok")
    record = town.ask()
    town.run(1000)
    assert end(record) == ("observed", "ok")


def test_a_process_waits_for_people_where_it_may_not_act_alone(kit: Any, store: Store) -> None:
    town = Town(kit, store, CLASSES["high"]._replace(evidence_s=0.0))
    clock = type(kit.clock)(0, town.city.clock.event_utc_us(town.now_us), 1.0, 1.0, True)
    batch = kit.batch(0, 1, 1.0)
    town.to_city.append(type(batch)(**{**vars(batch), "clock": clock}))
    town.run(200)
    (record,) = town.city.dispatcher.book.open_records()
    assert end(record) == ("waiting", "ok") and record.requester == "city" and not town.moved
    for who in ("anna", "ben"):
        town.people.approve(who, record.task.task_id, town.moment)
    town.run(1000)
    assert town.moved == [0.5] and town.orders[-1].approved == ["anna", "ben"] and holder(town) == "city"


@pytest.mark.parametrize(
    ("name", "changes", "health"),
    [
        ("out_of_range", {"setpoint": 1.2}, {}),
        ("local_stop", {}, {"stopped": "work in the shaft"}),
        ("tripped", {}, {"leases": [{"actuator": GATE, "tripped": "by hand"}]}),
    ],
)
def test_what_cannot_be_is_refused_at_once(kit: Any, store: Store, name: str, changes: dict, health: dict) -> None:
    town = Town(kit, store, LOW)
    kit.give(town.city, town.now_us, kit.heartbeat(town.now_us, 0, **health))
    with pytest.raises(TaskRefused) as refused:
        town.ask(**changes)
    assert refused.value.name == name and refused.value.hint and not town.city.dispatcher.book.by_id


def test_a_silent_or_an_old_node_takes_no_orders_of_people(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW)
    town.now_us += 3 * S
    with pytest.raises(TaskRefused, match="not heard"):
        town.ask()
    town = Town(kit, store, LOW)
    kit.give(town.city, town.now_us, EdgeHello(1, "edge-1", "eb-1", town.now_us), kit.heartbeat(town.now_us, 0))
    with pytest.raises(TaskRefused, match=r"0\.1\.0"):
        town.ask()


def test_a_restart_keeps_what_waits_and_ends_what_was_under_way(kit: Any, store: Store) -> None:
    town = Town(kit, store, Rule("high", approvals=2))
    waiting, authorised = town.ask(), town.ask(nonce="2")
    town.people.approve("ben", authorised.task.task_id, town.moment)
    town.save()
    again = kit.city(store, rules={GATE: Rule("high", approvals=2)}).dispatcher.book.by_id
    assert end(again[waiting.task.task_id]) == ("waiting", "ok")
    kept = again[authorised.task.task_id]
    assert end(kept) == ("expired", "expired") and kept.task.approved == ["ben"] and kept.requester == "operator"


def restarted(town: Town, down_s: int) -> None:
    """The city dies, is away for a while, and begins anew from what it had saved; the node goes on."""
    town.save()
    town.rest(down_s)
    town.city = town.kit.city(town.store, rules=town.city.orders.rules, now_us=town.now_us)
    guard = town.guard
    told = [*guard.reports(), *(a.arbiter.state(town.now_us) for a in guard.actuators.values())]
    town.to_city = [EdgeHello(2, "edge-1", "eb-1", town.now_us), town.kit.info(), *told]


def test_a_persons_order_holds_over_a_restart_of_the_city(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW)
    town.ask(valid_s=60)
    town.run(1000)
    restarted(town, down_s=20)
    town.run(3000)
    held, until_us = town.city.orders.holds[GATE]
    assert holder(town) == "operator" and town.moved == [0.8], "it is held, and nothing was ordered again"
    assert held.task.person == "anna" and 30 * S < until_us - town.now_us < 60 * S
    town.run(34_000)
    assert holder(town) == "operator"
    town.run(6000)
    assert holder(town) == "city" and not town.city.orders.holds


def test_after_a_restart_a_held_order_is_taken_back(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW)
    record = town.ask(valid_s=60)
    town.run(1000)
    restarted(town, down_s=5)
    town.run(1000)
    town.people.cancel("ben", record.task.task_id, "", town.moment)
    town.run(1000)
    assert town.guard.actuators[GATE].active is None and holder(town) == "city" and not town.city.orders.holds


@pytest.mark.parametrize("how", ["tripped", "cancelled", "over", "another boot"])
def test_what_the_guard_does_not_hold_is_not_held_after_a_restart(kit: Any, store: Store, how: str) -> None:
    town = Town(kit, store, LOW)
    record = town.ask(valid_s=10)
    town.run(1000)
    if how == "tripped":
        town.people.latch("anna", tasks.TRIP, GATE, "a boat", "t", town.moment)
    elif how == "cancelled":
        town.people.cancel("anna", record.task.task_id, "", town.moment)
    elif how == "another boot":
        town.guard.actuators[GATE].active = None
        town.guard.actuators[GATE].arbiter.refence(town.now_us)
    town.run(1000)
    restarted(town, down_s=20 if how == "over" else 1)
    town.run(4000)
    assert not town.city.orders.holds and holder(town) == "city"


def test_people_do_not_end_a_processs_task(kit: Any, store: Store) -> None:
    town = Town(kit, store, LOW)
    kit.give(town.city, town.now_us, LeaseState(GATE, "city", 101, town.now_us + 3 * S))
    clock = type(kit.clock)(0, town.city.clock.event_utc_us(town.now_us), 1.0, 1.0, True)
    batch = kit.batch(0, 1, 1.0)
    town.to_city.append(type(batch)(**{**vars(batch), "clock": clock}))
    town.run(200)
    (task_id,) = town.city.dispatcher.book.by_id
    with pytest.raises(TaskRefused, match="a process, asked for it") as refused:
        town.people.cancel("anna", task_id, "", town.moment)
    assert refused.value.code == codes.UNAUTHORISED and "trip" in refused.value.hint
