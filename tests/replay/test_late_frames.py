"""Late and shuffled frames within lateness_s end as those in order do. A million of them: `make late`."""

from .late import run


def test_shuffled_frames_end_as_those_in_order() -> None:
    in_order, shuffled = run(20_000, None), run(20_000, seed=1)
    assert len(in_order.steps) > 30 and in_order.amended == 0 and shuffled.amended > 300
    assert shuffled.too_late == in_order.too_late == 0
    differing = [step for step, outcome in in_order.steps.items() if shuffled.steps.get(step) != outcome]
    assert differing == [] and shuffled.steps.keys() == in_order.steps.keys()
    assert shuffled.alarms == in_order.alarms != []
