"""A webhook in virtual time, which is slow, says no, or does not answer, as it likes."""

from typing import Any

from .host import suspended
from .world import SECOND, Violation

SLOWEST_US = 9 * SECOND


class Mail:
    """What came to the webhook. `taken`: messages that it said yes to."""

    def __init__(self, world: Any, city: Any, rulings: Any) -> None:
        self.world, self.city, self.rulings, self.rng = world, city, rulings, world.rng("mail")
        self.taken: dict[str, int] = {}
        self.good = 0.6

    def calm(self) -> None:
        """From now on it says yes at once."""
        self.good = 1.0

    async def send(self, entry: Any, way: str, section: Any, left_s: float) -> str:
        """Stand in for `sending.send`: "" once it is out, else why not."""
        return str(await suspended(lambda done, failed: self._post(entry, left_s, done)))

    def _post(self, entry: Any, left_s: float, done: Any) -> None:
        if entry.id not in self.rulings.saved:
            raise Violation("notice_before_save", f"message {entry.id} leaves, and is not saved")
        if left_s <= 0:
            raise Violation("notice_expired", f"message {entry.id} leaves {-left_s:.1f} s after its expiry")
        wait_us = self.rng.randrange(10_000, SLOWEST_US)
        if wait_us > left_s * SECOND:
            error, wait_us = "no answer in time", int(left_s * SECOND)
        else:
            error = "" if self.rng.random() < self.good else "the webhook answered 503"
        self.world.say(f"message {entry.kind} {entry.chain}: {error or 'taken'}")
        if not error:
            self.taken[entry.id] = self.world.now_us
        self.city.after(wait_us, done, error)
