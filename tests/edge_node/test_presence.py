import random
from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.city.presence import FIRST_CEILING_US, RENEW_US, SILENT_US, Presence

STEP_US = 20_000


def hellos(presence: Presence, begin_us: int, end_us: int) -> list[int]:
    return [now for now in range(begin_us, end_us, STEP_US) if presence.tick(now)]


def test_the_ceiling_doubles_up_to_its_limit() -> None:
    times = hellos(Presence(lambda: 0.999999, 8_000_000), 0, 60_000_000)
    waits = [b - a for a, b in pairwise(times)]
    assert times[0] == FIRST_CEILING_US
    assert waits[:5] == [1_000_000, 2_000_000, 4_000_000, 8_000_000, 8_000_000]


def test_after_a_connection_the_ceiling_begins_anew() -> None:
    presence = Presence(lambda: 0.999999)
    hellos(presence, 0, 30_000_000)
    assert presence.greeted("s", 30_000_000) and not presence.greeted("s", 30_000_001)
    assert hellos(presence, 30_000_000, 30_000_000 + SILENT_US) == []
    lost = next(now for now in range(30_000_000, 40_000_000, STEP_US) if presence.tick(now) or not presence.connected)
    assert hellos(presence, lost + STEP_US, lost + 2_000_000)[0] - lost <= FIRST_CEILING_US + STEP_US


def test_wait_is_obeyed_with_jitter_of_our_own_even_if_the_city_talks_on() -> None:
    presence = Presence(lambda: 0.5)
    presence.greeted("s", 0)
    presence.wait(10_000, 1_000_000)
    assert not presence.connected and not presence.heard(2_000_000)
    assert hellos(presence, 1_000_000, 30_000_000)[0] == 1_000_000 + 10_000_000 + 5_000_000
    assert presence.greeted("s", 16_100_000), "and then it is welcome"


def test_a_refused_city_hears_hellos_only_and_another_one_is_welcome() -> None:
    presence = Presence(lambda: 0.5)
    presence.greeted("s", 0)
    presence.refuse("an older copy")
    assert not presence.heard(10) and presence.problem == "an older copy"
    assert hellos(presence, 0, 5_000_000)
    assert presence.greeted("t", 6_000_000) and not presence.problem


def test_a_link_that_stays_dead_is_begun_anew_now_and_then() -> None:
    presence = Presence(lambda: 0.25)
    renewed = [now for now in range(0, 60_000_000, STEP_US) if presence.stuck(now)]
    assert RENEW_US * 1.25 < renewed[0] <= RENEW_US * 1.25 + STEP_US and len(renewed) == 3


def first_hello_after(presence: Presence, back_us: int) -> int:
    """Return when a node that noticed the silence at 1 us says its first hello after the city is back."""
    presence.tick(1)
    while (due_us := presence.hello_us or 0) < back_us:
        presence.tick(due_us)
    return due_us


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), away_s=st.integers(1, 60))
def test_a_thousand_nodes_that_lost_the_city_together_do_not_come_back_together(seed: int, away_s: int) -> None:
    """Full jitter: in no tenth of a second more than a small part of them says hello; all are back in 8 s."""
    draws, back_us, late_us = random.Random(seed), away_s * 1_000_000, []
    for _ in range(1000):
        presence = Presence(draws.random)
        presence.greeted("s", -SILENT_US)
        late_us.append(first_hello_after(presence, back_us) - back_us)
    knocks = Counter(late // 100_000 for late in late_us)
    assert max(late_us) <= 8_000_000
    assert max(knocks.values()) <= (250 if away_s < 8 else 60)
    assert len(knocks) >= (5 if away_s < 8 else 60), "they are spread over the whole ceiling"


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_thousand_nodes_told_to_wait_spread_over_as_long_again(seed: int) -> None:
    draws, due_us = random.Random(seed), []
    for _ in range(1000):
        presence = Presence(draws.random)
        presence.wait(4000, 0)
        due_us.append(presence.hello_us or 0)
    assert min(due_us) >= 4_000_000 and max(due_us) <= 8_000_000
    assert max(Counter(due // 100_000 for due in due_us).values()) <= 60
