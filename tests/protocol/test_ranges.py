"""Ranges against a plain set of integers, and the ledger's balance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import ledger
from protocol.errors import FrameError
from protocol.ranges import Ranges

spans = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda t: (t[0], t[0] + t[1]))
lists = st.lists(spans, max_size=8)
steps = st.lists(st.tuples(st.sampled_from(["add", "remove"]), spans), max_size=20)


def numbers(of) -> set[int]:
    return {number for first, end in of for number in range(first, end)}


def is_normal(ranges: Ranges) -> bool:
    """Return whether spans are non-empty, ascending and apart."""
    flat = [edge for span in ranges.to_list() for edge in span]
    return flat == sorted(set(flat))


@given(steps, spans)
def test_add_remove_missing_like_a_set(todo, probe):
    ranges, model = Ranges(), set()
    for action, (first, end) in todo:
        new = set(range(first, end))
        if action == "add":
            assert numbers(ranges.add(first, end)) == new - model
            model |= new
        else:
            ranges.remove(first, end)
            model -= new
        assert is_normal(ranges)
        assert numbers(ranges) == model
    wanted = set(range(*probe))
    assert numbers(ranges.missing(*probe)) == wanted - model
    assert ranges.covers(*probe) == (wanted <= model)
    assert numbers(ranges.clip(*probe)) == wanted & model
    assert [n in ranges for n in range(80)] == [n in model for n in range(80)]
    assert ranges.total() == len(model)
    assert bool(ranges) == bool(model)


@given(lists, lists)
def test_algebra_like_sets(a, b):
    x, y = Ranges(a), Ranges(b)
    for found, expected in [
        (x.union(y), numbers(a) | numbers(b)),
        (x.intersection(y), numbers(a) & numbers(b)),
        (x.difference(y), numbers(a) - numbers(b)),
    ]:
        assert is_normal(found)
        assert numbers(found) == expected
    assert (x == y) == (numbers(a) == numbers(b))


@given(lists)
def test_lists_go_round_and_copies_are_independent(a):
    ranges = Ranges(a)
    assert Ranges.from_list(ranges.to_list()) == ranges
    assert Ranges.from_list([list(span) for span in ranges]) == ranges
    copy = ranges.copy()
    copy.add(100, 101)
    assert copy != ranges


BAD = [[[1]], [[1, 2, 3]], [[2, 1]], [[1, 1]], [[-1, 2]], [["a", "b"]], [[True, 5]], ["ab"]]


@pytest.mark.parametrize("bad", BAD)
def test_malformed_lists_are_refused(bad):
    with pytest.raises(FrameError, match="ranges: expected"):
        Ranges.from_list(bad)


@given(st.integers(0, 60), lists, lists, lists, lists)
def test_ledger_parts_are_disjoint_and_sum_to_sent(sent, stored, buffered, lost, quarantined):
    account = ledger.balance(
        "river-1", "0badcafe-1", sent, Ranges(stored), Ranges(buffered), Ranges(lost), Ranges(quarantined)
    )
    all_sent = set(range(sent))
    known = numbers(stored) | numbers(buffered) | numbers(lost) | numbers(quarantined)
    parts = account.stored + account.quarantined + account.buffered + account.declared_lost
    assert parts + account.unexplained == sent
    assert account.stored == len(numbers(stored) & all_sent)
    assert account.quarantined == len((numbers(quarantined) - numbers(stored)) & all_sent)
    assert account.buffered == len((numbers(buffered) - numbers(quarantined) - numbers(stored)) & all_sent)
    assert numbers(account.unexplained_ranges) == all_sent - known
    assert account.beyond == len(known - all_sent)


def test_ledger_names_what_is_unexplained():
    account = ledger.balance("t", "b", 10, Ranges([(0, 4)]), Ranges([(3, 6)]), Ranges([(8, 9)]), Ranges())
    assert (account.stored, account.buffered, account.declared_lost) == (4, 2, 1)
    assert account.unexplained_ranges == [(6, 8), (9, 10)]
