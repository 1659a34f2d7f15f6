"""The bus contract over `machine.I2C` of a MicroPython board.

    bus = MachineI2C(machine.I2C(0, sda=sda, scl=scl), "GP4", "GP5", machine.Pin, remake=remake, name="i2c0")

Before each transaction both lines are looked at: on some ports a transfer on a bus whose SDA is held low
never returns. A chip that holds SDA because it lost count of clocks is freed with nine clocks; `remake` then
gives the peripheral its pins back.
"""

try:
    from time import sleep_us
except ImportError:  # CPython: only tests come here, and need no pause

    def sleep_us(duration_us: int) -> None:
        """Nothing: virtual buses settle at once."""


from .bus import I2CBus
from .errors import NACK, SCL_LOW, SDA_LOW, TIMEOUT, BusError

_ETIMEDOUT = (110, 116)  # MicroPython's own number and newlib's
_RECOVERY_CLOCKS = 9  # UM10204 (I2C-bus specification) 3.1.16
_HALF_CLOCK_US = 5


class MachineI2C(I2CBus):
    """A bus of a board. Without pins a stuck line shows as TIMEOUT only."""

    def __init__(self, i2c, sda=None, scl=None, make_pin=None, *, remake=None, name: str = "i2c") -> None:
        """`make_pin(name)` gives the pin as it is; `remake()` a new machine.I2C on the same pins."""
        super().__init__(name)
        self._i2c = i2c
        self._remake = remake
        self._sda = make_pin(sda) if make_pin and sda is not None else None
        self._scl = make_pin(scl) if make_pin and scl is not None else None
        self.recoveries = 0

    def transaction(self, address: int, write, read) -> None:
        """Write, repeated start, read into. Raises: BusError."""
        self._check_lines(address)
        try:
            if write is not None:
                self._i2c.writeto(address, write, read is None)
            if read is not None:
                self._i2c.readfrom_into(address, read)
        except OSError as error:
            raise self._explained(address, error) from None

    def recover(self) -> bool:
        """Clock a chip that holds SDA free, at most nine times; whether SDA is high afterwards."""
        sda, scl = self._sda, self._scl
        if sda is None or scl is None:
            return False
        self.recoveries += 1
        sda.init(sda.IN)
        scl.init(scl.OPEN_DRAIN, value=1)
        for _ in range(_RECOVERY_CLOCKS):
            if sda.value():
                break
            self._clock_once()
        self._stop_condition()
        if self._remake is not None:
            self._i2c = self._remake()
        return sda.value() == 1

    def _clock_once(self) -> None:
        self._scl.value(0)
        sleep_us(_HALF_CLOCK_US)
        self._scl.value(1)
        sleep_us(_HALF_CLOCK_US)

    def _stop_condition(self) -> None:
        """SDA rises while SCL is high: every chip on the bus lets go."""
        sda = self._sda
        sda.init(sda.OPEN_DRAIN, value=0)
        sleep_us(_HALF_CLOCK_US)
        sda.value(1)
        sleep_us(_HALF_CLOCK_US)

    def _check_lines(self, address: int) -> None:
        if self._scl is not None and not self._scl.value():
            raise BusError(SCL_LOW, self._text(address, "SCL is held low"))
        if self._sda is not None and not self._sda.value() and not self.recover():
            raise BusError(SDA_LOW, self._text(address, "SDA is held low"))

    def _explained(self, address: int, error: OSError) -> BusError:
        """The BusError for what machine.I2C raised: by the lines first, then by its number."""
        if self._scl is not None and not self._scl.value():
            return BusError(SCL_LOW, self._text(address, "SCL is held low"))
        if self._sda is not None and not self._sda.value():
            return BusError(SDA_LOW, self._text(address, "SDA is held low"))
        if error.errno in _ETIMEDOUT:
            return BusError(TIMEOUT, self._text(address, "transfer timed out"))
        return BusError(NACK, self._text(address, "no answer"))

    def _text(self, address: int, what: str) -> str:
        return f"{what} at 0x{address:02x} on {self.name}"
