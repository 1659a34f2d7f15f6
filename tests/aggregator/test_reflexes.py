"""The city knows under which key each node signs what it does by itself, and shows what is not signed with it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from aggregator.city import City
from aggregator.errors import KeyringError
from aggregator.keys.keyring import GRACE_US, Keyring, from_map
from aggregator.store.store import Store, Writes
from aggregator.tasks.book import UNSIGNED, task_row
from protocol import task_codes as codes
from protocol import tasks
from protocol.city_link import EdgeHello, TaskReport
from service.fingerprint import fingerprint, raw_key

from .conftest import T_US as T
from .conftest import public_of

PRIVATE, PUBLIC = tasks.new_keys()
OTHER_PRIVATE, OTHER = tasks.new_keys()
KEY = fingerprint(raw_key(public_of("edge-1")))


def hello(reflex: bytes) -> EdgeHello:
    return EdgeHello(2, "edge-1", "eb-1", 1, reflex=reflex)


def report(at: int = 1, private: bytes | None = PRIVATE, **changes: Any) -> TaskReport:
    task = tasks.Task(bytes([at]) * 16, "river-1/opening", 0.9, 1000, "flood", 1, "edge-1", "eb-1", 1, 7, **changes)
    payload = tasks.encode(task)
    signature = tasks.sign_reflex(private, payload) if private else b""
    return TaskReport(task.task_id, codes.ACCEPTED, 0, "", 0.5, {}, signature, payload)


def city_of(kit: Any, store: Store, reflex: bytes = PUBLIC) -> City:
    city: City = kit.city(store)
    kit.give(city, T, hello(reflex), kit.info())
    return city


def signed_by(city: City, at: int = 1) -> Any:
    return task_row(city.dispatcher.book.by_id[bytes([at]) * 16])["signed_by"]


def test_a_signed_reflex_is_shown_with_its_key(kit: Any, store: Store) -> None:
    city = city_of(kit, store)
    kit.give(city, T, report())
    assert signed_by(city) == fingerprint(PUBLIC) and not city.refused


@pytest.mark.parametrize("private", [None, OTHER_PRIVATE], ids=["no signature", "another key"])
def test_one_that_is_not_signed_by_the_node_is_shown_as_unsigned(kit: Any, store: Store, private: Any) -> None:
    city = city_of(kit, store)
    kit.give(city, T, report(private=private))
    assert signed_by(city) == UNSIGNED and city.refused == {"unsigned": 1}


def test_a_signature_of_other_bytes_counts_for_nothing(kit: Any, store: Store) -> None:
    city = city_of(kit, store)
    kit.give(city, T, replace(report(), task=report(reason="another").task))
    assert signed_by(city) == UNSIGNED and city.refused == {"unsigned": 1}


def test_a_node_that_has_no_key_is_shown_and_not_refused(kit: Any, store: Store) -> None:
    city = city_of(kit, store, b"")
    kit.give(city, T, report(private=None))
    assert signed_by(city) == UNSIGNED and not city.refused


def test_the_first_key_over_a_link_key_stays(kit: Any, store: Store) -> None:
    city = city_of(kit, store)
    kit.give(city, T, hello(PUBLIC), hello(b""), hello(OTHER))
    assert city.refused == {"another_reflex_key": 1}
    kit.give(city, T, report(1), report(2, OTHER_PRIVATE))
    assert (signed_by(city, 1), signed_by(city, 2)) == (fingerprint(PUBLIC), UNSIGNED)


def test_the_signature_is_kept_over_restarts(kit: Any, store: Store) -> None:
    city = city_of(kit, store)
    kit.give(city, T, report(1), report(2, None))
    asyncio.run(store.commit(Writes(tasks=city.dispatcher.book.take_changed())))
    again = kit.city(store).dispatcher.book.by_id
    first, second = again[bytes([1]) * 16], again[bytes([2]) * 16]
    assert (first.signed_by, second.signed_by) == (fingerprint(PUBLIC), UNSIGNED)
    assert tasks.verify_reflex(PUBLIC, tasks.encode(first.task), first.proof) and not second.proof


# the keyring: it goes with the link key


def ring() -> Keyring:
    made = Keyring()
    made.tick(1)
    made.adopt("edge-1", public_of("edge-1"))
    made.heard(KEY)
    made.vouch(KEY, PUBLIC)
    return made


def rotated(made: Keyring) -> str:
    """Let a next link key take over, and name its own reflex key; return its fingerprint."""
    made.offer("edge-1", KEY, public_of("next"))
    name = fingerprint(raw_key(public_of("next")))
    made.heard(name)
    made.vouch(name, OTHER)
    return name


def test_it_is_audited_once_and_kept(kit: Any) -> None:
    made = ring()
    made.vouch(KEY, PUBLIC)
    rows = [row for row in made.take_events() if row["event"] == "reflex_key"]
    assert rows == [{"event": "reflex_key", "edge": "edge-1", "key": KEY, "reflex": PUBLIC.hex()}]
    assert from_map(made.to_map()).reflex_keys(KEY) == [PUBLIC]
    with pytest.raises(KeyringError, match="another key for its reflexes"):
        made.vouch(KEY, OTHER)


def test_after_a_rotation_both_count_and_a_revocation_ends_both() -> None:
    made = ring()
    name = rotated(made)
    assert set(made.reflex_keys(name)) == {OTHER, PUBLIC}, "in its grace"
    made.tick(2 + GRACE_US)
    assert KEY in made.dead and set(made.reflex_keys(name)) == {OTHER, PUBLIC}
    assert set(from_map(made.to_map()).reflex_keys(name)) == {OTHER, PUBLIC}
    made.revoke("edge-1", name[:8])
    assert made.reflex_keys(name) == [PUBLIC] and made.reason("edge-1", name) == "revoked_key"


def test_an_enrolment_anew_begins_without() -> None:
    made = ring()
    made.open_token("edge-1", 60_000_000, b"i" * 8, b"s" * 16)
    made.redeem(b"i" * 8, b"s" * 16, public_of("fresh"))
    assert made.reflex_keys(fingerprint(raw_key(public_of("fresh")))) == []
