"""A UART behind an RS-485 transceiver: whoever talks switches the driver on, and off again when the last bit has left.

    uart = Rs485(machine.UART(...), de, 9600, turnaround_us=100)

`de` is an output (`on`, `off`) at DE and /RE. `write` returns when the line is free again: it waits as long as its
bytes take, for a meter answers soon after. What a transceiver hears of its own sending is thrown away.
"""

try:
    from time import sleep_us
except ImportError:  # CPython: virtual lines need no pause

    def sleep_us(duration_us: int) -> None:
        """Nothing: virtual lines settle at once."""


_BITS_PER_BYTE = 10
_PATIENCE = 100  # looks after the time has passed, 100 us each: a UART that never ends does not hold the board


class Rs485:
    """The UART, half duplex."""

    def __init__(self, uart, de, baud: int, turnaround_us: int = 100) -> None:
        """`turnaround_us` passes between switching the transceiver and the first bit, and after the last one."""
        self._uart = uart
        self._de = de
        self._byte_us = _BITS_PER_BYTE * 1000000 // baud + 1
        self._turnaround_us = turnaround_us
        self._echo = bytearray(16)
        de.off()

    def any(self) -> int:
        """How many bytes were received."""
        return self._uart.any()

    def readinto(self, buf, count: int):
        """Take received bytes; how many."""
        return self._uart.readinto(buf, count)

    def write(self, data):
        """Send bytes and give the line back; how many were taken."""
        self._de.on()
        try:
            sleep_us(self._turnaround_us)
            count = self._uart.write(data)
            sleep_us(self._byte_us * len(data))
            self._wait_for_the_last_bit()
            sleep_us(self._turnaround_us)
        finally:
            self._de.off()
        self._forget_echo()
        return count

    def _wait_for_the_last_bit(self) -> None:
        for _ in range(_PATIENCE):
            if self._uart.txdone():
                return
            sleep_us(100)

    def _forget_echo(self) -> None:
        for _ in range(_PATIENCE):
            if not self._uart.any():
                return
            self._uart.readinto(self._echo, len(self._echo))


def half_duplex(uart, make_pin, entry) -> Rs485:
    """The UART with the transceiver that its entry in board.json describes; `make_pin` is machine.Pin."""
    de = make_pin(entry["de"], make_pin.OUT, value=0)
    return Rs485(uart, de, entry["baud"], entry["turnaround_us"])
