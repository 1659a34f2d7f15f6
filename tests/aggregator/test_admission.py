"""Admission: never faster than the rate, everybody gets in, nobody takes the turns of others."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.caps.admission import SETTLE_US, Admission

US = 1_000_000


def test_golden_a_burst_then_a_time_for_each() -> None:
    admission = Admission(per_s=10, burst=2, settling=100)
    assert [admission.ask(f"e{at}", 0) for at in range(5)] == [0, 0, 100_000, 200_000, 300_000]
    assert admission.ask("e2", 50_000) == 50_000, "whoever asks again keeps its time"
    assert [admission.ask(f"e{at}", (at - 1) * 100_000) for at in (2, 3, 4)] == [0, 0, 0]
    assert admission.row() == {"admitted": 5, "waits": 4, "settling": 5}


def test_no_more_settle_at_once_than_agreed() -> None:
    admission = Admission(per_s=1000, burst=1000, settling=3)
    assert [bool(admission.ask(f"e{at}", 0)) for at in range(5)] == [False, False, False, True, True]
    admission.served("e0")
    assert admission.ask("e3", 10_000) == 0
    assert admission.ask("e4", 10_000) > 0
    assert admission.ask("e4", 10_000 + SETTLE_US) == 0, "who is never served does not block the others"


def test_a_node_that_flaps_waits_and_the_others_do_not() -> None:
    admission = Admission(per_s=100, burst=3, settling=50)
    assert [bool(admission.ask("flap", at * 1000)) for at in range(100)] == [False] + [True] * 99
    assert admission.ask("calm", 100_000) == 0


@settings(max_examples=60, deadline=None)
@given(
    per_s=st.integers(5, 400), burst=st.integers(1, 60), settling=st.integers(1, 80),
    jitters=st.lists(st.integers(0, 400_000), min_size=1, max_size=150),
)  # fmt: skip
def test_all_come_in_and_never_faster_than_the_rate(per_s: int, burst: int, settling: int, jitters: list[int]) -> None:
    """Nodes that come back when they were told, plus a jitter of their own; each is served 20 ms after it began."""
    admission = Admission(per_s, burst, settling)
    due = {f"e{at}": jitter for at, jitter in enumerate(jitters)}
    asked: Counter[str] = Counter()
    admitted: list[int] = []
    serve: list[tuple[int, str]] = []
    while due:
        edge = min(due, key=lambda name: due[name])
        now = due.pop(edge)
        for at, name in [row for row in serve if row[0] <= now]:
            admission.served(name)
            serve.remove((at, name))
        wait = admission.ask(edge, now)
        asked[edge] += 1
        if wait:
            due[edge] = now + wait + jitters[len(edge) % len(jitters)] % 50_000
        else:
            admitted.append(now)
            serve.append((now + 20_000, edge))
        assert sum(asked.values()) < 200 * len(jitters)
    assert len(admitted) == len(jitters)
    for first, start in enumerate(admitted):
        for count, end in enumerate(admitted[first:], 1):
            assert count <= burst + (end - start) * per_s / US + 1.001
    bound_s = 1 + len(jitters) / per_s * 2 + len(jitters) / settling * 0.3
    assert admitted[-1] <= bound_s * US + 2 * max(jitters)
