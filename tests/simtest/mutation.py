"""A planted bug."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """One bug: in `path`, `old` becomes `new`. `area`: seeds that stress it; `also`: more (path, old, new).

    `also` is for a mistake that a second guard would hide: that one is taken away with it.
    """

    name: str
    path: str
    old: str
    new: str
    area: str = ""
    also: tuple[tuple[str, str, str], ...] = ()

    @property
    def edits(self) -> tuple[tuple[str, str, str], ...]:
        """All changes as (path, old, new)."""
        return ((self.path, self.old, self.new), *self.also)
