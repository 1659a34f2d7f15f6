"""A board: the real firmware core on a virtual clock, flash and line; it can lose power between any two steps."""

import math
from typing import Any

from drivers.relay import Relay
from firmware.core import link as LINK_RULES
from firmware.core.boot import SAVE_MS, Boot
from firmware.core.link import LINK
from firmware.core.node import Identity, Node
from firmware.core.outbox import FLUSH_MS, RESEND_MS, SLOTS
from firmware.core.schedule import Clock
from protocol import manifest, task_codes
from protocol.stamp import TICKS_PERIOD

from . import fake_machine, pace, plan
from .line import Line
from .oracle import Oracle
from .world import SECOND, World

fake_machine.install()
from firmware.port.outputs import Output, groups_of  # noqa: E402

TX_LIMIT_US = 256 * 87
WRITING = "while writing flash"
FAR_MS = 1 << 40
SURE_MS = 20_000


class FlashCut(Exception):
    """Power went during a write to flash."""


class Flash:
    """Files of a board; a write is atomic, but power may go right before or right after it."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.older: dict[str, str] = {}
        self.cut = ""

    def read(self, name: str) -> str | None:
        """Return the text of a file."""
        return self.files.get(name)

    def replace(self, name: str, text: str) -> None:
        """Write a file."""
        cut, self.cut = self.cut, ""
        if cut == "before":
            raise FlashCut
        if name in self.files:
            self.older[name] = self.files[name]
        self.files[name] = text
        if cut:
            raise FlashCut


class Probe:
    """A sensor that reads a slow wave (nothing else could tell two samples apart: a little of the count)."""

    def __init__(self, board: "Board") -> None:
        self._board = board
        self.error = False

    def start(self) -> int:
        """Return the wait in ms."""
        return 0

    def read_into(self, values: Any) -> None:
        """Read all channels."""
        if self.error:
            raise OSError("the chip does not answer")
        board = self._board
        values[0] = board.level()
        if len(values) > 1:
            values[1] = board.position()


class Drive:
    """A gate that takes a second to arrive."""

    def __init__(self, safe: float) -> None:
        self._safe = safe
        self.position = self.target = safe
        self.fault = 0
        self.settled = True
        self._due_ms: int | None = None

    @property
    def state(self) -> int:
        """As drivers.motion has it."""
        return 0 if self.settled else 1

    def command(self, setpoint: float) -> None:
        """Want a setpoint."""
        self.target = setpoint
        self.settled = False
        self._due_ms = None

    def safe(self) -> None:
        """Want the safe setpoint."""
        self.command(self._safe)

    def stop(self) -> None:
        """Stand."""
        self.settled = True
        self.target = self.position

    def hint_ms(self, now_ms: int) -> int:
        """Return when the next step will do something."""
        return now_ms if self._due_ms is None else self._due_ms

    def step(self, now_ms: int) -> None:
        """Move."""
        if self._due_ms is None:
            self._due_ms = now_ms + 1000
        if not self.settled and now_ms >= self._due_ms:
            self.position = self.target
            self.settled = True


class Pump(Relay):
    """The real relay driver; `target` for the oracle."""

    def hint_ms(self, now_ms: int) -> int:
        """Return when the next step may do something."""
        return now_ms if self._since_ms < 0 else self._since_ms + self._min_off_ms

    @property
    def target(self) -> float:
        """What is wanted now."""
        return 1.0 if self._wanted else 0.0


class Board:
    """One board with its line."""

    def __init__(self, world: World, oracle: Oracle, board_plan: plan.BoardPlan, line: Line) -> None:
        self.world, self.oracle, self.plan, self.line = world, oracle, board_plan, line
        self.rng = world.rng(f"board {board_plan.thing}")
        self.flash = Flash()
        self.on_us = 0
        self.impostor = False
        self.first_state = ""
        self.alive, self.life = False, 0
        self.acquiring = True
        self.loses_wire = False
        self.node: Node | None = None
        self._phase = self.rng.uniform(0, 6.28)
        self._wave_s = self.rng.uniform(200, 900)
        self._manifest = manifest.to_bytes(board_plan.manifest)
        self._rate = 1.0 + board_plan.ppm * 1e-6
        self._planned_us = -1
        self._chunk = bytearray(4096)
        line.to_board = self.received

    @property
    def thing(self) -> str:
        """The Thing's id."""
        return self.plan.thing

    def level(self) -> float:
        """What the sensor measures now."""
        wave = math.sin(self._phase + self.world.now_us / SECOND / self._wave_s * 6.28)
        return round(wave, 3) + self.node.ring.head % 997 * 1e-6 if self.node else 0.0

    def position(self) -> float:
        """Where the first actuator is."""
        node = self.node
        return node.actuators.actuators[0].driver.position if node and node.actuators.actuators else 0.0

    def ticks_us(self) -> int:
        """The board's counter; it starts shortly before a wrap."""
        return int((self.world.now_us - self.on_us) * self._rate + self._ticks0) % TICKS_PERIOD

    def power_on(self) -> None:
        """Start."""
        if self.alive:
            return
        world = self.world
        self.life += 1
        self.on_us = world.now_us
        self._planned_us = -1
        self._ticks0 = TICKS_PERIOD - self.rng.randrange(1, 600 * SECOND)
        world.say(f"power on {self.thing}")
        before = self.flash.files.get(Boot.FILE, "")
        try:
            clock = Clock(self.ticks_us)
            boot = Boot(self.flash, f"chip {self.thing}", self.rng.randbytes(12), self.plan.block)
        except FlashCut:
            if self.flash.files.get(Boot.FILE, "") != before:
                self.oracle.board_fell(self.thing, self.flash.files[Boot.FILE])
            self.world.after(SECOND, self.power_on)
            return
        identity = Identity(self.thing, "vm", bytes(32), lambda: self._manifest)
        config = {"ring": self.plan.ring, "status_ms": pace.STATUS_MS}
        self.node = Node(config, identity, clock, boot, plan.board_key(self.thing))
        if not self.impostor:
            self.first_state = before
        self._wire_up(self.node)
        self.alive = True
        self.oracle.board_started(self)
        self._turn(self.life)

    def _wire_up(self, node: Node) -> None:
        names = [channel.name for channel in self.plan.manifest.channels]
        rows = [[place, place, 1.0, 0.0, -10.0, 10.0] for place in range(len(names))]
        entry = {
            "name": "probe",
            "period_ms": self.plan.period_ms,
            "width": len(names),
            "names": names,
            "channels": rows,
        }
        self.probe = Probe(self)
        node.sensors.add(self.probe, entry, None)
        groups = groups_of([{"pins": ["fill", "drain"], "min_off_ms": 500}])
        self.outputs = []
        for info in self.plan.actuators:
            entry = {"name": info.name, "lower": 0.0, "upper": 1.0, "safe": info.safe, "lease_ms": info.lease_ms}
            if info.feedback:
                driver: Any = Drive(info.safe)
            else:
                output = Output(info.name, True, groups, node.clock)
                self.outputs.append(output)
                driver = Pump(output, min_off_ms=200)
            node.actuators.add(driver, entry)

    def power_off(self, why: str) -> None:
        """Everything but the flash is gone."""
        if not self.alive:
            return
        self.world.say(f"power off {self.thing}: {why}")
        self.alive = False
        self.oracle.board_stopped(self)
        self.node = None

    def power_cycle(self, why: str, off_us: int) -> None:
        """Off, and on again after a while; one under an old boot file stays on until that is deleted, or what only
        it knows would be deleted with it."""
        if self.impostor and why != WRITING:
            return
        self.power_off(why)
        self.world.after(off_us, self.power_on)

    def hurry(self, period_ms: int) -> None:
        """Sample at another period; 0: as planned."""
        if self.node is not None and self.acquiring:
            every = self.node.sensors.sensors[0].every
            every.period_ms = period_ms or self.plan.period_ms
            every.due_ms = min(every.due_ms, self.node.clock.ms + every.period_ms)
            self._turn(self.life)

    def stop_sampling(self) -> None:
        """No more samples from now on, so that all can come to rest."""
        self.acquiring = False
        if self.node is not None:
            self.node.sensors.sensors[0].every.due_ms = FAR_MS

    def received(self, data: bytes) -> None:
        """Bytes came in from the line."""
        if not self.alive or self.node is None:
            return
        self.node.clock.tick()
        self.oracle.to_board(self, data)
        n = len(data)
        if n > len(self._chunk):
            self._chunk = bytearray(n)
        self._chunk[:n] = data
        self.node.link.feed(self._chunk, n)
        self._turn(self.life)

    def _turn(self, life: int) -> None:
        """One turn of the loop, as firmware/port/app.py has it."""
        node = self.node
        if life != self.life or not self.alive or node is None:
            return
        try:
            if not self.acquiring:
                node.sensors.sensors[0].every.due_ms = FAR_MS
            node.step()
            self._send(node)
            node.clock.tick()
            node.save_if_due()
        except FlashCut:
            self.power_cycle(WRITING, self.rng.randrange(SECOND // 10, 5 * SECOND))
            return
        self.oracle.board_stepped(self)
        self._lose_wire(node)
        self._plan(node)

    def _lose_wire(self, node: Node) -> None:
        """If a fault says so, hear nothing any more once an output is on that only silence can end in time."""
        until_ms = node.clock.ms + LINK_RULES.SILENCE_MS + SURE_MS
        if self.loses_wire and any(
            actuator.held and actuator.lease.until_ms > until_ms and actuator.driver.target != actuator.safe_setpoint
            for actuator in node.actuators.actuators
        ):
            self.loses_wire, self.line.cut_to_board = False, True

    def _send(self, node: Node) -> None:
        line, link = self.line, node.link
        while line.busy_us() < TX_LIMIT_US:
            n = link.next_wire(line.busy_us())
            if not n:
                return
            data = bytes(link.writer.wire[:n])
            self.oracle.from_board(self, data)
            line.board_sends(data)

    def _plan(self, node: Node) -> None:
        """Wake up when something is due. A real board looks every 50 ms; nothing would happen in between."""
        wait_ms = max(1, self._due_ms(node) - node.clock.ms)
        at = self.world.now_us + int(wait_ms * 1000 / self._rate) + 100
        if self._planned_us > self.world.now_us and self._planned_us <= at:
            return
        self._planned_us = at
        self.world.at(at, self._woken, self.life, at)

    def _woken(self, life: int, at: int) -> None:
        if at == self._planned_us and life == self.life:
            self._planned_us = -1
            self._turn(life)

    def _due_ms(self, node: Node) -> int:
        now_ms = node.clock.ms
        due = min(now_ms + 60_000, node.sensors.next_ms(now_ms + 60_000), node.boot.saved_ms + SAVE_MS)
        for actuator in node.actuators.actuators:
            if actuator.held:
                due = min(due, actuator.lease.until_ms)
            if not actuator.driver.settled or actuator.task_state in (task_codes.ACCEPTED, task_codes.ACTING):
                due = min(due, max(actuator.next_ms, actuator.driver.hint_ms(now_ms)))
        link = node.link
        if link.mode == LINK:
            due = min(due, self._link_due_ms(node, now_ms))
        if self.line.busy_us() >= TX_LIMIT_US:
            due = min(due, now_ms + 1 + (self.line.busy_us() - TX_LIMIT_US) // 1000)
        return due

    @staticmethod
    def _link_due_ms(node: Node, now_ms: int) -> int:
        link, outbox, ring = node.link, node.link.outbox, node.ring
        due = min(link._heard_ms + LINK_RULES.SILENCE_MS, link._status.due_ms)
        sent = [at for at, n in zip(outbox._sent_ms, outbox._n, strict=True) if n]
        if outbox.unsent() and len(sent) < SLOTS:
            due = min(due, outbox._waiting_ms + FLUSH_MS if outbox._waiting_ms >= 0 else now_ms + 1)
        if sent:
            due = min(due, min(sent) + RESEND_MS)
        if max(outbox._backlog, ring.tail) < outbox._backlog_end and len(sent) < 12:
            due = min(due, now_ms + 5)
        if node.boot.gaps or link.losses.overflows or ring.lost_to > ring.lost_from:
            due = min(due, max(now_ms + 5, link.losses._again_ms))
        return due
