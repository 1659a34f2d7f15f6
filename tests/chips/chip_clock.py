"""The time of a virtual chip under test: it stands still until a test moves it."""


class Clock:
    """Calls return ns since the chip got its supply."""

    now_ns = 0

    def __call__(self) -> int:
        """Return ns."""
        return self.now_ns

    def advance_ms(self, duration_ms: float) -> None:
        """Let so many ms pass."""
        self.now_ns += int(duration_ms * 1e6)
