"""The sample ledger: sent = stored + quarantined + buffered + declared lost, the rest is unexplained.

CPython. Each sample is counted once, in that order, so an overlap (stored by the city and not
yet removed by the edge) is harmless. The balance of a running system is consistent when what
is sent was read before what is buffered, and that before what is stored.
"""

from dataclasses import dataclass

from .ranges import Ranges, Span


@dataclass(frozen=True)
class Account:
    """The balance of one (thing, boot), counted in samples.

    `beyond` counts what receivers claim to have at or above `sent`: zero, or a part of the system lies.
    """

    thing: str
    boot: str
    sent: int
    stored: int
    buffered: int
    declared_lost: int
    quarantined: int
    unexplained: int
    unexplained_ranges: list[Span]
    beyond: int = 0


def balance(
    thing: str, boot: str, sent: int, stored: Ranges, buffered: Ranges, lost: Ranges, quarantined: Ranges
) -> Account:
    """Return the account of [0, sent), the four sets made disjoint in the order of the ledger."""
    rest = Ranges([(0, sent)])
    counts: dict[str, int] = {}
    parts = {"stored": stored, "quarantined": quarantined, "buffered": buffered, "declared_lost": lost}
    for name, part in parts.items():
        left = rest.difference(part)
        counts[name] = rest.total() - left.total()
        rest = left
    claimed = stored.union(quarantined).union(buffered).union(lost)
    return Account(
        thing=thing,
        boot=boot,
        sent=sent,
        unexplained=rest.total(),
        unexplained_ranges=rest.to_list(),
        beyond=claimed.total() - claimed.clip(0, sent).total(),
        **counts,
    )
