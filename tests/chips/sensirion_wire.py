"""The transceiver that Sensirion's own drivers ask for, over the virtual bus. No check of its own."""

from typing import Any

OK, NO_ACKNOWLEDGE = 0, 2


class Transceiver:
    """sensirion-i2c-driver's transceiver, version 1 of its interface, with one channel."""

    API_VERSION = 1
    channel_count = None

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self.refused = 0

    def transceive(
        self, slave_address: int, tx_data: bytes | None, rx_length: int | None, read_delay: float, timeout: float
    ) -> tuple[int, OSError | None, bytes | None]:
        """Write, wait, read, as far as each is asked for."""
        answer = b""
        try:
            if tx_data is not None:
                self._bench.bus.transfer(slave_address, bytes(tx_data), 0)
            self._bench.clock.sleep(read_delay + 0.001)
            if rx_length:
                answer = self._bench.bus.transfer(slave_address, b"", rx_length)
        except OSError as error:
            self.refused += 1
            return NO_ACKNOWLEDGE, error, None
        return OK, None, answer


def channel(bench: Any, address: int) -> Any:
    """A channel with Sensirion's checksum, as the examples of its packages make it."""
    from sensirion_driver_adapters.i2c_adapter.i2c_channel import I2cChannel  # noqa: PLC0415
    from sensirion_i2c_driver import CrcCalculator, I2cConnection  # noqa: PLC0415

    connection = I2cConnection(Transceiver(bench))
    return I2cChannel(connection, slave_address=address, crc=CrcCalculator(8, 0x31, 0xFF, 0x0))
