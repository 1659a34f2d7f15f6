"""`select.poll` of a virtual board: the built-in one, which also wakes for and delivers pin interrupts."""

import _bridge  # type: ignore[import-not-found]
import uselect
import utime
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT  # noqa: F401


class poll:
    """Same calls as the built-in poll; streams answer through their file descriptors."""

    def __init__(self):
        self._inner = uselect.poll()
        self._inner.register(_bridge.events, POLLIN)

    def register(self, obj, eventmask=5):
        self._inner.register(obj, eventmask)

    def unregister(self, obj):
        self._inner.unregister(obj)

    def modify(self, obj, eventmask):
        self._inner.modify(obj, eventmask)

    def poll(self, timeout_ms=-1):
        end = utime.ticks_ms() + timeout_ms
        while True:
            ready = self._inner.poll(timeout_ms)
            found = [entry for entry in ready if entry[0] is not _bridge.events]
            if len(found) != len(ready):
                _bridge.dispatch()
            if found or not ready:
                return found
            if timeout_ms >= 0:
                timeout_ms = max(0, end - utime.ticks_ms())
                if timeout_ms == 0:
                    return found

    def ipoll(self, timeout_ms=-1, flags=0):
        return iter(self.poll(timeout_ms))
