"""A virtual I2C bus with its chips, its wires and their faults."""

from collections.abc import Callable, Iterable

from simulator.chips.base import I2CChip, Nack, Stuck

__all__ = ["Nack", "Stuck", "VirtualI2C"]


class VirtualI2C:
    """The bus. `sda_stuck`, `scl_stuck` short a line; `sda_held_clocks`: a chip holds SDA in mid-byte.

    `on_lines()` is called when a line may have changed, `on_access(chip)` before a transfer reaches a chip.
    """

    def __init__(self, chips: Iterable[I2CChip] = (), name: str = "i2c0") -> None:
        self.name = name
        self.chips: dict[int, I2CChip] = {}
        self.transfers = 0
        self._watchers: list[Callable[[], None]] = []
        self.on_lines: Callable[[], None] | None = None
        self.on_access: Callable[[I2CChip], None] | None = None
        self._sda_held_clocks = 0
        self._sda_shorted = self._scl_shorted = False
        for chip in chips:
            self.add(chip)

    def add(self, chip: I2CChip) -> None:
        """Connect a chip. Raises: ValueError if its address is taken."""
        if chip.address in self.chips:
            raise ValueError(f"{self.name}: two chips at 0x{chip.address:02x}")
        self.chips[chip.address] = chip

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back whenever a chip was written to, as its outputs may have changed."""
        self._watchers.append(callback)

    @property
    def sda_stuck(self) -> bool:
        """Whether SDA is low while the bus is idle."""
        return self._sda_shorted or self.sda_held_clocks > 0

    @sda_stuck.setter
    def sda_stuck(self, value: bool) -> None:
        self._sda_shorted = value
        self._tell()

    @property
    def scl_stuck(self) -> bool:
        """Whether SCL is low while the bus is idle."""
        return self._scl_shorted

    @scl_stuck.setter
    def scl_stuck(self, value: bool) -> None:
        self._scl_shorted = value
        self._tell()

    @property
    def sda_held_clocks(self) -> int:
        """How many clocks a chip that holds SDA still waits for."""
        return self._sda_held_clocks

    @sda_held_clocks.setter
    def sda_held_clocks(self, value: int) -> None:
        self._sda_held_clocks = value
        self._tell()

    def _tell(self) -> None:
        if self.on_lines is not None:
            self.on_lines()

    def clock(self) -> None:
        """One pulse on SCL, made by a master that tries to free the bus."""
        if not self.scl_stuck:
            self.sda_held_clocks = max(0, self.sda_held_clocks - 1)

    def transfer(self, address: int, write: bytes, nread: int, goes_on: bool = False) -> bytes:
        """Write, then after a repeated start read `nread` bytes; both empty is only the address.

        `goes_on`: begins with a repeated start itself, so it counts with the transfer before. Raises: Nack, Stuck.
        """
        self.transfers += 0 if goes_on else 1
        chip = self.check_answers(address)
        if self.on_access is not None:
            self.on_access(chip)
        if write or not nread:
            chip.write(write)
            for callback in self._watchers:
                callback()
        return chip.read(nread) if nread else b""

    def check_lines(self) -> None:
        """Nothing, if both lines are high. Raises: Stuck."""
        if self.scl_stuck or self.sda_stuck:
            raise Stuck(f"{self.name}: {'SCL' if self.scl_stuck else 'SDA'} is low")

    def check_answers(self, address: int) -> I2CChip:
        """The chip that is there to acknowledge its address. Raises: Nack, Stuck."""
        self.check_lines()
        chip = self.chips.get(address)
        if chip is None or chip.unplugged:
            raise Nack(f"{self.name}: no answer at 0x{address:02x}")
        return chip
