"""An output with a longest run (`max_on_ms`); loaded only by boards that have one."""

from firmware.core.longest_run import LongestRun, TooLongError

from .outputs import Output


class LimitedOutput(Output):
    """As any output, and off in time whatever a driver wants; `check` it often."""

    def __init__(self, name: str, active_high: bool, groups: list, clock, limit_ms: int) -> None:  # type: ignore[no-untyped-def,type-arg]
        super().__init__(name, active_high, groups, clock)
        self._run = LongestRun(limit_ms)

    def on(self) -> None:
        """Switch on. Raises: TooLongError while it rests; RuntimeError when an interlock forbids it; it is off then."""
        if not self._run.switch(True, self._clock.ms):
            self.off()
            raise TooLongError("%s rests after its longest run" % self._name)
        super().on()

    def off(self) -> None:
        """Switch off: always allowed."""
        self._run.switch(False, self._clock.ms)
        super().off()

    def check(self) -> None:
        """Switch off what has been on for its longest time. Raises: TooLongError when it was."""
        if self._run.over(self._clock.ms):
            self.off()
            raise TooLongError("%s was on for its longest time" % self._name)
