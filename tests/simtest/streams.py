"""What really happened to the samples of one (thing, boot), whatever the product says: a mark per sample and fact."""

SIZE = 12
FACTS = (
    "dropped",
    "edge_durable",
    "edge_acked",
    "told",
    "city_durable",
    "city_acked",
    "declared",
    "declared_city",
    "aside",
)


class Stream:
    """`content`: the acquired records; each fact a bytearray with 1 where it holds."""

    def __init__(self, thing: str, boot: str) -> None:
        self.thing, self.boot = thing, boot
        self.content = bytearray()
        self.n = 0
        self.marks = {fact: bytearray() for fact in FACTS}
        self.over = False

    def acquire(self, record: bytes) -> int:
        """Note a sample; return its number."""
        self.content += record
        self.n += 1
        return self.n - 1

    def mark(self, fact: str, first: int, end: int) -> None:
        """Note a fact of the samples [first, end)."""
        marks = self.marks[fact]
        if len(marks) < end:
            marks.extend(bytes(max(end, self.n + 64) - len(marks)))
        marks[first:end] = b"\1" * (end - first)

    def unmark(self, fact: str, first: int, end: int) -> None:
        """Take a fact back."""
        marks = self.marks[fact]
        end = min(end, len(marks))
        if first < end:
            marks[first:end] = bytes(end - first)

    def lacks(self, fact: str, first: int, end: int) -> int | None:
        """Return the first sample of [first, end) without a fact, None if all have it."""
        marks = self.marks[fact]
        at = marks.find(0, first, end)
        if at >= 0:
            return at
        return max(first, len(marks)) if len(marks) < end else None

    def has(self, fact: str, seq: int) -> bool:
        """Return whether a fact holds of a sample."""
        marks = self.marks[fact]
        return seq < len(marks) and bool(marks[seq])

    def count(self, fact: str) -> int:
        """Return of how many acquired samples it holds."""
        return self.marks[fact].count(1, 0, self.n)

    def records(self, first: int, end: int) -> bytes:
        """Return what was acquired."""
        return bytes(self.content[first * SIZE : end * SIZE])
