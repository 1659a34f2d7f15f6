"""The duties all sides share: lease, interlock, task states, HMAC."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import mac, task_codes
from protocol.errors import ProtocolError
from protocol.interlock import Exclusive
from protocol.lease import Lease

actions = st.lists(
    st.tuples(
        st.sampled_from(["grant", "take", "renew", "release"]),
        st.sampled_from(["city", "edge", "operator"]),
        st.integers(0, 50),
        st.integers(1, 100),
    ),
    max_size=30,
)


@given(actions)
def test_lease_has_one_holder_and_its_fence_never_falls(todo):
    lease, now_ms, fences = Lease(7), 0, {}
    for action, who, wait_ms, ms in todo:
        now_ms += wait_ms
        before, holder = lease.fence, lease.holder(now_ms)
        if action == "grant":
            fence = lease.grant(who, now_ms, ms)
            assert bool(fence) == (holder in ("", who))
            fences[who] = fence or fences.get(who, 0)
        elif action == "take":
            fences[who] = lease.take(who, now_ms, ms)
            assert fences[who] == before + 1
        elif action == "renew":
            assert lease.renew(fences.get(who, 0), now_ms, ms) == (holder == who)
        elif lease.release(fences.get(who, 0)):
            assert lease.lapsed(now_ms)
        assert lease.fence >= before
        if lease.holder(now_ms) != holder and lease.holder(now_ms):
            assert lease.fence > before


def test_lease_lapses_by_itself_and_cannot_be_renewed_after():
    lease = Lease()
    fence = lease.grant("city", 1000, 100)
    assert lease.holder(1099) == "city"
    assert lease.left_ms(1099) == 1
    assert lease.lapsed(1100)
    assert lease.left_ms(1100) == 0
    assert not lease.renew(fence, 1100, 100)
    assert lease.grant("edge", 1100, 100) == fence + 1
    assert not lease.renew(fence, 1101, 100)
    assert lease.grant("city", 1101, 100) == 0


def test_lease_needs_a_holder_and_a_term():
    lease = Lease()
    assert lease.grant("city", 0, 0) == 0
    assert lease.take("", 0, 100) == 0
    assert not lease.release(0)
    assert lease.lapsed(0)


switches = st.lists(st.tuples(st.integers(-1, 3), st.booleans(), st.integers(0, 120)), max_size=60)


@given(switches)
def test_interlock_never_lets_two_be_on_and_keeps_the_rest(todo):
    interlock, on_mask, now_ms = Exclusive(3, min_off_ms=100), 0, 0
    off_since_ms: dict[int, int] = {}
    for index, on, wait_ms in todo:
        now_ms += wait_ms
        if not interlock.allow(on_mask, index, on, now_ms):
            assert on or not 0 <= index < 3
            continue
        bit = 1 << index
        if on and not on_mask & bit:
            others = [at for other, at in off_since_ms.items() if other != index]
            assert all(now_ms - at >= 100 for at in others)
        if not on and on_mask & bit:
            off_since_ms[index] = now_ms
        on_mask = on_mask | bit if on else on_mask & ~bit
        assert on_mask in (0, 1, 2, 4)


def test_interlock_lets_the_same_output_return_at_once_and_refuses_nonsense():
    interlock = Exclusive(2, min_off_ms=100)
    assert interlock.allow(0b01, 0, False, 10)
    assert interlock.allow(0, 0, True, 11)
    assert not interlock.allow(0, 2, True, 500)
    assert not interlock.allow(0b11, 0, True, 500)
    with pytest.raises(ValueError, match="1 to 16"):
        Exclusive(0)


def test_every_transition_is_in_the_table():
    for state in task_codes.STATES:
        for new in task_codes.STATES:
            allowed = new == state or new in task_codes.TRANSITIONS[state]
            assert task_codes.may_become(state, new) == allowed
            if allowed:
                assert task_codes.advance(state, new) == new
            else:
                with pytest.raises(ProtocolError, match="cannot become"):
                    task_codes.advance(state, new)


def test_no_way_leads_back_to_dispatch():
    """At most one execution: nothing that was sent out or ended may be dispatched again."""
    assert set(task_codes.TRANSITIONS) == set(task_codes.STATES)
    before = {task_codes.PROPOSED, task_codes.WAITING, task_codes.AUTHORISED, task_codes.SELECTED}
    for state, targets in task_codes.TRANSITIONS.items():
        if state not in before:
            assert not before & set(targets)
            assert task_codes.DISPATCHED not in targets
        assert task_codes.is_final(state) == (not targets)


def test_an_unknown_state_is_refused():
    with pytest.raises(ProtocolError):
        task_codes.advance(99, task_codes.DONE)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_mac_is_the_standard_librarys(key, message):
    expected = hmac.new(key, message, hashlib.sha256).digest()
    assert mac.hmac_sha256(key, message) == expected
    assert mac.equal(expected, mac.hmac_sha256(key, message))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40))
def test_equal_is_equality(a, b):
    assert mac.equal(a, b) == (a == b)
    assert mac.equal(a, bytes(a))
