"""Pulse counting by interrupt: a contact to ground with a pull-up, or a driven pulse. The handler allocates nothing."""

from time import ticks_diff, ticks_ms, ticks_us

import machine


class Pulses:
    """`count` edges, those within `debounce_ms` of the last counted one left out; `ticks_us` is when that was."""

    def __init__(self, pin: str, debounce_ms: int, rising: bool = False) -> None:
        self.count = 0
        self.ticks_us = 0
        self._debounce_ms = debounce_ms
        self._last_ms = ticks_ms()
        self._seen = False
        self._pin = machine.Pin(pin, machine.Pin.IN, machine.Pin.PULL_UP)
        self._pin.irq(self._edge, machine.Pin.IRQ_RISING if rising else machine.Pin.IRQ_FALLING)

    def _edge(self, pin) -> None:  # type: ignore[no-untyped-def]
        now_ms = ticks_ms()
        if self._seen and ticks_diff(now_ms, self._last_ms) < self._debounce_ms:
            return
        self._seen = True
        self._last_ms = now_ms
        self.ticks_us = ticks_us()  # type: ignore[assignment]
        self.count += 1
