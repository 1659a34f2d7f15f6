"""From decision to closed task: leases, deadlines, signatures, resends, reports, feedback, restarts."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.city import City
from aggregator.store import task_rows
from aggregator.store.store import Store, Writes
from aggregator.tasks.book import MAX_RECORDS, Step, TaskBook, TaskRecord, task_row
from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import Heartbeat, LeaseRequest, LeaseState, TaskOrder, TaskReport, ThingInfo
from service.risk import Rule

US = 1_000_000
T = 1000 * US


def orders(sends: list[Any]) -> list[TaskOrder]:
    return [message for _, message in sends if isinstance(message, TaskOrder)]


def ready(kit: Any, store: Store, **changes: Any) -> City:
    """A city whose edge has introduced its board, beats and has granted the lease."""
    city = kit.city(store, **changes)
    kit.give(city, T, kit.info(), kit.heartbeat(5 * US, 0))
    kit.give(city, T, LeaseState("river-1/opening", "city", 7, 8 * US))
    return city


def decide(kit: Any, city: City, now_us: int = T, level: float = 1.0, first: int = 0) -> list[TaskOrder]:
    """One sample arrives, taken right now; return the orders it leads to."""
    batch = kit.batch(first, 1, level)
    clock = type(kit.clock)(first * 100_000, city.clock.event_utc_us(now_us), 1.0, 1.0, True)
    return orders(kit.give(city, now_us, type(batch)(**{**vars(batch), "clock": clock})))


def report(about: tasks.Task, state: int, code: int = 0, **changes: Any) -> TaskReport:
    return TaskReport(about.task_id, state, code, "", 0.5, **changes)


def record(city: City) -> Any:
    return list(city.dispatcher.book.by_id.values())[-1]


def test_an_order_is_signed_fenced_and_bound_to_the_edges_own_clock(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    (order,) = decide(kit, city, T + US)
    assert tasks.verify(kit.keys[1], order.task, order.signature)
    task = tasks.decode(order.task)
    assert (task.actuator, task.setpoint, task.fence) == ("river-1/opening", 0.5, 7)
    assert (task.edge, task.edge_boot, task.lease_ms) == ("edge-1", "eb-1", 4000)
    assert task.not_after_us == 5 * US + US + 4000 * 1000
    assert task.causes == [("river-1", kit.boot, 0)]


@pytest.mark.parametrize(
    ("holder", "until_s", "after_s", "reason"),
    [("edge", 8, 0, "no_lease"), ("city", 5, 0.5, "no_lease"), ("city", 100, 2.5, "stale_clock")],
)
def test_without_lease_or_fresh_clock_nothing_goes_out(
    kit: Any, store: Store, *, holder: str, until_s: int, after_s: float, reason: str
) -> None:
    city = ready(kit, store)
    kit.give(city, T, LeaseState("river-1/opening", holder, 7, until_s * US))
    assert decide(kit, city, T + int(after_s * US)) == []
    assert city.dispatcher.held_back[reason] == 1
    assert not city.dispatcher.book.by_id


def test_advice_is_never_dispatched_and_asks_for_no_lease(kit: Any, store: Store) -> None:
    city = kit.city(store, mode="advise")
    sends = kit.give(city, T, kit.info(), kit.heartbeat(5 * US, 0))
    assert not [m for _, m in sends if isinstance(m, LeaseRequest)]
    kit.give(city, T, LeaseState("river-1/opening", "city", 7, 8 * US))
    assert decide(kit, city) == []
    assert city.host.rows()[0]["proposals"][0]["setpoint"] == 0.5


def test_leases_are_asked_for_at_once_and_every_second(kit: Any, store: Store) -> None:
    city = kit.city(store)
    times = []
    for ms in range(0, 3000, 100):
        now = T + ms * 1000
        sends = kit.give(city, now, kit.info(), kit.heartbeat(5 * US + ms * 1000, 0))
        times += [ms for _, m in sends if m == LeaseRequest("river-1/opening", "city")]
    assert times == [0, 1000, 2000]


def test_a_setpoint_within_the_deadband_is_not_sent_again_until_half_its_time_is_over(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    assert len(decide(kit, city, T, 1.0, 0)) == 1
    assert decide(kit, city, T + 100_000, 1.01, 1) == []
    assert len(decide(kit, city, T + 200_000, 1.2, 2)) == 1


def test_the_age_of_a_cause_is_told_in_the_clock_of_the_node_that_acts(kit: Any, store: Store) -> None:
    city = kit.city(store)
    sense = kit.info()
    other = ThingInfo("mast-1", "0000000b-1", "vm 1", "cd" * 32, {**kit.manifest(), "thing": "mast-1"}, True)
    long_up = Heartbeat("edge-2", "eb-2", 900_000 * US, T, [], {})
    kit.give(city, T, other, long_up, edge="edge-2")
    kit.give(city, T, sense, Heartbeat("edge-1", "eb-1", 5 * US, T, [], {}))
    kit.give(city, T, LeaseState("river-1/opening", "city", 7, 8 * US))
    (runner,) = city.host.engine.runners.values()
    runner.note_cause("mast-1/water_level", city.clock.event_utc_us(T) - US, ("mast-1", "0000000b-1", 3))
    (order,) = decide(kit, city, T + US)
    assert tasks.decode(order.task).stamps["sample"] == pytest.approx(6 * US * 1000, abs=US)


def own_task(thing: str, edge: str, **changes: Any) -> tasks.Task:
    """A task that an edge node may have given itself."""
    plain = tasks.Task(
        task_id=bytes(16), actuator=f"{thing}/opening", setpoint=0.4, lease_ms=tasks.MAX_LEASE_MS, instance="mine",
        step_utc_us=5, edge=edge, edge_boot="b", not_after_us=9, fence=1,
    )  # fmt: skip
    return replace(plain, **changes)


def test_nobody_takes_the_id_of_a_task_of_another_node(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    foreign = ThingInfo("mast-1", "0000000b-1", "vm 1", "cd" * 32, {**kit.manifest(), "thing": "mast-1"}, True)
    step_utc_us = city.clock.event_utc_us(T + US)
    trick = own_task("mast-1", "edge-2", task_id=tasks.task_id("opener", step_utc_us, "gate"))
    told = report(trick, codes.OBSERVED, task=tasks.encode(trick))
    kit.give(city, T, foreign, told, edge="edge-2")
    assert record(city).task.actuator == "mast-1/opening"
    (order,) = decide(kit, city, T + US)
    made = tasks.decode(order.task)
    assert (made.task_id, made.actuator) == (trick.task_id, "river-1/opening"), "the city is not kept from acting"
    assert city.refused == {"foreign_task": 1}
    store.committer.run(lambda c: task_rows.put(c, city.dispatcher.book.take_changed()))
    (kept,) = store.committer.read(lambda c: task_rows.newest(c, 10))
    assert kept.task.actuator == "river-1/opening"
    kit.give(city, T + US, report(trick, codes.FAILED, task=tasks.encode(trick)), edge="edge-2")
    assert city.refused == {"foreign_task": 2} and record(city).state == codes.DISPATCHED


@pytest.mark.parametrize(
    "changes", [{"edge": "edge-2"}, {"person": "anna"}, {"approved": ["ben"]}, {"verb": tasks.RESET}], ids=str
)
def test_an_edge_node_speaks_for_no_person_and_no_other_node(kit: Any, store: Store, changes: dict[str, Any]) -> None:
    city = ready(kit, store)
    task = replace(own_task("river-1", "edge-1"), **changes)
    kit.give(city, T, report(task, codes.DONE, task=tasks.encode(task)))
    assert city.refused == {"foreign_task": 1} and not city.dispatcher.book.by_id


def test_a_clock_that_no_machine_has_is_not_believed(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    kit.give(city, T, kit.heartbeat(2**63 - 1, 0))
    assert city.refused == {"absurd_clock": 1}
    assert city.sessions.by_edge["edge-1"].edge_now_us(T) == 5 * US


def test_what_is_no_task_is_kept_from_the_book_also_where_it_would_wait(kit: Any, store: Store) -> None:
    city = ready(kit, store, rules={"river-1/opening": Rule(hazardous=True)})
    city.sessions.by_edge["edge-1"].boot = "b" * 65
    assert decide(kit, city, T + US) == []
    assert city.dispatcher.held_back["invalid_task"] == 1 and not city.dispatcher.book.by_id


def test_a_record_does_not_grow_and_lies_not_in_the_future(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    task = own_task("river-1", "edge-1", step_utc_us=2**63 - 1)
    for n in range(20):
        stamps = {f"hop-{n}-{m}": m for m in range(16)}
        kit.give(city, T, report(task, codes.DONE, task=tasks.encode(task), stamps=stamps))
    assert len(record(city).stamps) == 32
    assert task_row(record(city))["history"][0]["utc_us"] == city.clock.event_utc_us(T)


def test_the_same_bytes_are_sent_again_until_the_deadline_and_never_after(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    (first,) = decide(kit, city)
    again = []
    for ms in range(100, 9000, 100):
        beat = kit.heartbeat(5 * US + ms * 1000, 1)
        lease = LeaseState("river-1/opening", "city", 7, 20 * US)
        again += [(ms, order) for order in orders(kit.give(city, T + ms * 1000, beat, lease))]
    assert [ms for ms, _ in again] == [500, 1000, 1500, 2000, 2500, 3000, 3500]
    assert {order for _, order in again} == {first}
    assert record(city).state == codes.UNKNOWN


def test_a_rebooted_edge_gets_no_order_of_its_former_life(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    decide(kit, city)
    beat = type(kit.heartbeat(0, 0))("edge-1", "eb-2", US, 0, [], {})
    assert orders(kit.give(city, T + US, beat)) == []


def test_feedback_closes_a_done_task(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    (order,) = decide(kit, city)
    task = tasks.decode(order.task)
    kit.give(city, T + US, report(task, codes.ACCEPTED), report(task, codes.DONE))
    clock = type(kit.clock)(0, city.clock.event_utc_us(T + US), 1.0, 1.0, True)
    for seq, seen, state in ((1, 0.3, codes.DONE), (2, 0.51, codes.OBSERVED)):
        batch = kit.batch(seq, 1, seen, channel=1)
        kit.give(city, T + US, type(batch)(**{**vars(batch), "clock": clock}))
        assert record(city).state == state
    states = [step["state"] for step in task_row(record(city))["history"]]
    assert states == ["proposed", "authorised", "dispatched", "accepted", "done", "observed"]


def test_an_effect_that_does_not_show_in_time_is_a_failure(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    (order,) = decide(kit, city)
    kit.give(city, T + US, report(tasks.decode(order.task), codes.DONE))
    batch = kit.batch(1, 1, 0.2, channel=1)
    clock = type(kit.clock)(0, city.clock.event_utc_us(T + 7 * US), 1.0, 1.0, True)
    kit.give(city, T + 7 * US, type(batch)(**{**vars(batch), "clock": clock}))
    assert (record(city).state, record(city).steps[-1].code) == (codes.FAILED, codes.NOT_OBSERVED)


def test_a_refused_task_makes_room_for_the_next_decision(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    (order,) = decide(kit, city)
    kit.give(city, T, report(tasks.decode(order.task), codes.REFUSED, codes.LEASE_HELD))
    assert len(decide(kit, city, T + 100_000, 1.0, 1)) == 1


def test_an_edges_own_task_is_recorded_with_the_edge_as_requester(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    task = tasks.Task(b"r" * 16, "river-1/opening", 0.9, 1000, "opener", 1, "edge-1", "eb-1", 1, 8, reason="reflex")
    kit.give(city, T, report(task, codes.DONE, task=tasks.encode(task), stamps={"edge_rx": 1}))
    row = task_row(record(city))
    assert (row["requester"], row["reason"], row["state"], row["setpoint"]) == ("edge", "reflex", "done", 0.9)
    assert record(city).observe == "river-1/feedback"


def test_an_edges_own_task_is_followed_but_never_sent(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    task = tasks.Task(b"r" * 16, "river-1/opening", 0.9, 1000, "opener", 1, "edge-1", "eb-1", 1, 7)
    assert not orders(kit.give(city, T, report(task, codes.DISPATCHED, task=tasks.encode(task))))
    assert not orders(kit.give(city, T + US, kit.heartbeat(6 * US, 0)))
    for state in (codes.ACCEPTED, codes.ACTING, codes.DONE, codes.OBSERVED):
        kit.give(city, T + US, report(task, state))
        assert record(city).state == state


def test_reports_on_other_edges_tasks_and_actuators_are_refused(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    (order,) = decide(kit, city)
    kit.give(city, T, report(tasks.decode(order.task), codes.DONE), edge="edge-2")
    kit.give(city, T, LeaseState("river-1/opening", "edge", 9, 9), edge="edge-2")
    assert record(city).state == codes.DISPATCHED
    assert city.refused == {"foreign_task": 1, "foreign_actuator": 1}


def test_after_a_restart_a_dispatched_task_is_unknown_and_not_sent_again(kit: Any, store: Store) -> None:
    city = ready(kit, store)
    (order,) = decide(kit, city)
    asyncio.run(store.commit(Writes(tasks=city.dispatcher.book.take_changed())))
    again = kit.city(store)
    assert record(again).state == codes.UNKNOWN
    kit.give(again, T, kit.info(), kit.heartbeat(5 * US, 0))
    assert orders(kit.give(again, T + US, LeaseState("river-1/opening", "city", 7, 8 * US))) == []
    kit.give(again, T + US, report(tasks.decode(order.task), codes.DONE))
    assert record(again).state == codes.DONE


def test_the_oldest_closed_tasks_leave_memory_and_no_open_one_does() -> None:
    def made(number: int) -> TaskRecord:
        task = tasks.Task(number.to_bytes(16, "big"), "g/opening", 0.5, 1000, "i", 1, "edge-1", "eb-1", 1, 1)
        return TaskRecord(task, "city", [Step(codes.DISPATCHED, 0, 0)])

    book, more = TaskBook(), 70
    for number in range(MAX_RECORDS + more):
        book.add(made(number))
        if number % 3:
            book.move(book.by_id[number.to_bytes(16, "big")], codes.REFUSED, 0, 1)
    kept = [int.from_bytes(key, "big") for key in book.by_id]
    gone = [number for number in range(MAX_RECORDS + more) if number % 3][:more]
    assert kept == [number for number in range(MAX_RECORDS + more) if number not in gone]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(codes.STATES)), max_size=12))
def test_whatever_is_reported_states_follow_the_table_and_final_ones_stay(reports: list[int]) -> None:
    task = tasks.Task(b"t" * 16, "g/opening", 0.5, 1000, "i", 1, "edge-1", "eb-1", 1, 1)
    book = TaskBook([TaskRecord(task, "city", [Step(codes.DISPATCHED, 0, 0)])])
    kept = book.by_id[task.task_id]
    for state in reports:
        book.move(kept, state, 0, 1)
    path = [step.state for step in kept.steps]
    assert all(new in codes.TRANSITIONS[old] for old, new in pairwise(path))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["sample", "beat", "lease", "done", "refused", "wait"]), st.integers(1, 30)),
        max_size=40,
    )
)
def test_no_order_ever_leaves_after_its_deadline_or_without_a_lease(
    kit: Any, tmp_path_factory: Any, events: Any
) -> None:
    store = Store(tmp_path_factory.mktemp("s"))
    city, now, lease_until, seq = ready(kit, store), T, 8 * US, 0
    for kind, tenths in events:
        now += tenths * 100_000
        edge_now = 5 * US + now - T
        sent: list[TaskOrder] = []
        if kind == "sample":
            seq += 1
            sent = decide(kit, city, now, 0.5 + seq % 3, seq)
        elif kind == "lease":
            lease_until = edge_now + 3 * US
            sent = orders(kit.give(city, now, LeaseState("river-1/opening", "city", 7, lease_until)))
        elif kind == "beat":
            sent = orders(kit.give(city, now, kit.heartbeat(edge_now, seq)))
        elif kind in ("done", "refused") and city.dispatcher.book.by_id:
            state = codes.DONE if kind == "done" else codes.REFUSED
            sent = orders(kit.give(city, now, report(record(city).task, state)))
        else:
            sent = orders(city.think(city.now(now)))
        assert all(tasks.decode(order.task).not_after_us > edge_now for order in sent)
        assert not sent or lease_until > edge_now
    store.close()
