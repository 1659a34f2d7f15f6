"""The city's own clock, looked at once a second, and what late clock records mean for the processes. A shell."""

import asyncio
from collections.abc import Callable

from service.host_clock import Look

from ..city import City
from ..store.store import Store
from . import retiming

LOOK_US = 1_000_000


class CityTimes:
    """`look()` tells how the clocks of this host stand."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look = look
        self._looked_us = 0

    async def turn(self, city: City, store: Store, now_us: int) -> None:
        """Do what is due; call it every turn."""
        if now_us - self._looked_us >= LOOK_US:
            self._looked_us = now_us
            city.clock.look(self._look())
        for key, changes in retiming.by_stream(city.take_better()).items():
            manifest = city.registry.manifest(*key)
            if manifest is not None and city.host.senses(manifest):
                args = store.folder, key, *retiming.span(changes), manifest
                parts = await asyncio.to_thread(retiming.stamped, *args)
                city.host.moved(retiming.moves(key, parts, changes, city.host.clocks, manifest))
