"""The keyring without files and sockets: two slots, one-time tokens, dead keys stay dead. Golden values, properties."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zmq.utils import z85

from aggregator.errors import KeyringError
from aggregator.keys import tokens
from aggregator.keys.keyring import ANSWER_US, CURRENT, GRACE_US, MAX_ROTATED, NEXT, OFFER_AGAIN_US, Keyring, from_map
from protocol.city_link import KeyTaken, Refusal
from service.fingerprint import fingerprint, raw_key

US = 1_000_000
ID, SECRET = bytes(8), bytes(range(16))


def key(number: int) -> bytes:
    """A public key in z85."""
    return bytes(z85.encode(hashlib.sha256(bytes([number])).digest()))


def name(number: int) -> str:
    return fingerprint(raw_key(key(number)))


@pytest.fixture
def ring() -> Keyring:
    made = Keyring()
    made.tick(1000 * US)
    made.adopt("edge-1", key(1))
    made.take_events()
    return made


def told(ring: Keyring) -> list[str]:
    return [row["event"] for row in ring.take_events()]


def slots(ring: Keyring, edge: str = "edge-1") -> dict[str, str]:
    return {k.slot: n for n, k in ring.keys.items() if k.edge == edge}


def reason_of(do: Any) -> str:
    with pytest.raises(KeyringError) as caught:
        do()
    return caught.value.reason


def test_a_fingerprint_is_the_hash_of_the_raw_key() -> None:
    assert fingerprint(bytes(range(32))) == "630dcd2966c4336691125448bbb25b4f"
    for wrong in (b"", b"x" * 39, b"\x7f" * 40, b"0" * 40):
        with pytest.raises(ValueError, match="z85"):
            raw_key(wrong)


def test_only_the_keys_of_an_edge_speak_for_it(ring: Keyring) -> None:
    assert ring.reason("edge-1", name(1)) == ""
    assert ring.reason("edge-2", name(1)) == "unknown_key"
    assert ring.reason("edge-1", name(2)) == ring.reason("edge-1", "") == "unknown_key"
    assert ring.allowed() == {raw_key(key(1)): f"edge-1/{name(1)}"}


def test_a_rotation_from_offer_to_retirement(ring: Keyring) -> None:
    assert ring.answer("edge-1", name(1), key(2)) == KeyTaken(key(2))
    assert slots(ring) == {CURRENT: name(1), NEXT: name(2)}
    assert told(ring) == ["key_added"]
    assert ring.answer("edge-1", name(1), key(2)) == KeyTaken(key(2)), "the answer may have been lost"
    assert told(ring) == []
    ring.heard(name(1))
    ring.tick(2000 * US)
    assert slots(ring) == {CURRENT: name(1), NEXT: name(2)}, "nothing retires before the next key was used"
    ring.heard(name(2))
    assert told(ring) == ["key_first_used"]
    ring.tick(2000 * US + GRACE_US - 1)
    assert not ring.reason("edge-1", name(1)) and not ring.reason("edge-1", name(2))
    ring.tick(2000 * US + GRACE_US)
    assert ring.reason("edge-1", name(1)) == "retired_key"
    assert slots(ring) == {CURRENT: name(2)}
    assert told(ring) == ["key_retired", "key_current"]


def test_another_offer_takes_the_place_of_one_that_was_never_used(ring: Keyring) -> None:
    ring.offer("edge-1", name(1), key(2))
    assert reason_of(lambda: ring.offer("edge-1", name(1), key(3))) == "offers_too_often"
    ring.tick(1000 * US + OFFER_AGAIN_US)
    ring.offer("edge-1", name(1), key(3))
    assert slots(ring) == {CURRENT: name(1), NEXT: name(3)}
    assert ring.reason("edge-1", name(2)) == "replaced_key"


def test_an_edge_that_offers_key_after_key_neither_fills_the_keyring_nor_revives_a_dead_key(ring: Keyring) -> None:
    ring.adopt("edge-2", key(9))
    ring.open_token("edge-2", 60 * US, ID, SECRET)
    ring.redeem(ID, SECRET, key(8))
    ring.offer("edge-2", name(8), key(7))
    ring.heard(name(7))
    ring.tick(1000 * US + GRACE_US)
    told(ring)
    for number in range(MAX_ROTATED + 200):
        offered = bytes(z85.encode(hashlib.sha256(number.to_bytes(4, "big")).digest()))
        ring.offer("edge-1", name(1), offered)
        assert len(told(ring)) <= 4
        for again in (10, 11, 12):
            assert reason_of(lambda again=again: ring.offer("edge-1", name(1), key(again))) == "offers_too_often"
        ring.tick(ring.now_us + OFFER_AGAIN_US)
    assert len(ring.dead) <= MAX_ROTATED + 3
    assert "replaced" in ring.adopt("edge-2", key(9)) and "retired" in ring.adopt("edge-2", key(8))
    assert slots(ring, "edge-2") == {CURRENT: name(7)}


def test_an_offer_before_the_last_rotation_is_over_is_told_what_stands_and_until_when(ring: Keyring) -> None:
    ring.offer("edge-1", name(1), key(2))
    assert "current until the next one is used" in told_at(ring, name(2))
    ring.heard(name(2))
    answer = told_at(ring, name(2))
    assert f"{name(2)} is next, {name(1)} current until 1970-01-01 00:17:10Z" in answer
    assert len(answer) < 200, "a Refusal carries no more"


def told_at(ring: Keyring, link: str) -> str:
    answer = ring.answer("edge-1", link, key(3))
    assert isinstance(answer, Refusal) and answer.code == "rotation_under_way"
    return answer.text


def test_offers_that_are_refused(ring: Keyring) -> None:
    ring.adopt("edge-2", key(9))
    assert reason_of(lambda: ring.offer("edge-1", name(1), key(9))) == "foreign_key"
    assert reason_of(lambda: ring.offer("edge-1", name(1), b"0" * 40)) == "bad_key"
    assert reason_of(lambda: ring.offer("edge-1", name(5), key(6))) == "unknown_key"
    ring.offer("edge-1", name(1), key(2))
    ring.heard(name(2))
    for link in (1, 2):
        assert reason_of(lambda link=link: ring.offer("edge-1", name(link), key(3))) == "rotation_under_way"
    ring.tick(1000 * US + GRACE_US)
    assert reason_of(lambda: ring.offer("edge-1", name(2), key(1))) == "retired_key"
    answer = ring.answer("edge-1", name(2), key(1))
    assert isinstance(answer, Refusal) and answer.code == "retired_key"
    ring.offer("edge-1", name(2), key(3))


def test_a_revoked_key_never_lives_again(ring: Keyring) -> None:
    assert ring.revoke("edge-1") == [name(1)]
    assert ring.reason("edge-1", name(1)) == "revoked_key"
    assert "revoked" in ring.adopt("edge-1", key(1)), "whatever the configuration names"
    ring.open_token("edge-1", 60 * US, ID, SECRET)
    assert reason_of(lambda: ring.redeem(ID, SECRET, key(1))) == "revoked_key"
    assert ring.shut_out() == {"edge-1"}
    assert ring.redeem(ID, SECRET, key(2)) == "edge-1"
    assert ring.shut_out() == set()
    assert reason_of(lambda: ring.revoke("edge-9")) == "no_such_key"
    assert reason_of(lambda: ring.revoke("edge-1", name(1))) == "no_such_key"


def test_a_revoked_key_takes_those_along_that_were_offered_under_it(ring: Keyring) -> None:
    ring.offer("edge-1", name(1), key(2))
    assert ring.revoke("edge-1", name(1)[:8]) == [name(1), name(2)], "the thief's next key"
    assert slots(ring) == {} and ring.reason("edge-1", name(2)) == "revoked_key"


def test_a_next_key_is_revoked_and_the_current_one_stays(ring: Keyring) -> None:
    ring.offer("edge-1", name(1), key(2))
    assert ring.revoke("edge-1", name(2)) == [name(2)]
    assert slots(ring) == {CURRENT: name(1)}


def rotated(ring: Keyring, old: int, new: int) -> None:
    """The edge changes its key for good."""
    ring.offer("edge-1", name(old), key(new))
    ring.heard(name(new))
    ring.tick(ring.now_us + GRACE_US)


def test_the_lineage_of_a_stolen_key_ends_also_when_the_thief_rotated_it_away(ring: Keyring) -> None:
    rotated(ring, 1, 2)
    rotated(ring, 2, 3)
    kept = from_map(json.loads(json.dumps(ring.to_map())))
    assert (kept.keys[name(3)].by, kept.dead[name(2)].by, kept.dead[name(1)].by) == (name(2), name(1), "")
    for again, stolen in ((ring, 1), (kept, 2)):
        assert again.revoke("edge-1", name(stolen)) == [name(3)]
        assert reason_of(lambda again=again: again.revoke("edge-1", name(1))) == "no_such_key"
    ring.adopt("edge-1", key(4))
    assert reason_of(lambda: ring.revoke("edge-1", name(1))) == "no_such_key", "what came from outside is no heir"


def test_a_lineage_outlasts_the_keys_that_are_forgotten(ring: Keyring) -> None:
    rotated(ring, 1, 2)
    made = [bytes(z85.encode(hashlib.sha256(n.to_bytes(4, "big")).digest())) for n in range(MAX_ROTATED + 5)]
    last = name(2)
    for public in made:
        ring.offer("edge-1", last, public)
        last = fingerprint(raw_key(public))
        ring.heard(last)
        ring.tick(ring.now_us + GRACE_US)
    assert name(2) not in ring.dead, "forgotten"
    assert ring.revoke("edge-1", name(1)) == [last]


def test_what_is_known_to_be_dead_from_elsewhere_is_buried(ring: Keyring) -> None:
    old = from_map(json.loads(json.dumps(ring.to_map())))
    rotated(ring, 1, 2)
    old.bury(name(1), ring.dead[name(1)])
    assert old.reason("edge-1", name(1)) == "retired_key" and "retired" in old.adopt("edge-1", key(1))
    assert [row["event"] for row in old.take_events()] == ["key_buried"]
    old.bury(name(1), ring.dead[name(1)])
    assert not old.take_events(), "once"


def test_a_key_in_the_configuration_that_changed_replaces_the_old_one(ring: Keyring) -> None:
    assert ring.adopt("edge-1", key(1)) == "" and told(ring) == []
    assert ring.adopt("edge-1", key(2)) == ""
    assert slots(ring) == {CURRENT: name(2)} and ring.reason("edge-1", name(1)) == "replaced_key"


def test_after_a_rotation_the_key_in_the_configuration_stays_dead(ring: Keyring) -> None:
    ring.offer("edge-1", name(1), key(2))
    ring.heard(name(2))
    ring.tick(1000 * US + GRACE_US)
    assert "retired" in ring.adopt("edge-1", key(1))
    assert slots(ring) == {CURRENT: name(2)}


def test_a_token_enrols_one_key_once_and_lapses(ring: Keyring) -> None:
    token = ring.open_token("edge-7", 60 * US, ID, SECRET)
    assert SECRET.hex() not in json.dumps(ring.to_map()) and token.lapses_us == 1060 * US
    assert ring.redeem(ID, SECRET, key(7)) == "edge-7"
    assert ring.redeem(ID, SECRET, key(7)) == "edge-7", "the answer may have been lost"
    assert reason_of(lambda: ring.redeem(ID, SECRET, key(8))) == "token_used"
    ring.tick(1000 * US + min(60 * US, ANSWER_US))
    assert reason_of(lambda: ring.redeem(ID, SECRET, key(7))) == "token_unknown"
    assert not ring.tokens.is_open and slots(ring, "edge-7") == {CURRENT: name(7)}


def test_an_unused_token_lapses_to_the_moment(ring: Keyring) -> None:
    ring.open_token("edge-7", 60 * US, ID, SECRET)
    ring.tick(1060 * US - 1)
    ring.open_token("edge-8", 60 * US, b"8" * 8, SECRET)
    assert ring.redeem(b"8" * 8, SECRET, key(8)) == "edge-8"
    ring.tick(1060 * US)
    assert reason_of(lambda: ring.redeem(ID, SECRET, key(7))) == "token_unknown"
    assert "token_lapsed" in told(ring)


def test_an_enrolment_anew_ends_what_the_edge_had_before(ring: Keyring) -> None:
    ring.offer("edge-1", name(1), key(2))
    ring.open_token("edge-1", 60 * US, ID, SECRET)
    ring.redeem(ID, SECRET, key(3))
    assert slots(ring) == {CURRENT: name(3)}
    assert {ring.reason("edge-1", name(n)) for n in (1, 2)} == {"replaced_key"}


def test_wrong_tokens_are_few_and_burn(ring: Keyring) -> None:
    ring.open_token("edge-7", 600 * US, ID, SECRET)
    for tried in range(tokens.TRIES):
        wrong = reason_of(lambda: ring.redeem(ID, b"x" * 16, key(7)))
        assert wrong == ("token_burnt" if tried == tokens.TRIES - 1 else "token_wrong")
    assert reason_of(lambda: ring.redeem(ID, SECRET, key(7))) == "token_unknown"
    for _ in range(tokens.WRONG_PER_MINUTE - tokens.TRIES - 1):
        reason_of(lambda: ring.redeem(b"9" * 8, SECRET, key(7)))
    ring.open_token("edge-7", 600 * US, ID, SECRET)
    assert reason_of(lambda: ring.redeem(ID, SECRET, key(7))) == "too_many_tries"
    ring.tick(1061 * US)
    assert ring.redeem(ID, SECRET, key(7)) == "edge-7"
    assert "token_burnt" in told(ring)


def test_tokens_that_cannot_be(ring: Keyring) -> None:
    assert reason_of(lambda: ring.open_token("edge-7", 1 * US, ID, SECRET)) == "token_life"
    assert reason_of(lambda: ring.open_token("edge-7", 8 * 24 * 3600 * US, ID, SECRET)) == "token_life"
    for number in range(tokens.MAX_OPEN):
        ring.open_token(f"edge-{number}", 60 * US, number.to_bytes(8, "big"), SECRET)
    assert reason_of(lambda: ring.open_token("one-more", 60 * US, b"z" * 8, SECRET)) == "too_many_tokens"


def test_time_never_goes_back(ring: Keyring) -> None:
    ring.open_token("edge-7", 60 * US, ID, SECRET)
    ring.tick(5 * US)
    assert ring.now_us == 1000 * US
    ring.tick(1060 * US)
    ring.tick(1001 * US)
    assert reason_of(lambda: ring.redeem(ID, SECRET, key(7))) == "token_unknown"


def test_a_key_under_the_fingerprint_of_another_is_damage(ring: Keyring) -> None:
    kept = ring.to_map()
    kept["keys"] = {name(2): kept["keys"][name(1)]}
    with pytest.raises(KeyringError):
        from_map(kept)


@pytest.mark.parametrize(
    "kept",
    [{}, {"version": 2}, {"version": 1}, {"version": 1, "keys": {"a": {}}, "dead": {}, "tokens": [], "now_us": 1}],
)
def test_a_damaged_keyring_is_refused_and_not_taken_for_empty(kept: dict[str, Any]) -> None:
    with pytest.raises(KeyringError):
        from_map(kept)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.integers(1, 40 * US)),
        st.tuples(st.just("heard"), st.integers(0, 5)),
        st.tuples(st.just("offer"), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("revoke"), st.integers(0, 5)),
        st.tuples(st.just("enrol"), st.integers(0, 5)),
        st.tuples(st.just("restart")),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(STEPS)
def test_whatever_happens_slots_are_two_and_the_dead_stay_dead(steps: list[tuple[Any, ...]]) -> None:
    ring, dead = Keyring(), set()
    ring.tick(1)
    ring.adopt("edge-1", key(0))
    for word, *numbers in steps:
        try:
            if word == "tick":
                ring.tick(ring.now_us + numbers[0])
            elif word == "heard" and not ring.reason("edge-1", name(numbers[0])):
                ring.heard(name(numbers[0]))
            elif word == "offer":
                ring.offer("edge-1", name(numbers[0]), key(numbers[1]))
            elif word == "revoke":
                ring.revoke("edge-1", name(numbers[0]))
            elif word == "enrol":
                ring.open_token("edge-1", 60 * US, ID, SECRET)
                ring.redeem(ID, SECRET, key(numbers[0]))
            elif word == "restart":
                ring = from_map(json.loads(json.dumps(ring.to_map())))
        except KeyringError:
            pass
        found = [k.slot for k in ring.keys.values()]
        assert len(found) == len(set(found)) <= 2
        assert not dead & set(ring.keys)
        dead |= set(ring.dead)
        assert dead == set(ring.dead)
        assert set(ring.allowed().values()) == {f"edge-1/{n}" for n in ring.keys}
