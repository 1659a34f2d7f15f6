"""What all virtual chips share: refusing an address, ranges of their physical side, and being unplugged."""

from collections.abc import Callable
from errno import EIO, ETIMEDOUT
from typing import ClassVar, NamedTuple

Clock = Callable[[], int]


class Nack(OSError):
    """Nobody acknowledged the address or a byte."""

    def __init__(self, text: str) -> None:
        super().__init__(EIO, text)


class Stuck(OSError):
    """A line of the bus is held low."""

    def __init__(self, text: str) -> None:
        super().__init__(ETIMEDOUT, text)


class Range(NamedTuple):
    """Physical values a chip can show, and how far a reading may be off because of its resolution."""

    lower: float
    upper: float
    epsilon: float


class I2CChip:
    """A chip on an I2C bus. Subclasses answer `write` and `read` for one START to STOP each.

    `OUTPUTS` are what a scenario may connect to its world: an attribute, or a method and its argument ("duty.3").
    """

    OUTPUTS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, address: int, clock: Clock) -> None:
        self.address = address
        self._clock = clock
        self._unplugged = False

    @property
    def unplugged(self) -> bool:
        """Whether the chip is off the bus; plugging it in again is a power-on."""
        return self._unplugged

    @unplugged.setter
    def unplugged(self, value: bool) -> None:
        if self._unplugged and not value:
            self.power_on()
        self._unplugged = value

    def power_on(self) -> None:
        """Reset values in all registers."""

    def write(self, data: bytes) -> None:
        """Take the bytes of a write; an empty one is only the address. Raises: Nack."""
        raise NotImplementedError

    def read(self, count: int) -> bytes:
        """`count` bytes of a read. Raises: Nack."""
        raise NotImplementedError

    def output(self, name: str) -> float:
        """What one of `OUTPUTS` gives now, in its unit."""
        attribute, _, index = name.partition(".")
        return float(getattr(self, attribute)(int(index)) if index else getattr(self, attribute))

    def sample_range(self) -> dict[str, Range]:
        """Range of each physical attribute."""
        raise NotImplementedError


class RegisterChip(I2CChip):
    """A chip whose bytes stand at addresses: a write is an address, then values for it and those behind it."""

    _pointer = 0

    def write(self, data: bytes) -> None:
        """An address, then values. Raises: Nack."""
        self._advance()
        if not data:
            return
        self._point(data[0])
        for value in data[1:]:
            self._store(self._pointer, value)
            self._step()

    def read(self, count: int) -> bytes:
        """Registers from the pointer on. Raises: Nack."""
        self._advance()
        answer = bytearray()
        for _ in range(count):
            answer.append(self._load(self._pointer))
            self._step()
        return bytes(answer)

    def _point(self, address: int) -> None:
        self._pointer = address

    def _step(self) -> None:
        self._pointer = self._pointer + 1 & 0xFF

    def _advance(self) -> None:
        """Bring the chip to the present. Raises: Nack where it does not listen."""
        raise NotImplementedError

    def _load(self, register: int) -> int:
        """The value of a register; reading may change it."""
        raise NotImplementedError

    def _store(self, register: int, value: int) -> None:
        """Take a value where the register can be written."""
        raise NotImplementedError
