"""RS-485: the transceiver sends only while something is sent, whatever goes wrong."""

from typing import Any

import pytest

from drivers.rs485 import Rs485


class Uart:
    """A UART that says what the transceiver did while it sent, and hears its own bytes."""

    def __init__(self, de: Any) -> None:
        self.de = de
        self.heard = bytearray()
        self.driven: list[int] = []
        self.busy = 3
        self.fails = False

    def any(self) -> int:
        return len(self.heard)

    def readinto(self, buf: bytearray, count: int) -> int:
        count = min(count, len(self.heard))
        buf[:count] = self.heard[:count]
        del self.heard[:count]
        return count

    def write(self, data: bytes) -> int:
        self.driven.append(self.de.level)
        if self.fails:
            raise OSError(5)
        self.heard += data
        return len(data)

    def txdone(self) -> bool:
        self.driven.append(self.de.level)
        self.busy -= 1
        return self.busy < 0


@pytest.fixture
def line(bench: Any) -> tuple[Rs485, Uart]:
    de = bench.output("GP7", True)
    de.on()
    uart = Uart(de)
    return Rs485(uart, de, 9600), uart


def test_the_line_is_free_before_and_after(line: tuple[Rs485, Uart]) -> None:
    port, uart = line
    assert uart.de.level == 0
    assert port.write(b"12345678") == 8
    assert uart.driven and set(uart.driven) == {1}
    assert uart.de.level == 0


def test_its_own_echo_is_not_heard(line: tuple[Rs485, Uart]) -> None:
    port, uart = line
    port.write(b"x" * 40)
    assert port.any() == 0
    uart.heard += b"answer"
    buf = bytearray(8)
    assert port.readinto(buf, 8) == 6 and buf[:6] == b"answer"


def test_a_uart_that_fails_or_never_ends_gives_the_line_back(line: tuple[Rs485, Uart]) -> None:
    port, uart = line
    uart.busy = 10**6
    assert port.write(b"1") == 1
    assert uart.de.level == 0
    uart.fails = True
    with pytest.raises(OSError):
        port.write(b"1")
    assert uart.de.level == 0
