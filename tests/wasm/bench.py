"""Runs on the 32-bit VM: starts the firmware and plays turns of its loop, noting the heap after each.

The VM collects garbage only between two calls from outside, so the figure after a turn holds all that lives and all
that the turn left behind: no moment within the turn can have needed more.
"""

import gc

import machine
import time

peak = [0, 0]
made = [0]


def note():
    used = gc.mem_alloc()
    if used > peak[0]:
        peak[0] = used
    gc.collect()
    return used


def load():
    """As main.py does."""
    global config
    import json

    with open("board.json") as file:
        config = json.load(file)
    from firmware.port import start

    start.program(config)


def start():
    """As firmware.port.app.run does."""
    global app
    from firmware.port.app import App

    app = App(config)
    config.clear()


def play(ms):
    """Play turns for `ms`; what is in /rx.bin arrives in the first. Prints what the link sent, as hex."""
    wire = machine.uarts[0]
    wire.load("/rx.bin")
    gauge = machine.pins.get("GP15")
    before = gc.mem_alloc()
    while ms > 0 and wire.n < 4096:
        wait_ms = max(1, min(ms, app.turn()))
        time.forward_ms(wait_ms)
        ms -= wait_ms
        if not app.healthy():
            raise RuntimeError("not healthy")
        if wait_ms > 1 and gauge and gauge.handler:
            gauge.handler(gauge)
    made[0] += gc.mem_alloc() - before
    note()
    print("tx", wire.tx[: wire.n].hex() if wire.n else "")


def session():
    """Begin to note the peak anew, of what follows."""
    import firmware.port.wire

    firmware.port.wire.TX_LIMIT = 64  # one or two lines a turn: each is a step of its command
    print("session", peak[0])
    peak[0] = 0


def garbage():
    """Prints what the turns since the last call took from the heap."""
    print("garbage", made[0])
    made[0] = 0


def status():
    print("status", app.node.ring.head, app.node.ring.dropped, peak[0])
