"""Receiving: new parts once, duplicates never twice, contradictions counted, acks after the commit only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import PeerError
from aggregator.ingest import Group, Ingest
from protocol.city_link import GapRecord

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=15)


def nothing(*_: Any) -> list[tuple[int, bytes]]:
    return []


def samples(kit: Any, group: Group) -> dict[int, bytes]:
    """Every planned sample by seq; fails on a seq planned twice."""
    found: dict[int, bytes] = {}
    for frame in group.frames:
        assert len(frame.records) == frame.n * 12
        for i in range(frame.n):
            assert frame.first + i not in found
            found[frame.first + i] = frame.records[i * 12 : i * 12 + 12]
    return found


@given(spans=SPANS, cut=st.integers(0, 15))
def test_any_overlaps_store_each_sample_once_unchanged(kit: Any, spans: Any, cut: int) -> None:
    ingest = Ingest(nothing)
    for first, n in spans[:cut]:
        ingest.take_batch("edge-1", kit.batch(first, n), 1)
    one = ingest.close_group()
    ingest.committed(one)
    for first, n in spans[cut:]:
        ingest.take_batch("edge-1", kit.batch(first, n), 1)
    two = ingest.close_group()
    acks = ingest.committed(two)
    kept = {**samples(kit, one), **samples(kit, two)}
    assert len(kept) == len(samples(kit, one)) + len(samples(kit, two))
    assert set(kept) == {seq for first, n in spans for seq in range(first, first + n)}
    assert all(kept[seq] == kit.records(seq, 1) for seq in kept)
    assert ingest.conflicts == 0
    assert {s for _, ack in acks for a, b in ack.ranges for s in range(a, b)} == {
        s for first, n in spans[cut:] for s in range(first, first + n)
    }


def test_the_ledger_sees_a_sample_only_once_it_is_committed(kit: Any) -> None:
    ingest = Ingest(nothing)
    ingest.take_batch("edge-1", kit.batch(0, 4), 1)
    assert not ingest.stored
    ((edge, ack),) = ingest.committed(ingest.close_group())
    assert (edge, ack.ranges, ack.gaps) == ("edge-1", [(0, 4)], [])
    assert ingest.stored[kit.thing, kit.boot].to_list() == [(0, 4)]


def test_equal_identity_with_other_content_is_a_conflict_and_never_overwrites(kit: Any) -> None:
    stored = [(0, kit.records(0, 8))]
    ingest = Ingest(lambda *_: stored)
    ingest.take_batch("edge-1", kit.batch(0, 8), 1)
    ingest.committed(ingest.close_group())
    ingest.take_batch("edge-1", kit.batch(4, 8, value=2.0), 1)
    group = ingest.close_group()
    assert [(f.first, f.n) for f in group.rejected] == [(4, 4)]
    assert [(f.first, f.n) for f in group.frames] == [(8, 4)]
    ingest.committed(group)
    assert ingest.conflicts == 1


def test_a_conflict_inside_one_group_is_seen(kit: Any) -> None:
    ingest = Ingest(nothing)
    ingest.take_batch("edge-1", kit.batch(0, 8), 1)
    ingest.take_batch("edge-1", kit.batch(2, 3, value=9.0), 1)
    ingest.committed(ingest.close_group())
    assert ingest.conflicts == 1


def test_a_group_that_could_not_be_committed_is_taken_again(kit: Any) -> None:
    ingest = Ingest(nothing)
    ingest.take_batch("edge-1", kit.batch(0, 8), 1)
    ingest.abandoned(ingest.close_group())
    ingest.take_batch("edge-1", kit.batch(0, 8), 1)
    assert [(f.first, f.n) for f in ingest.close_group().frames] == [(0, 8)]


def test_declared_losses_are_kept_and_acknowledged_by_id(kit: Any) -> None:
    ingest = Ingest(nothing)
    ingest.take_gap("edge-1", GapRecord(kit.thing, kit.boot, 3, 10, 20, "overflow", kit.thing))
    ((_, ack),) = ingest.committed(ingest.close_group())
    assert ack.gaps == [3]
    assert ingest.lost[kit.thing, kit.boot].to_list() == [(10, 20)]


@pytest.mark.parametrize(
    ("changes", "reason"), [({"records": b"123"}, "batch_length"), ({"first": 2**32 - 1}, "batch_range")]
)
def test_impossible_batches_are_refused(kit: Any, changes: dict[str, Any], reason: str) -> None:
    batch = kit.batch(0, 4)
    with pytest.raises(PeerError) as error:
        Ingest(nothing).take_batch("edge-1", type(batch)(**{**vars(batch), **changes}), 1)
    assert error.value.reason == reason
