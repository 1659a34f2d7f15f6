"""A virtual 1-Wire line, slot by slot: open drain, so a 0 of anybody is a 0 for all."""

from collections.abc import Iterable
from typing import Protocol


class OneWireChip(Protocol):
    """What the line needs of a chip."""

    def reset(self) -> bool:
        """Reset pulse; whether it answers with a presence pulse."""

    def hear(self, bit: int) -> None:
        """A write slot of the master."""

    def say(self) -> int:
        """A read slot: 0 if the chip holds the line low."""

    def power(self, strong: bool) -> None:
        """Whether the line is driven high instead of pulled."""


class VirtualOneWire:
    """The line. `shorted`: it is held low."""

    def __init__(self, chips: Iterable[OneWireChip] = ()) -> None:
        self.chips = list(chips)
        self.shorted = False

    def reset(self) -> bool:
        """Whether somebody pulled the line low after the reset; a shorted line looks so, too."""
        present = [chip.reset() for chip in self.chips]
        return any(present) or self.shorted

    def write_bit(self, bit: int) -> None:
        """A write slot."""
        for chip in self.chips:
            chip.hear(0 if self.shorted else bit)

    def read_bit(self) -> int:
        """A read slot."""
        return min([chip.say() for chip in self.chips], default=1) & (not self.shorted)

    def strong_pull_up(self, on: bool) -> None:
        """Drive the line high, or let go."""
        for chip in self.chips:
            chip.power(on)

    def write(self, data: bytes) -> None:
        """Bytes, low bit first."""
        for byte in data:
            for place in range(8):
                self.write_bit(byte >> place & 1)

    def read(self, count: int) -> bytes:
        """Bytes, low bit first."""
        return bytes(sum(self.read_bit() << place for place in range(8)) for _ in range(count))

    def readinto(self, buf: bytearray) -> None:
        """Fill `buf`, low bit first."""
        buf[:] = self.read(len(buf))
