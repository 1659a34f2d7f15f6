"""A node's choice of keys, step by step, whatever is lost in between. Golden steps, then every order of events."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge_node.keys.node_keys import CITY, OFFER_EVERY_US, OWN, UNANSWERED, NodeKeys, Pair
from protocol.city_link import KeyOffer, Refusal

ONE, TWO = Pair(b"1" * 40, b"secret-one", "f1"), Pair(b"2" * 40, b"secret-two", "f2")
CITY_ONE, CITY_TWO = b"c" * 40, b"d" * 40


def test_a_steady_node_offers_nothing() -> None:
    keys = NodeKeys([ONE], [CITY_ONE])
    assert (keys.state, keys.offer(0), keys.in_use) == ("steady", None, (CITY_ONE, ONE.public, ONE.secret))
    keys.taken(ONE.public)
    keys.proven()
    assert not keys.reconnect and not keys.take_proven()


def test_a_rotation_is_offered_until_taken_and_over_when_proven() -> None:
    keys = NodeKeys([ONE], [CITY_ONE])
    keys.add(TWO)
    assert keys.state == "offering" and keys.offer(5) == KeyOffer(TWO.public)
    assert keys.offer(5 + OFFER_EVERY_US - 1) is None
    assert keys.offer(5 + OFFER_EVERY_US) == KeyOffer(TWO.public)
    keys.taken(b"x" * 40)
    assert keys.state == "offering"
    keys.taken(TWO.public)
    assert keys.state == "changing" and keys.reconnect and keys.in_use[1] == TWO.public
    keys.proven()
    assert not keys.take_proven(), "that message came over the old link"
    keys.reconnect = False
    keys.proven()
    assert keys.take_proven() == [OWN] and keys.state == "steady" and keys.in_use[1] == TWO.public


def test_a_node_that_is_refused_under_one_key_tries_the_other() -> None:
    keys = NodeKeys([ONE, TWO], [CITY_ONE])
    keys.refused()
    assert keys.in_use[1] == TWO.public and keys.reconnect and "f1" in keys.problem
    keys.reconnect = False
    keys.refused()
    assert keys.in_use[1] == ONE.public and "f2" in keys.problem
    keys.reconnect = False
    keys.refused()
    keys.reconnect = False
    keys.proven()
    assert keys.take_proven() == [OWN] and not keys.problem


def test_with_one_key_a_refusal_is_only_told() -> None:
    keys = NodeKeys([ONE], [CITY_ONE])
    keys.refused()
    assert not keys.reconnect and "city keys enroll" in keys.problem and ONE.secret.decode() not in keys.problem


def test_another_city_key_is_tried_after_some_handshakes_without_an_answer() -> None:
    keys = NodeKeys([ONE], [CITY_ONE, CITY_TWO])
    for _ in range(UNANSWERED - 1):
        keys.unanswered("tcp://city:1")
    assert keys.in_use[0] == CITY_ONE and not keys.problem
    keys.unanswered("tcp://city:1")
    assert keys.in_use[0] == CITY_TWO and keys.reconnect and "tcp://city:1" in keys.problem
    keys.reconnect = False
    keys.proven()
    assert keys.take_proven() == [CITY] and keys.city == (CITY_TWO,)


def test_what_the_city_says_is_kept_for_people() -> None:
    keys = NodeKeys([ONE], [CITY_ONE])
    keys.told(Refusal("rotation_under_way", "later"))
    keys.proven()
    assert keys.said == "rotation_under_way: later"
    keys.add(TWO)
    keys.taken(TWO.public)
    assert not keys.said, "what it refused before, it has done now"


def test_new_files_on_disk_are_taken_at_once() -> None:
    keys = NodeKeys([ONE], [CITY_ONE])
    keys.take([TWO], [CITY_ONE])
    assert keys.reconnect and keys.in_use[1] == TWO.public
    keys.reconnect = False
    keys.take([TWO], [CITY_ONE, CITY_TWO])
    assert not keys.reconnect


def test_no_secret_has_a_repr() -> None:
    assert "secret" not in repr(NodeKeys([ONE, TWO], [CITY_ONE]).own)


EVENTS = st.lists(st.sampled_from(["taken", "proven", "refused", "unanswered", "reconnected", "offer"]), max_size=40)


@given(EVENTS)
def test_whatever_happens_a_key_that_was_not_proven_replaces_none(events: list[str]) -> None:
    keys, promoted = NodeKeys([ONE, TWO], [CITY_ONE, CITY_TWO]), 0
    calls: dict[str, Any] = {
        "taken": lambda: keys.taken(TWO.public), "proven": keys.proven, "refused": keys.refused,
        "unanswered": lambda: keys.unanswered("e"), "offer": lambda: keys.offer(10**9),
    }  # fmt: skip
    for event in events:
        before, waiting = keys.in_use, keys.reconnect
        if event == "reconnected":
            keys.reconnect = False
        else:
            calls[event]()
        new = keys.take_proven()
        promoted += len(new)
        assert not new or (event == "proven" and not waiting and keys.in_use == before)
        assert keys.in_use[1] in (ONE.public, TWO.public) and keys.in_use[0] in (CITY_ONE, CITY_TWO)
    assert promoted <= 2
