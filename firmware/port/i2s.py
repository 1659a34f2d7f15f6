"""An I2S input whose reads never wait; loaded only by boards that have one."""

import select

import machine


def open_i2s(entry, rate_hz: int, buffer_bytes: int):  # type: ignore[no-untyped-def]
    """The input of a board file's entry: 32 bits of the left channel a sample, `readinto` gives what has arrived."""
    sck, ws, sd = machine.Pin(entry["sck"]), machine.Pin(entry["ws"]), machine.Pin(entry["sd"])
    i2s = machine.I2S(
        entry["id"], sck=sck, ws=ws, sd=sd, mode=machine.I2S.RX, bits=32, format=machine.I2S.MONO, rate=rate_hz,
        ibuf=buffer_bytes,
    )  # fmt: skip
    poll = select.poll()
    poll.register(i2s, select.POLLIN)
    poll.poll(0)  # who asks once whether there is something is never made to wait by a read again
    return i2s
