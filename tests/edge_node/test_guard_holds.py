"""How long a person's order holds an actuator, whether or not there is a city that says so again and again."""

from edge_node.reaction.guard import Guard
from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import LeaseState

from .test_guard import GATE, NOW, dispatch, leased, result
from .test_guard_people import S, asked, guard_of


def acted(guard: Guard, task: tasks.Task) -> None:
    """The board does what the task says."""
    dispatch(guard, task)
    for state in (codes.ACCEPTED, codes.DONE):
        guard.result(result(task, state), NOW, NOW)


def test_a_persons_lease_lasts_as_long_as_the_order_without_a_city_that_renews_it() -> None:
    guard = guard_of()
    fence = leased(guard, "operator")
    acted(guard, asked(guard, fence, lease_ms=60_000))
    for second in range(1, 60):
        guard.tick(NOW + second * S)
        (kept,) = guard.lease(GATE, "edge", NOW + second * S)
        assert isinstance(kept, LeaseState) and (kept.holder, kept.fence) == ("operator", fence)
    guard.tick(NOW + 61 * S)
    (after,) = guard.lease(GATE, "edge", NOW + 61 * S)
    assert isinstance(after, LeaseState) and after.holder == "edge", "the order is over"


def test_a_shorter_order_of_a_person_ends_the_hold_of_a_longer_one() -> None:
    guard = guard_of()
    fence = leased(guard, "operator")
    acted(guard, asked(guard, fence, lease_ms=60_000))
    acted(guard, asked(guard, fence, 2, lease_ms=5000))
    for second in range(1, 6):
        guard.tick(NOW + second * S)
    guard.tick(NOW + 6 * S)
    (after,) = guard.lease(GATE, "city", NOW + 6 * S)
    assert isinstance(after, LeaseState) and after.holder == "city"


def test_what_ends_an_order_ends_its_hold() -> None:
    guard = guard_of()
    acted(guard, asked(guard, leased(guard, "operator"), lease_ms=60_000))
    guard.trip(GATE, "a boat", NOW + S, "anna")
    for second in range(2, 5):
        guard.tick(NOW + second * S)
    (after,) = guard.lease(GATE, "city", NOW + 5 * S)
    assert isinstance(after, LeaseState) and after.holder == "city"
