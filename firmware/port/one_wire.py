"""A 1-Wire line at a pin, over MicroPython's own `onewire`; loaded only by boards that have one."""

import machine
from onewire import OneWire


class OneWireLine:
    """The line: reset, bytes, bits, and a strong pull-up for chips that live on it."""

    def __init__(self, pin: str) -> None:
        self._pin = machine.Pin(pin, machine.Pin.OPEN_DRAIN, value=1)
        self._wire = OneWire(self._pin)

    def reset(self) -> bool:
        """Whether somebody answers the reset pulse."""
        return self._wire.reset()

    def write(self, data) -> None:  # type: ignore[no-untyped-def]
        """Send bytes, low bit first."""
        self._wire.write(data)

    def readinto(self, buf) -> None:  # type: ignore[no-untyped-def]
        """Fill `buf`, low bit first."""
        self._wire.readinto(buf)

    def read_bit(self) -> int:
        """One read slot."""
        return self._wire.readbit()

    def strong_pull_up(self, on: bool) -> None:
        """Drive the line high, or let go."""
        self._pin.init(machine.Pin.OUT if on else machine.Pin.OPEN_DRAIN, value=1)
