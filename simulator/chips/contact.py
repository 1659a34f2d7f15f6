"""Virtual switch contact between a pin and ground or supply."""

from .base import Clock, Range


class Contact:
    """The contact. `level()` is what it drives on the pin, None while open or with the wire cut."""

    def __init__(self, *, closed: bool = False, to_ground: bool = True) -> None:
        self.closed = closed
        self.to_ground = to_ground
        self.unplugged = False

    def sample_range(self) -> dict[str, Range]:
        """Open or closed."""
        return {"closed": Range(0.0, 1.0, 0.0)}

    def level(self) -> int | None:
        """0 or 1 while closed, None (leave it to the pull) otherwise."""
        if self.unplugged or not self.closed:
            return None
        return 0 if self.to_ground else 1


def make(clock: Clock) -> Contact:
    """An open contact to ground."""
    return Contact()
