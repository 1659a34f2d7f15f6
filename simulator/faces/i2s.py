"""`machine.I2S` over virtual wires, as MicroPython's documentation has it: blocking, with a callback, as a stream."""

from collections.abc import Callable
from errno import EINVAL
from typing import Any

from simulator.i2s import VirtualI2S

POLL, POLL_READ = 3, 1
MS = 1_000_000  # ns


class MachineI2S:
    """An input, 16 or 32 bits, left channel or both. As on an RP2040 WS is the pin after SCK."""

    RX, TX = 0, 1
    MONO, STEREO = 0, 1

    def __init__(
        self,
        wires: VirtualI2S,
        wait: Callable[[int], None],
        *,
        sck: int,
        ws: int,
        sd: int,
        mode: int,
        bits: int,
        format: int,
        rate: int,
        ibuf: int,
    ) -> None:
        """`wait(ns)` lets time pass, for reads that wait. Raises: ValueError."""
        if ws != sck + 1:
            raise ValueError("invalid ws (must be sck+1)")
        for name, found, able in (("mode", mode, (0,)), ("bits", bits, (16, 32)), ("format", format, (0, 1))):
            if found not in able:
                raise ValueError(f"invalid {name}")
        self._wires, self._wait = wires, wait
        self._word = bits // 8
        self._words = 2 if format == self.STEREO else 1
        self._blocks = True
        self._handler: Callable[[MachineI2S], None] | None = None
        self._asked: Any = None
        wires.open(rate, ibuf)

    def readinto(self, buf: bytearray) -> int:
        """How many bytes were read: all that fit, or, as a stream, what there is; with a callback `buf` fills later.

        Raises: OSError if `buf` does not hold a whole number of samples.
        """
        if len(buf) % (self._word * self._words):
            raise OSError(EINVAL, "Invalid argument")
        if self._handler is not None:
            self._asked = [buf, 0]
            return len(buf)
        at = self._fill(buf, 0)
        while self._blocks and at < len(buf):
            self._wait(MS)
            at = self._fill(buf, at)
        return at

    def irq(self, handler: "Callable[[MachineI2S], None] | None") -> None:
        """Have `handler(i2s)` called when a buffer is full, and reads return at once; None: reads wait."""
        self._handler = handler
        self._blocks = handler is None

    def run_scheduled(self) -> None:
        """What MicroPython does between two bytecodes: fill the buffer that is asked for with what is there."""
        while self._handler is not None and self._asked is not None:
            buf, at = self._asked
            self._asked[1] = at = self._fill(buf, at)
            if at < len(buf):
                return
            self._asked = None
            self._handler(self)

    def ioctl(self, request: int, argument: int) -> int:
        """The stream protocol: whether something can be read; reads never wait from then on."""
        if request != POLL:
            return 0
        self._blocks = False
        return argument & POLL_READ if self._wires.available() else 0

    def deinit(self) -> None:
        """Stop."""
        self._wires.open(0, 0)

    def _fill(self, buf: bytearray, at: int) -> int:
        """Copy what has arrived to place `at` on, and of each word the upper bits; the place where it ends."""
        data = self._wires.take((len(buf) - at) // (self._word * self._words))
        for start in range(0, len(data), 4):
            if start % 8 == 0 or self._words == 2:
                buf[at : at + self._word] = data[start + 4 - self._word : start + 4]
                at += self._word
        return at
