"""Output pins that obey the board's interlocks: of a group at most one is ever on, whatever a driver wants."""

import machine

from protocol.interlock import Exclusive


class Group:
    """Pins that exclude each other, and which of them are on."""

    def __init__(self, pins: list, min_off_ms: int) -> None:  # type: ignore[type-arg]
        self.pins = pins
        self.mask = 0
        self.rule = Exclusive(len(pins), min_off_ms)

    def switch(self, pin: str, on: bool, now_ms: int) -> bool:
        """Return whether `pin` may be switched now; the mask follows if so."""
        index = self.pins.index(pin)
        if not self.rule.allow(self.mask, index, on, now_ms):
            return False
        self.mask = self.mask | 1 << index if on else self.mask & ~(1 << index)
        return True


class Output:
    """One output, off from the start."""

    def __init__(self, name: str, active_high: bool, groups: list, clock) -> None:  # type: ignore[no-untyped-def,type-arg]
        self._name = name
        self._active = 1 if active_high else 0
        self._groups = groups
        self._clock = clock
        self._pin = machine.Pin(name, machine.Pin.OUT, value=1 - self._active)

    def on(self) -> None:
        """Switch on. Raises: RuntimeError when an interlock forbids it; the pin is off then."""
        for group in self._groups:
            if not group.switch(self._name, True, self._clock.ms):
                self.off()
                raise RuntimeError("interlock keeps %s off" % self._name)
        self._pin.value(self._active)

    def off(self) -> None:
        """Switch off: always allowed."""
        self._pin.value(1 - self._active)
        for group in self._groups:
            group.switch(self._name, False, self._clock.ms)

    def value(self) -> int:
        """1 while on."""
        return 1 if self._pin.value() == self._active else 0


def groups_of(interlocks: list) -> list:  # type: ignore[type-arg]
    """Return the interlock groups of board.json."""
    return [Group(entry["pins"], entry["min_off_ms"]) for entry in interlocks]
