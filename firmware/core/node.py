"""The whole board without its hardware: one `step()` does what is due. Sans-IO, runs on both VMs."""

from .actuators import Actuators
from .boot import Boot
from .link import INFO, WARNING, Link
from .ring import Ring
from .schedule import Clock
from .sensors import Sensors
from .tasks import TaskDesk

IDLE_MAX_MS = 50
QUIET_MAX_MS = 500  # of a board that has neither outputs, stop input, LED nor flash ring
SENDING_MS = 10
OVERDUE_MS = 3000


class Identity:
    """What a board says of itself in hello."""

    def __init__(self, thing: str, vm: str, sha256: bytes, manifest) -> None:  # type: ignore[no-untyped-def]
        """`manifest()` reads the file made by the kit, which is sent as it is."""
        self.thing = thing
        self.vm = vm
        self.sha256 = sha256
        self.manifest = manifest


class Node:
    """Ring, sensors, actuators, tasks and link of one board."""

    def __init__(self, config: dict, identity: Identity, clock: Clock, boot: Boot, key: bytes) -> None:  # type: ignore[type-arg]
        """`config` is board.json. Add sensors and actuators afterwards, and the port that the console asks."""
        self.identity_data = identity
        self.clock = clock
        self.boot = boot
        self.files = boot.files
        self.port = None
        self.settings = config.get("settings", 0)
        self.spill = boot.spill
        self.idle_max_ms = IDLE_MAX_MS
        self.ring = Ring(config["ring"])
        self.sensors = Sensors(clock, self.ring)
        self.actuators = Actuators(clock)
        self.desk = TaskDesk(key, boot.nonce, clock, self.actuators)
        self.extra = {}
        self.started = ""
        self.link = Link(identity, self, config["status_ms"])
        if self.spill:
            self.spill.attach(self)
        self.link.log_from = config.get("log", 0)
        self.link.log(INFO, "started, %d loss declarations waiting" % len(boot.gaps))

    def step(self) -> None:
        """Do everything that is due now."""
        self.clock.tick()
        self.sensors.step()
        self.actuators.step()
        if self.link.check_silence():
            self.actuators.silent()

    def save_if_due(self) -> bool:
        """Let the flash ring go on, and return whether the boot file had to be written.

        Call it when nothing urgent waits.
        """
        if self.spill:
            self.spill.step()
        if not self.boot.save_due(self.ring.head, self.clock.ms):
            return False
        self.boot.save(self.ring.head, self.link.losses.floor(), self.clock.ms, self.healthy())
        return True

    def idle_ms(self) -> int:
        """Return how long the board may sleep if nothing arrives."""
        link = self.link
        now_ms = self.clock.ms
        next_ms = now_ms + self.idle_max_ms
        if link.console.busy or (link.mode and link.outbox.unsent()):
            next_ms = now_ms + SENDING_MS
        elif link.mode:
            next_ms = min(next_ms, max(link.status_ms(), now_ms + SENDING_MS))
        return max(0, self.actuators.next_ms(self.sensors.next_ms(next_ms)) - now_ms)

    def healthy(self) -> bool:
        """Return whether the ring is consistent and nothing is overdue by seconds."""
        ring = self.ring
        late_ms = self.clock.ms - OVERDUE_MS
        return (
            0 <= ring.head - ring.tail <= ring.capacity
            and self.sensors.next_ms(self.clock.ms) > late_ms
            and self.actuators.next_ms(self.clock.ms) > late_ms
        )

    def status(self, whole: bool) -> tuple:  # type: ignore[type-arg]
        """Return what a status frame says after the boot id, with all counters or with those that alarm."""
        ring = self.ring
        return (
            self.clock.wrap,
            self.clock.ticks,
            self.link.losses.floor(),
            ring.head,
            ring.dropped,
            self.sensors.faults(),
            self.actuators.rows(),
            self.counters() if whole else self.alerts(),
        )

    def alerts(self) -> dict:  # type: ignore[type-arg]
        """Return the counters that a host must know at once, those that ever counted."""
        found = {}
        if self.boot.safe_mode:
            found["safe_mode"] = self.boot.failed
        if self.desk.refused:
            found["refused"] = self.desk.refused
            found["unsigned"] = self.desk.unsigned
        if self.actuators.stops:
            found["stops"] = self.actuators.stops
            found["stopped"] = int(self.actuators.stopped)
        return found

    def counters(self) -> dict:  # type: ignore[type-arg]
        """Return what the board counts; `extra` comes from the port."""
        decoder = self.link.decoder
        revived, clears = self.sensors.healed()
        counters = {
            "crc": decoder.crc,
            "cobs": decoder.cobs,
            "oversize": decoder.oversize,
            "resync": decoder.resync,
            "noise": decoder.noise,
            "bad": self.link.bad,
            "unknown_kind": self.link.unknown_kind,
            "resent": self.link.outbox.resent,
            "late": self.sensors.late(),
            "unready": self.sensors.unready,
            "revived": revived,
            "bus_clears": clears,
            "bus_errors": self.sensors.bus_errors,
            "refused": self.desk.refused,
            "unsigned": self.desk.unsigned,
            "actuator_errors": self.actuators.errors,
            "stops": self.actuators.stops,
            "stopped": int(self.actuators.stopped),
        }
        counters.update(self.alerts())
        counters.update(self.extra)
        return counters

    def begin(self, started: str) -> None:
        """Note why this start, as the port says, and tell the host."""
        self.started = started
        self.link.log(WARNING if self.boot.failed else INFO, self.start_text())

    def start_text(self) -> str:
        """Return a line on this start."""
        text = "started  %s; failed before: %d" % (self.started, self.boot.failed)
        return text + "; SAFE MODE, no sensors, no actuators" if self.boot.safe_mode else text
