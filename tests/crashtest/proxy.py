"""A TCP proxy in a thread that can cut links, hold one direction or both, and delay what passes."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

CHUNK = 64 * 1024


@dataclass(frozen=True)
class Weather:
    """How the link is: refused, or each direction (`up`: to the city) held or delayed."""

    refuse: bool = False
    hold_up: bool = False
    hold_down: bool = False
    delay_s: float = 0.0


FINE = Weather()
KINDS = {
    "refused": Weather(refuse=True),
    "nothing to the city": Weather(hold_up=True),
    "nothing to the edge": Weather(hold_down=True),
    "half open": Weather(hold_up=True, hold_down=True),
    "slow": Weather(delay_s=0.15),
}


class Proxy:
    """Listens on `port`, passes on to `target`. `set` changes the weather, `cut` ends what is connected."""

    def __init__(self, target: int) -> None:
        self.target, self.port, self.weather = target, 0, FINE
        self._loop = asyncio.new_event_loop()
        self._changed: asyncio.Event | None = None
        self._open: set[asyncio.StreamWriter] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(90)

    def set(self, weather: Weather) -> None:
        """Let the link be like this from now on; what was held goes on if it no longer is."""
        self._call(lambda: self._set(weather))
        if weather.refuse:
            self.cut()

    def cut(self) -> None:
        """Reset all connections."""
        self._call(self._abort)

    def close(self) -> None:
        """End the proxy."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(90)

    def _call(self, call: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (call(), done.set()))
        assert done.wait(90)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._changed = asyncio.Event()
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()

    def _set(self, weather: Weather) -> None:
        assert self._changed is not None
        self.weather = weather
        self._changed.set()
        self._changed.clear()

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self.weather.refuse:
                return
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(there_writer)
            up = self._pass(reader, there_writer, lambda: self.weather.hold_up)
            down = self._pass(there_reader, writer, lambda: self.weather.hold_down)
            try:
                await _first(up, down)
            finally:
                self._open.discard(there_writer)
                there_writer.transport.abort()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: Callable[[], bool]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                while held():
                    assert self._changed is not None
                    await self._changed.wait()
                await asyncio.sleep(self.weather.delay_s)
                writer.write(data)
                await writer.drain()


async def _first(*ways: Awaitable[Any]) -> None:
    """Return when one of the ways is at its end; the others are given up."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
