"""Blobs under names: manifests of Things, snapshots. Of each name the newest is saved, also when the disk was full."""

from collections.abc import Callable
from typing import Any

from . import rows
from .again import Again

Submit = Callable[[Callable[[Any], Any], Callable[[Any], None], Callable[[Exception], None]], None]


class Kept:
    """Saves through `submit`; what fails is handed in again until it, or a newer one, is on disk."""

    def __init__(self, submit: Submit, again: Again) -> None:
        self._submit, self._again = submit, again
        self.unsaved: dict[tuple[str, str], bytes] = {}

    def save(self, table: str, name: str, blob: bytes) -> None:
        """Keep a blob in `things` or `snapshots` under a name."""
        self.unsaved[table, name] = blob
        self._keep(table, name, blob)

    def _keep(self, table: str, name: str, blob: bytes) -> None:
        if self.unsaved.get((table, name)) is not blob:  # a newer one is on its way
            return
        key = "thing" if table == "things" else "name"
        self._submit(
            lambda c: rows.put(c, table, key, name, blob),
            lambda _: self._done(table, name, blob),
            lambda _: self._again.later(lambda: self._keep(table, name, blob)),
        )

    def _done(self, table: str, name: str, blob: bytes) -> None:
        if self.unsaved.get((table, name)) is blob:
            del self.unsaved[table, name]
