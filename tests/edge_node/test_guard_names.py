"""What edge.toml says of actuators under names that no board answers to: nothing is skipped for that."""

from service.risk import CLASSES

from .test_guard import GATE, dispatch, leased, order, reported, task_for
from .test_guard_people import guard_of, said


def test_an_actuator_that_no_board_has_introduced_engages_the_others_of_its_interlock() -> None:
    guard = guard_of(interlocks=[[GATE, "river-2/openning"]])
    fence = leased(guard)
    found = order(guard, task_for(guard, fence))
    assert said(found) == ("refused", "interlocked")
    assert "river-2/openning (which no board here has) is engaged" in reported(found).text
    dispatch(guard, task_for(guard, fence, 2, setpoint=0.2))


def test_a_rule_with_a_misspelt_name_lets_its_board_move_to_safety_only() -> None:
    guard = guard_of()
    guard.rules["river-1/openning"] = CLASSES["high"]
    fence = leased(guard)
    found = order(guard, task_for(guard, fence))
    assert said(found) == ("refused", "unauthorised") and "river-1/openning" in reported(found).text
    dispatch(guard, task_for(guard, fence, 2, setpoint=0.2))
