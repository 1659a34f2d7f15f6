"""Our own bus contract over a virtual bus, without an adapter's library between."""

from collections.abc import Callable

from drivers.bus import I2CBus
from drivers.errors import NACK, SCL_LOW, SDA_LOW, BusError
from simulator.bus import Nack, Stuck, VirtualI2C

from .wire import Wire


class ContractI2C(I2CBus):
    """The bus that drivers get, straight on virtual chips."""

    def __init__(self, bus: VirtualI2C, on_transfer: Callable[[int], None] | None = None) -> None:
        """`on_transfer(bytes)` is called before each transfer, e.g. to let time pass."""
        super().__init__(bus.name)
        self._bus = bus
        self._wire = Wire(bus, on_transfer)

    def transaction(self, address: int, write: bytes | bytearray | None, read: bytearray | None) -> None:
        """Write, repeated start, read into. Raises: BusError."""
        try:
            if write is not None:
                self._wire.write(address, bytes(write), read is None)
            if read is not None:
                read[:] = self._wire.read(address, len(read))
        except Nack as error:
            raise BusError(NACK, f"no answer at 0x{address:02x} on {self.name}") from error
        except Stuck as error:
            code, line = (SCL_LOW, "SCL") if self._bus.scl_stuck else (SDA_LOW, "SDA")
            raise BusError(code, f"{line} is held low at 0x{address:02x} on {self.name}") from error
