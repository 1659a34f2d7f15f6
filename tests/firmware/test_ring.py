"""The ring of samples against a plain model."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.ring import Ring

CAPACITY = 16
PUSH = st.just(("push", 0, 0))
ACK = st.tuples(st.just("ack"), st.integers(0, 80), st.integers(0, 20))


class Model:
    """What the ring promises, with sets."""

    def __init__(self) -> None:
        self.head = 0
        self.kept: list[int] = []
        self.acked: set[int] = set()
        self.lost: set[int] = set()

    def push(self) -> None:
        if self.kept and self.head - self.kept[0] == CAPACITY:
            self.lost.add(self.kept.pop(0))
            self.trim()
        self.kept.append(self.head)
        self.head += 1

    def ack(self, start: int, end: int) -> None:
        self.acked |= set(range(start, end)) & set(self.kept)
        self.trim()

    def trim(self) -> None:
        while self.kept and self.kept[0] in self.acked:
            self.kept.pop(0)


@given(st.lists(st.one_of(PUSH, PUSH, PUSH, ACK), max_size=120))
def test_ring_behaves_as_the_model(steps: list[tuple[str, int, int]]) -> None:
    ring, model = Ring(CAPACITY), Model()
    for kind, start, length in steps:
        if kind == "push":
            ring.push(1, 1, 0, model.head, float(model.head))
            model.push()
        else:
            ring.ack(start, start + length)
            model.ack(start, start + length)
        assert ring.head == model.head
        assert ring.tail == (model.kept[0] if model.kept else model.head)
        assert ring.dropped == len(model.lost)
        for seq in model.kept:
            assert ring.is_acked(seq) == (seq in model.acked)
    if model.lost:
        assert set(range(ring.lost_from, ring.lost_to)) >= model.lost


@given(st.integers(0, 60), st.integers(1, CAPACITY))
def test_copies_are_the_records_pushed(extra: int, n: int) -> None:
    ring = Ring(CAPACITY)
    for seq in range(CAPACITY + extra):
        ring.push(seq % 200, 1, 3, seq, float(seq))
    out = bytearray(n * 12 + 5)
    assert ring.copy(ring.head - n, n, out, 5) == 5 + n * 12
    for place in range(n):
        seq = ring.head - n + place
        channel, quality, low, high, value = struct.unpack_from("<BBIHf", out, 5 + place * 12)
        assert (channel, quality, value) == (seq % 200, 1, float(seq))
        assert low | high << 32 == 3 * (1 << 30) + seq


def test_two_losses_with_records_between_that_are_in_flash_are_declared_apart() -> None:
    ring = Ring(8)
    for _ in range(9):  # 0 is lost
        ring.push(0, 1, 0, 0, 1.0)
    ring.safe = 3
    for _ in range(4):  # 1 and 2 are in flash, 3 and 4 are lost
        ring.push(0, 1, 0, 0, 1.0)
    assert ring.lost_before == [(0, 1)]
    assert (ring.lost_from, ring.lost_to) == (3, 5)
    assert (ring.owed_from, ring.owed_to) == (1, 3)
    assert ring.dropped == 3
