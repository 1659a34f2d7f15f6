import errno
import os
import queue
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from edge_node.boards import serial_port
from edge_node.boards.serial_port import SerialPort, open_port
from edge_node.errors import PortError


class Listener:
    def __init__(self) -> None:
        self.events: queue.Queue[tuple] = queue.Queue()

    def opened(self, thing: str, now_us: int) -> None:
        self.events.put(("opened", thing))

    def closed(self, thing: str, reason: str, now_us: int) -> None:
        self.events.put(("closed", thing))

    def received(self, thing: str, data: bytes, rx_us: int) -> None:
        self.events.put(("received", data))


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        try:
            os.close(descriptor)
        except OSError:
            assert descriptor == master


def test_bytes_go_both_ways_and_zeros_and_interrupts_are_bytes(pty: tuple[int, str]) -> None:
    master, path = pty
    listener = Listener()
    port = SerialPort("river-1", path, 115200, listener, lambda call: call())
    port.start()
    assert listener.events.get(timeout=90) == ("opened", "river-1")
    port.write(b"\x00\x03hello\r\n\x00")
    assert os.read(master, 64) == b"\x00\x03hello\r\n\x00"
    os.write(master, b"\x00\x03\x11\x13\r\n\x00")
    data = b""
    while len(data) < 7:
        data += listener.events.get(timeout=90)[1]
    assert data == b"\x00\x03\x11\x13\r\n\x00"
    port.close()


def test_a_port_that_comes_later_is_opened(tmp_path: Path, pty: tuple[int, str]) -> None:
    link = tmp_path / "river-1"
    listener = Listener()
    port = SerialPort("river-1", str(link), 115200, listener, lambda call: call())
    port.start()
    end = time.monotonic() + 90
    while port.state != "absent":
        assert time.monotonic() < end
    assert "not there" in port.hint
    link.symlink_to(pty[1])
    assert listener.events.get(timeout=90) == ("opened", "river-1")
    port.close()


def test_busy_is_told_from_absent(pty: tuple[int, str]) -> None:
    holder = open_port(pty[1], 115200)
    with pytest.raises(PortError) as caught:
        open_port(pty[1], 115200)
    assert caught.value.state == "busy" and "fuser" in caught.value.hint
    holder.close()
    with pytest.raises(PortError) as caught:
        open_port("/dev/no-such-port", 115200)
    assert caught.value.state == "absent"


@pytest.mark.parametrize(("number", "state"), [(errno.EACCES, "permission"), (errno.EBUSY, "busy")])
def test_the_kernels_answers_are_named(monkeypatch: pytest.MonkeyPatch, number: int, state: str) -> None:
    def refuse(self: serial.Serial) -> None:
        raise serial.SerialException(number, os.strerror(number))

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(PortError) as caught:
        open_port("/dev/ttyX", 115200)
    assert caught.value.state == state and caught.value.hint


def test_closing_will_not_drop_dtr(pty: tuple[int, str]) -> None:
    port = open_port(pty[1], 115200)
    assert not termios.tcgetattr(port.fd)[2] & termios.HUPCL
    assert port.dtr and port.rts, "as the kernel raises them"
    port.close()


def test_writes_to_a_closed_port_are_dropped_not_kept() -> None:
    port = SerialPort("x", "/dev/none", 115200, Listener(), lambda call: call())
    for _ in range(serial_port.MAX_QUEUED_WRITES + 5):
        port.write(b"x")
    assert port.dropped_writes == 5
