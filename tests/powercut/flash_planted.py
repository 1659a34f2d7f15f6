"""Bugs to put into the flash ring, to see that the cuts find them: name to a context that puts it in."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

from firmware.core import spill
from firmware.core.boot import Boot
from firmware.core.spill import Page, Spill


def _believes_torn_pages() -> AbstractContextManager[Any]:
    """A page counts if its number is right, whatever its CRC."""
    return patch.object(spill.binascii, "crc32", lambda data, before=0: 0)


@contextmanager
def _done_too_soon() -> Iterator[None]:
    """What is in flash is done once it was sent, not once it was acked."""
    from firmware.core.refill import Refill  # noqa: PLC0415 (as the board loads it)

    write = Refill.write

    def sent(self: Refill, packer: Any, now_ms: int) -> None:
        write(self, packer, now_ms)
        self._taken()

    with patch.object(Refill, "write", sent):
        yield


def _erases_first() -> AbstractContextManager[Any]:
    """What makes room is not declared."""
    return patch.object(Spill, "lose", lambda self, boot, first, end: False)


def _declares_in_memory_only() -> AbstractContextManager[Any]:
    """What makes room is declared, but state.json does not know it when it goes."""
    lose = Spill.lose
    return patch.object(Spill, "lose", lambda self, boot, first, end: lose(self, boot, first, end) and False)


def _forgets_flash() -> AbstractContextManager[Any]:
    """A start declares all of the boot before as cut off, and never reads what is in flash."""

    def blind(self: Spill, boot: bytes, start: int, end: int) -> list[list[int]]:
        self.done = self.head
        return [[start, end]]

    return patch.object(Spill, "holes", blind)


def _writes_over_a_tear() -> AbstractContextManager[Any]:
    """A torn place is taken for a blank one, and what was written is not read back."""
    write = Page.write

    def trusting(self: Page, *header: Any) -> bool:
        write(self, *header)
        return True

    blank = patch.object(Page, "blank", lambda self, number: True)
    return _both(blank, patch.object(Page, "write", trusting))


@contextmanager
def _both(one: AbstractContextManager[Any], other: AbstractContextManager[Any]) -> Iterator[None]:
    with one, other:
        yield


def _reuses_a_boot() -> AbstractContextManager[Any]:
    """The start of a boot is not written down."""
    return patch.object(Boot, "_write", lambda self: None)


BUGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "": nullcontext,
    "believes_torn_pages": _believes_torn_pages,
    "done_too_soon": _done_too_soon,
    "erases_first": _erases_first,
    "declares_in_memory_only": _declares_in_memory_only,
    "forgets_flash": _forgets_flash,
    "writes_over_a_tear": _writes_over_a_tear,
    "reuses_a_boot": _reuses_a_boot,
}
