"""Start and main loop of a board: one loop, no tasks, no interrupts but pulse counting."""

import gc
import hashlib
import os
import select
import sys
from time import sleep_ms, ticks_us

import machine

from firmware.core.boot import Boot
from firmware.core.console import borrow, drop
from firmware.core.link import WARNING
from firmware.core.node import QUIET_MAX_MS, Identity, Node
from firmware.core.schedule import Clock

from .flash import MAINTENANCE, Files, read_bytes
from .io import Io
from .wire import Wire

SENDING_MS = 4
TIDY_MIN_MS = 500
TIDY_MAX_MS = 5000
TIDY_PATIENCE_MS = 500
ONLY_AT_START = (  # forgotten then, to make room
    "use_settings", "driver", "entropy", "make_node", "steps", "calm", "fit", "vm_text", "led",
)  # fmt: skip
MANIFEST = "manifest.mpk"


def driver(kind: str):  # type: ignore[no-untyped-def]
    """The driver module of a chip or an actuator; only those that the board has are loaded."""
    return getattr(__import__("drivers." + kind), kind)


def entropy() -> bytes:
    """12 random bytes: the chip's noise, mixed with its id and the time."""
    noise = os.urandom(16) + machine.unique_id() + ticks_us().to_bytes(4, "little")
    return hashlib.sha256(noise).digest()[:12]


def make_node(config: dict) -> tuple:  # type: ignore[type-arg]
    """The (node, io) of a board: what core does, on this board's hardware."""
    clock = Clock(ticks_us)
    spill, problem = None, ""
    if "flash" in config:
        from firmware.core.spill import Spill  # noqa: PLC0415 (its code takes room only where it is needed)

        blocks, problem = config["flash"]
        spill = Spill(blocks, steps(config)) if blocks else None
    boot = Boot(Files(), machine.unique_id().hex(), entropy(), config["block"], config["bitten"], spill)
    sha256 = bytes.fromhex(read_bytes("firmware.sha").decode())
    told = config.get("manifest") or MANIFEST
    identity = Identity(config["thing"], vm_text(), sha256, lambda: read_bytes(told))
    node = Node(config, identity, clock, boot, read_bytes("key.bin"))
    io = node.port = Io(config, clock)
    if problem:
        node.link.log(WARNING, problem)
    node.begin(config["started"])
    if boot.safe_mode:
        calm(config)
    else:
        fit(node, io, config)
    return node, io


def steps(config: dict) -> list:  # type: ignore[type-arg]
    """What a count of each channel is worth, see `firmware.core.pack`; None where values are none."""
    found = []
    for entry in config["sensors"]:
        for row, step in zip(entry["channels"], entry["steps"]):
            found.append((step[0], step[1], step[2], row[2], row[3]) if step and row[2] else None)
    return found


def calm(config: dict) -> None:  # type: ignore[type-arg]
    """Tell chips on a bus their safe state once, where nothing goes on: no reset of the board reaches them."""
    io = Io(config, Clock(ticks_us))
    for entry in config["actuators"]:
        if "address" in entry:
            try:
                driver(entry["kind"]).make(io, entry).safe()
            except Exception as error:  # it may be why nothing goes on
                sys.print_exception(error)


def fit(node: Node, io: Io, config: dict) -> None:  # type: ignore[type-arg]
    """Give the node its sensors, actuators and stop input."""
    io.reading = node.sensors.reading
    for entry in config["actuators"]:  # first, as a chip on a bus still does what it was told before this start
        io.limited = []
        node.actuators.add(driver(entry["kind"]).make(io, entry), entry, io.limited)
    for entry in config["sensors"]:
        bus = io.i2c(entry["bus"]) if "address" in entry else None
        node.sensors.add(driver(entry["chip"]).make(io, entry), entry, bus)
    if "stop" in config:
        pin, pull, level = config["stop"]
        node.actuators.watch_stop(io.input(pin, pull), level)
    if not (config["led"] or config["actuators"] or "stop" in config or "flash" in config):
        node.idle_max_ms = QUIET_MAX_MS


def vm_text() -> str:
    """The VM's own version string."""
    return sys.version + "; " + sys.implementation._machine


def use_settings(config: dict) -> list:  # type: ignore[type-arg]
    """Put what a technician stored into `config` and the manifest, all or nothing; return what to log."""
    files = Files()
    if files.read("settings.0") is None and files.read("settings.1") is None:
        return []
    try:
        config["manifest"] = borrow("begin").write(files, read_bytes(MANIFEST))
        notes = borrow("begin").start(config, files)
    except Exception as error:
        config["manifest"] = MANIFEST
        notes = ["settings are not used: " + repr(error)]
    drop()
    return notes


