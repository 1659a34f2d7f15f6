"""Sets of sequence numbers kept as sorted, disjoint, half-open ranges. CPython.

Acks, gaps and the sample ledger all work on these: `[first, end)`, never touching
neighbours (they merge), so equal sets have equal lists.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from .errors import FrameError

Span = tuple[int, int]


class Ranges:
    """A set of non-negative integers.

    Example:
        >>> r = Ranges([(0, 4)]); r.add(2, 6)
        [(4, 6)]
        >>> r.to_list()
        [(0, 6)]
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: Iterable[Sequence[int]] = ()) -> None:
        """Hold the union of `spans`, in any order, overlapping or not; empty ones count for nothing."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        for first, end in sorted((int(first), int(end)) for first, end in spans):
            self._append(first, end)

    def _append(self, first: int, end: int) -> None:
        """Add [first, end) that starts no earlier than all held so far."""
        if first >= end:
            return
        if self._ends and first <= self._ends[-1]:
            self._ends[-1] = max(self._ends[-1], end)
        else:
            self._starts.append(first)
            self._ends.append(end)

    @classmethod
    def from_list(cls, spans: Iterable[Sequence[int]]) -> "Ranges":
        """Return the union of what came from outside (a message, a database), checked.

        Raises:
            FrameError: a span is no pair of integers with 0 <= first < end.
        """
        return cls(_pair(span) for span in spans)

    def to_list(self) -> list[Span]:
        """Return the spans (first, end), ascending, with gaps between them."""
        return list(zip(self._starts, self._ends, strict=True))

    def add(self, first: int, end: int) -> list[Span]:
        """Add [first, end); return the spans of it that were not held before."""
        if self._ends and self._ends[-1] == first < end:  # it goes on where the last one ends, as nearly all do
            self._ends[-1] = end
            return [(first, end)]
        new = self.missing(first, end)
        if not new:
            return new
        low = bisect_left(self._ends, first)
        high = bisect_right(self._starts, end)
        if low < high:
            first = min(first, self._starts[low])
            end = max(end, self._ends[high - 1])
        self._starts[low:high] = [first]
        self._ends[low:high] = [end]
        return new

    def remove(self, first: int, end: int) -> None:
        """Take [first, end) out."""
        if first >= end:
            return
        low = bisect_right(self._ends, first)
        high = bisect_left(self._starts, end)
        if low >= high:
            return
        kept = [(self._starts[low], first), (end, self._ends[high - 1])]
        kept = [span for span in kept if span[0] < span[1]]
        self._starts[low:high] = [span[0] for span in kept]
        self._ends[low:high] = [span[1] for span in kept]

    def missing(self, first: int, end: int) -> list[Span]:
        """Return the spans of [first, end) that are not held."""
        gaps: list[Span] = []
        index = bisect_right(self._ends, first)
        while first < end and index < len(self._starts) and self._starts[index] < end:
            if first < self._starts[index]:
                gaps.append((first, self._starts[index]))
            first = self._ends[index]
            index += 1
        if first < end:
            gaps.append((first, end))
        return gaps

    def covers(self, first: int, end: int) -> bool:
        """Return whether all of [first, end) is held."""
        return not self.missing(first, end)

    def count(self) -> int:
        """Return how many spans there are."""
        return len(self._starts)

    def total(self) -> int:
        """Return how many numbers are held."""
        return sum(self._ends) - sum(self._starts)

    def clip(self, first: int, end: int) -> "Ranges":
        """Return what is held within [first, end)."""
        low = bisect_right(self._ends, first)
        high = bisect_left(self._starts, end)
        return Ranges((max(a, first), min(b, end)) for a, b in self.to_list()[low:high])

    def union(self, other: "Ranges") -> "Ranges":
        """Return what is in either."""
        return Ranges(self.to_list() + other.to_list())

    def difference(self, other: "Ranges") -> "Ranges":
        """Return what is here and not in `other`."""
        return Ranges(gap for first, end in self.to_list() for gap in other.missing(first, end))

    def intersection(self, other: "Ranges") -> "Ranges":
        """Return what is in both."""
        return self.difference(self.difference(other))

    def copy(self) -> "Ranges":
        """Return an independent copy."""
        return Ranges(self.to_list())

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._starts, number) - 1
        return index >= 0 and number < self._ends[index]

    def __iter__(self) -> Iterator[Span]:
        return iter(self.to_list())

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.to_list() == other.to_list()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranges({self.to_list()})"


def _pair(span: Sequence[int]) -> Span:
    """Return `span` as (first, end) if that is what it is."""
    if not isinstance(span, list | tuple) or len(span) != 2 or any(type(item) is not int for item in span):
        raise FrameError(f"ranges: expected a pair [first, end], found {span!r}")
    if not 0 <= span[0] < span[1]:
        raise FrameError(f"ranges: expected 0 <= first < end, found {span!r}")
    return span[0], span[1]
