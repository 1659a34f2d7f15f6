"""Whether the city is there, and when to knock: hello with exponential backoff and full jitter. Sans-IO.

A thousand nodes that lost the city in the same second must not come back in the same second: each waits a random
time between nothing and a ceiling that doubles with each try. `draw()` gives a random number in [0, 1).
"""

from collections.abc import Callable

SILENT_US = 3_000_000
FIRST_CEILING_US = 500_000
RENEW_US = 15_000_000
Draw = Callable[[], float]


class Presence:
    """`connected`: the city answered our hello and keeps talking. `problem` says why we will not talk to it.

    `hello_us`: when the next hello is due, None while there is nothing to wait for.
    """

    def __init__(self, draw: Draw, max_ceiling_us: int = 8_000_000) -> None:
        self._draw, self._max_ceiling_us = draw, max_ceiling_us
        self.start = ""
        self.connected = False
        self.heard_us = self.connections = self.tries = 0
        self.problem = ""
        self.hello_us: int | None = None
        self._wait_until_us = 0
        self._renew_us: int | None = None

    def greeted(self, start: str, now_us: int) -> bool:
        """The city said hello; return whether it is one that we have to tell everything."""
        self.heard_us = now_us
        if start == self.start and self.connected:
            return False
        self.start = start
        self._begin()
        return True

    def heard(self, now_us: int) -> bool:
        """Something came from the city; return whether it had been away."""
        self.heard_us = now_us
        if self.connected or not self.start or self.problem or now_us < self._wait_until_us:
            return False
        self._begin()
        return True

    def wait(self, after_ms: int, now_us: int) -> None:
        """The city is busy: come back after that time and as much again at random."""
        self.connected = False
        self._wait_until_us = now_us + after_ms * 1000
        self.hello_us = self._wait_until_us + int(self._draw() * max(after_ms * 1000, FIRST_CEILING_US))

    def refuse(self, problem: str) -> None:
        """We will not talk to this city; only hellos leave until another one answers."""
        self.connected = False
        self.start, self.problem = "", problem

    def _begin(self) -> None:
        self.connected = True
        self.connections += 1
        self.tries = 0
        self.problem = ""
        self.hello_us = None
        self._wait_until_us = 0

    def tick(self, now_us: int) -> bool:
        """Notice silence; return whether to say hello now."""
        if self.connected and now_us - self.heard_us > SILENT_US:
            self.connected = False
        if self.connected:
            return False
        if self.hello_us is None:
            self.hello_us = now_us + self._delay_us()
        if now_us < self.hello_us:
            return False
        self.tries += 1
        self.hello_us = now_us + self._delay_us()
        return True

    def stuck(self, now_us: int) -> bool:
        """Return whether to begin a new connection: links can be dead without TCP having noticed."""
        if self.connected or now_us < self._wait_until_us:
            self._renew_us = None
        elif self._renew_us is None:
            self._renew_us = now_us + RENEW_US + int(self._draw() * RENEW_US)
        elif now_us > self._renew_us:
            self._renew_us = None
            return True
        return False

    def _delay_us(self) -> int:
        """Return a random time below the ceiling of this try."""
        ceiling_us = min(self._max_ceiling_us, FIRST_CEILING_US << min(self.tries, 20))
        return int(self._draw() * ceiling_us)