def led(pin):  # type: ignore[no-untyped-def]
    """A callable that shows a node's state on the LED at this pin, lit from now on while the board starts."""
    from firmware.core import lamp  # noqa: PLC0415 (its code takes room only where it is needed)

    light = machine.Pin(pin, machine.Pin.OUT, value=1)
    return lambda node: light.value(lamp.level(node))


class App:
    """One turn of the loop, and what is looked after between turns."""

    def __init__(self, config: dict) -> None:  # type: ignore[type-arg]
        """Make everything a board has; `config` is board.json."""
        self._led = led(config["led"]) if config["led"] else None
        notes = use_settings(config)
        self.node, self._io = make_node(config)
        for note in notes:
            self.node.link.log(WARNING, note)
        self.wire = Wire(config["link"], self.node.link)
        self._tidied_ms = self._tidy_ms = self.node.clock.ms
        self._turn_ms = 0
        self.node.extra["reset_cause"] = machine.reset_cause()
        for name in ONLY_AT_START:
            globals().pop(name, None)
        self.tidy()

    def turn(self) -> int:
        """Do what is due; return how many ms to wait for the link at most."""
        node = self.node
        self.wire.receive()
        node.step()
        self.wire.send()
        node.clock.tick()
        node.save_if_due()
        if self._led:
            self._led(node)
        wait_ms = self._wait_ms()
        if self._may_tidy(wait_ms):
            self.tidy()
            wait_ms = self._wait_ms()
        return wait_ms

    def _wait_ms(self) -> int:
        """How long nothing is due."""
        wait_ms = self.node.idle_ms()
        return min(wait_ms, SENDING_MS) if self.wire.busy else wait_ms

    def _may_tidy(self, wait_ms: int) -> bool:
        """Whether to collect garbage: when it is time and nothing is due meanwhile, or it was put off for long."""
        over_ms = self.node.clock.ms - self._tidy_ms
        return over_ms >= 0 and (wait_ms > self.node.extra["gc_ms"] or over_ms >= TIDY_PATIENCE_MS)

    def healthy(self) -> bool:
        """Whether the loop does its work; only then the watchdog is fed."""
        return self.node.healthy() and not self._io.conflicting()

    def measure(self, started_ms: int) -> None:
        """Note how long the turn took that began at `started_ms`."""
        self._turn_ms = max(self._turn_ms, self.node.clock.ms - started_ms)

    def tidy(self) -> None:
        """Collect garbage and note what it cost; the next time is before half of what is free is used up."""
        clock, extra = self.node.clock, self.node.extra
        clock.tick()
        started_ms = clock.ms
        low = gc.mem_free()
        gc.collect()
        free = gc.mem_free()
        clock.tick()
        lasts_ms = (started_ms - self._tidied_ms) * (free // 2) // max(1, free - low)
        self._tidied_ms = clock.ms
        self._tidy_ms = clock.ms + min(TIDY_MAX_MS, max(TIDY_MIN_MS, lasts_ms))
        extra["gc_ms"] = clock.ms - started_ms
        extra["gc_max_ms"] = max(extra.get("gc_max_ms", 0), extra["gc_ms"])
        extra["mem_low"] = min(extra.get("mem_low", low), low)
        extra["mem_free"] = free
        extra["loop_max_ms"] = self._turn_ms
        self._turn_ms = 0


def loop(app: App, watchdog) -> None:  # type: ignore[no-untyped-def]
    """Turn until somebody asks for maintenance."""
    poller = select.poll()
    poller.register(app.wire.uart, select.POLLIN)
    while not app.node.link.maintenance:
        started_ms = app.node.clock.ms
        wait_ms = app.turn()
        app.measure(started_ms)
        if app.healthy():
            watchdog.feed()
        for _ in poller.ipoll(wait_ms):
            pass
        app.node.clock.tick()


def run(config: dict, outputs_off) -> None:  # type: ignore[no-untyped-def,type-arg]
    """Run the board for ever. An error switches all outputs off and lets the watchdog start the board again."""
    watchdog = machine.WDT(timeout=config["watchdog_ms"])
    outputs = config["outputs"]
    app = None
    try:
        app = App(config)
        config.clear()
        loop(app, watchdog)
        outputs_off(outputs)
        app.node.actuators.abandon()
        Files().replace(MAINTENANCE, "")
        machine.reset()
    except (Exception, KeyboardInterrupt) as error:  # the latter from a terminal on the chip's USB port
        outputs_off(outputs)
        if app:
            app.node.actuators.abandon()
        else:
            calm(config)
        sys.print_exception(error)
        gc.collect()
        from . import start  # noqa: PLC0415 (its code takes room only now)

        start.note_failure(error)
        while True:
            sleep_ms(1000)
