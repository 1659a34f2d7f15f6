"""All pages of the city's HTTP interface: what anybody may read, and what our own user may do on the unix socket."""

from collections.abc import Callable
from typing import Protocol

from fastapi import FastAPI

from service.sections import UNIX

from ..backup.restoring import Restoring
from ..city import City
from ..keys.api import add_key_pages
from ..keys.desk import KeyDesk
from ..ledger.api import add_ledger_pages
from ..link.zap import Gatekeeper
from ..store.store import Store
from ..tasks.dispatch import Now
from .api import add_restore, make_api


class Parts(Protocol):
    """What pages need of a running city; a restore replaces `city` and `store`."""

    city: City
    store: Store
    gate: Gatekeeper
    desk: KeyDesk

    def now(self) -> Now:
        """Return the moment."""


def make_pages(parts: Parts, address: str, restoring: Callable[[], Restoring]) -> FastAPI:
    """Return the application that listens at `address`."""
    api = make_api(lambda: parts.city, parts.now, lambda: parts.gate.alive, parts.desk.reasons)
    add_key_pages(api, parts.desk, address)
    add_ledger_pages(api, lambda: (parts.city, parts.store), parts.now, address)
    if address.startswith(UNIX):
        add_restore(api, restoring())
    return api
