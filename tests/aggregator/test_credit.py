"""Credit: what all nodes together have in flight stays within the cap, whatever they do within their credit."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.caps.credit import HOLD_US, SLACK, Credit

US = 1_000_000


def test_golden_one_node_gets_all_it_may_and_many_share() -> None:
    credit = Credit(cap=100, per_edge=60, slow_us=1000)
    assert credit.begin("a", 0, obeys=True) == 25
    assert credit.share(["a"], 0) == {"a": 60}
    credit.known = 2
    assert credit.begin("b", 0, obeys=True) == 12
    assert credit.share(["a", "b"], 0) == {"a": 50, "b": 40}, "a may still have 60 in flight"
    assert credit.share(["a", "b"], HOLD_US) == {"a": 50, "b": 50}


def test_newcomers_find_room_while_some_are_away() -> None:
    credit = Credit(cap=400, per_edge=400, slow_us=1000, known=100)
    assert credit.begin("e0", 0, obeys=True) == 1
    assert credit.share(["e0"], 0) == {"e0": 300}
    assert [credit.begin(f"e{at}", 0, obeys=True) for at in range(1, 100)] == [1] * 99
    told = credit.share([f"e{at}" for at in range(100)], HOLD_US).values()
    assert sum(told) <= 400 - 300 + 4
    assert min(told) == 1
    assert set(credit.share([f"e{at}" for at in range(100)], 3 * HOLD_US).values()) == {4}


def test_more_nodes_than_credit_take_turns() -> None:
    credit = Credit(cap=3, per_edge=60, slow_us=1000)
    edges = [f"e{at}" for at in range(10)]
    seen: set[str] = set()
    for round_ in range(40):
        told = credit.share(edges, round_ * US)
        assert sum(told.values()) <= 3
        seen |= {edge for edge, value in told.items() if value}
    assert seen == set(edges)


def test_slow_commits_lower_it_and_quick_ones_raise_it_again() -> None:
    credit = Credit(cap=100, per_edge=100, slow_us=1000)
    for _ in range(20):
        credit.committed(5000)
    assert credit.share(["a"], 0) == {"a": 1}
    for _ in range(10):
        credit.committed(10)
    assert credit.share(["a"], HOLD_US) == {"a": 100}


def test_a_pause_is_zero_for_everybody_and_ends() -> None:
    credit = Credit(cap=100, per_edge=10, slow_us=1000)
    assert credit.share(["a", "b"], 0) == {"a": 10, "b": 10}
    credit.paused = "no room"
    assert credit.share(["a", "b"], US) == {"a": 0, "b": 0}
    assert credit.begin("c", US, obeys=True) == 0
    credit.paused = ""
    assert credit.share(["a", "b"], 2 * US) == {"a": 10, "b": 10}


def test_beyond_its_credit_a_node_is_not_taken_and_counted() -> None:
    credit = Credit(cap=100, per_edge=10, slow_us=1000)
    credit.begin("a", 0, obeys=True)
    assert credit.share(["a"], 0) == {"a": 10}
    credit.start_turn()
    assert [credit.may_send("a", 0) for _ in range(20)] == [True] * (10 + SLACK) + [False] * (10 - SLACK)
    assert credit.over == 6
    credit.start_turn()
    assert credit.may_send("a", 0)
    credit.begin("old", 0, obeys=False)
    assert all(credit.may_send("old", 0) for _ in range(256)), "0.1.0 knows no credit and has 256 in flight"


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, 7)),
        st.tuples(st.just("leave"), st.integers(0, 7)),
        st.tuples(st.just("beat"), st.integers(1, 1500)),
        st.tuples(st.just("commit"), st.sampled_from([10, 5000])),
        st.tuples(st.just("pause"), st.booleans()),
        st.tuples(st.just("drain"), st.integers(0, 7)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(cap=st.integers(1, 300), per_edge=st.integers(1, 80), events=EVENTS)
def test_honest_nodes_never_have_more_in_flight_than_the_cap(cap: int, per_edge: int, events: list[Any]) -> None:
    """Each node always fills its credit; what is in flight leaves within HOLD_US, or when it is drained."""
    credit, now = Credit(cap, per_edge, 1000), 0
    told: dict[str, int] = {}
    flying: dict[str, list[int]] = {}

    def fill(edge: str) -> None:
        have = flying.setdefault(edge, [])
        have += [now] * max(0, told.get(edge, 0) - len(have))

    for kind, value in events:
        if kind == "join" and f"e{value}" not in told:
            told[f"e{value}"] = credit.begin(f"e{value}", now, obeys=True)
        elif kind == "leave" and f"e{value}" in told:
            credit.gone(f"e{value}", now)
            del told[f"e{value}"]
        elif kind == "beat":
            now += value * 1000
            told = credit.share(sorted(told), now)
        elif kind == "commit":
            credit.committed(value)
        elif kind == "pause":
            credit.paused = "test" if value else ""
        elif kind == "drain":
            flying.pop(f"e{value}", None)
        flying = {edge: [us for us in have if now - us < HOLD_US // 2] for edge, have in flying.items()}
        for edge in told:
            fill(edge)
        assert all(0 <= value <= per_edge for value in told.values())
        assert sum(len(have) for have in flying.values()) <= cap
