"""Makes a failing seed smaller: less time after the violation, fewer faults, fewer boards; the same invariant fails."""

from collections.abc import Callable
from dataclasses import replace

from .simulation import CALM_US, Result, Setup, run
from .world import SECOND

MAX_RUNS = 60


def shrink(failed: Result, tell: Callable[[str], None] = lambda line: None, runs: int = MAX_RUNS) -> Result:
    """Return the smallest failing run found within so many runs; the one given if none is smaller."""
    return _Shrinker(failed, tell, runs).shrink()


def _calm_s(setup: Setup) -> float:
    return setup.minutes * 60 - CALM_US / SECOND if setup.calm_s is None else setup.calm_s


class _Shrinker:
    def __init__(self, failed: Result, tell: Callable[[str], None], runs: int) -> None:
        self.best, self._tell, self._left = failed, tell, runs

    def shrink(self) -> Result:
        """Try one kind of smaller after the other."""
        numbers = tuple(range(len(self.best.faults))) if self.best.setup.keep is None else self.best.setup.keep
        if self.best.at_us / 1e6 < _calm_s(self.best.setup) - 120:
            self._try(replace(self.best.setup, until_s=self.best.at_us / 1e6 + 1))
        self._fewer_faults(tuple(n for n in numbers if self.best.faults[n].at_us <= self.best.at_us))
        for edges in range(1, self.best.setup.edges):
            if self._try(replace(self.best.setup, edges=edges)):
                break
        for boards in range(1, self.best.setup.boards):
            if self._try(replace(self.best.setup, boards=boards)):
                break
        return self.best

    def _fewer_faults(self, numbers: tuple[int, ...]) -> None:
        """Leave out halves, quarters, ... of the faults as long as it still fails."""
        if self._try(replace(self.best.setup, keep=numbers)):
            self.best.setup = replace(self.best.setup, keep=numbers)
        size = max(1, len(numbers) // 2)
        while numbers and self._left > 0:
            smaller = self._without_a_part(numbers, size)
            if smaller is not None:
                numbers = smaller
                size = max(1, min(size, len(numbers) // 2))
            elif size == 1:
                return
            else:
                size = max(1, size // 2)

    def _without_a_part(self, numbers: tuple[int, ...], size: int) -> tuple[int, ...] | None:
        for at in range(0, len(numbers), size):
            fewer = numbers[:at] + numbers[at + size :]
            if self._try(replace(self.best.setup, keep=fewer)):
                return fewer
        return None

    def _try(self, setup: Setup) -> bool:
        """Return whether a smaller setup violates the same invariant; it is the best then."""
        if self._left <= 0:
            return False
        self._left -= 1
        result = run(setup)
        if result.invariant != self.best.invariant:
            return False
        self.best = result
        kept = "all" if setup.keep is None else len(setup.keep)
        self._tell(f"  smaller: {kept} faults, {setup.edges} x {setup.boards} boards, {result.events} events")
        return True
