"""One cycle: a disturbance or none, some time, a kill, a new start. All chosen by the seed; times are real."""

import signal
from collections import Counter
from random import Random

from .proxy import FINE, KINDS
from .rig import PARTS, Finding, Rig, pass_time
from .verify import problems

SETTLE_EVERY = 20


class Cycles:
    """Runs cycles on a rig; `done` counts what was done."""

    def __init__(self, rig: Rig, rng: Random) -> None:
        self.rig, self.rng = rig, rng
        self.done: Counter[str] = Counter()

    def run(self, count: int) -> None:
        """Do `count` kills, settling now and then, then compare all. Raises: Finding."""
        self.rig.heal()
        while self.rig.kills < count:
            self.cycle()
            if self.rig.kills % SETTLE_EVERY == 0 or self.rig.kills >= count:
                totals = self.rig.settle()
                print(f"{self.rig.kills} kills, {totals['stored']} samples stored, none lost", flush=True)
        self.finish()

    def cycle(self) -> None:
        """One disturbance, one kill."""
        self._disturb()
        self._live()
        victim = self.rng.choice(PARTS)
        self.rig.kill(victim)
        self.done[f"kill {victim}"] += 1
        if self.rng.random() < 0.2:
            pass_time(self.rng.uniform(0, 0.5))
        self.rig.start(victim)

    def _live(self) -> None:
        """Let some time pass: often that of a start, sometimes that of much work."""
        pass_time(self.rng.choice((self.rng.uniform(0, 0.3), self.rng.uniform(0.2, 1.0), self.rng.uniform(0.5, 1.5))))

    def _disturb(self) -> None:
        """Change the link, stop a process for a while, or take the room on a disk, or give it back."""
        kind = self.rng.choice(("nothing", "fine", "link", "cut", "stop", "full"))
        self.done[kind] += 1
        if kind == "fine":
            self.rig.proxy.set(FINE)
            for part in PARTS:
                self.rig.empty(part)
        elif kind == "link":
            self.rig.proxy.set(KINDS[self.rng.choice(sorted(KINDS))])
        elif kind == "cut":
            self.rig.proxy.cut()
        elif kind == "full":
            self.rig.fill(self.rng.choice(PARTS))
        elif kind == "stop":
            part = self.rng.choice(PARTS)
            self.rig.pause(part)
            pass_time(self.rng.uniform(0.05, 0.5))
            if self.rng.random() < 0.7:  # else it is killed as it stands, or goes on when all is healed
                self.rig.resume(part)

    def finish(self) -> None:
        """Let the boards make no more, settle, end both in order, compare. Raises: Finding."""
        for board in self.rig.boards:
            board.paused = True
        self.rig.settle()
        codes = {part: self.rig.end(part, signal.SIGTERM) for part in PARTS}
        if any(codes.values()):
            raise Finding(f"exit codes {codes} on SIGTERM\n{self.rig.tails()}")
        folder = self.rig.folder
        found = problems(folder / "city" / "data", folder / "edge" / "data" / "journal.db", self.rig.boards)
        if found:
            raise Finding("; ".join(found))
