"""Who is there: edge nodes, boards, their sensors, actuators and processes. The same in every seed but for numbers."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from zmq.utils import z85

from aggregator.notify.channels import NotifySection
from processes.instance import make_instance
from protocol import tasks
from protocol.manifest import ActuatorInfo, ChannelInfo, Manifest, SensorInfo
from service.risk import LOW, Rule

from . import pace

TEMPLATES = Path(__file__).parent / "templates"
SIGNING = sha256(b"simtest signing key").digest()
RULES = {
    "gate-2/opening": Rule(hazardous=True, approvals=2, evidence_s=150.0),
    "pump-1/fill": Rule(max_per_min=2),
    "pump-2/fill": Rule("high", approvals=2, automation=False),
}
CHANNELS = {"crew": NotifySection(webhook="https://crew.example/cap", sender="city@crew.example", restriction="crew")}
CREW = {
    "notify": "crew", "area": {"desc": "the river"}, "event": "High level", "alarms": ["high"], "expires_s": 240.0,
    "update_s": 60.0,
}  # fmt: skip


def rule(actuator: str) -> Rule:
    """Return how careful city and guard are with an actuator."""
    return RULES.get(actuator, LOW)


@cache
def verify_key() -> bytes:
    """The public half of the city's signing key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    return Ed25519PrivateKey.from_private_bytes(SIGNING).public_key().public_bytes_raw()


def sign(data: bytes) -> bytes:
    """Sign as the city does."""
    return tasks.sign(SIGNING, data)


def board_key(thing: str) -> bytes:
    """A board's 32-byte key."""
    return sha256(f"board {thing}".encode()).digest()


def curve_key(name: str) -> bytes:
    """What stands for a CURVE public key of 32 bytes."""
    return sha256(f"curve {name}".encode()).digest()


def curve_text(name: str) -> bytes:
    """The same key as 40 bytes of z85."""
    return bytes(z85.encode(curve_key(name)))


@dataclass(frozen=True)
class BoardPlan:
    """One board."""

    thing: str
    edge: str
    period_ms: int
    ring: int
    ppm: float
    actuators: tuple[ActuatorInfo, ...]

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return _manifest(self.thing, self.period_ms, self.actuators)

    @property
    def block(self) -> int:
        """Numbers to reserve: a minute's worth."""
        return max(32, 2 * 60_000 // self.period_ms)


@cache
def _manifest(thing: str, period_ms: int, actuators: tuple[ActuatorInfo, ...]) -> Manifest:
    sensors = [SensorInfo(0, "probe", "sim", "sim", "", period_ms)]
    fused = thing.startswith("river")
    channels = [ChannelInfo(0, "level", 0, "level", "1", -10.0, 10.0, 0.01, fuse=fused)]
    if thing.startswith("gate"):
        channels.append(ChannelInfo(1, "feedback", 0, "opening", "1", -10.0, 10.0, 0.01))
    return Manifest(thing, "simulated", sensors, channels, list(actuators))


def boards(rng: Random, edges: int, per_edge: int) -> list[BoardPlan]:
    """Return the boards of a seed."""
    made = []
    for e in range(1, edges + 1):
        for kind in ("river", "gate", "pump")[:per_edge]:
            period_ms = rng.choice((12_000, 15_000, 20_000, 30_000))
            seen = "feedback" if kind == "gate" else ""
            actuators = [
                ActuatorInfo(i, name, "sim", 0.0, 1.0, 0.0, seen, pace.BOARD_LEASE_MS * (1 + 3 * i), 1000)
                for i, name in enumerate({"gate": ["opening"], "pump": ["fill", "drain"]}.get(kind, []))
            ]
            ring = rng.choice((8, 16, 48, 160))
            ppm = rng.uniform(-500, 500)
            made.append(BoardPlan(f"{kind}-{e}", f"edge-{e}", period_ms, ring, ppm, tuple(actuators)))
    return made


def instances(plans: list[BoardPlan]) -> list[Any]:
    """Return the processes of a seed."""
    things = {plan.thing for plan in plans}
    made = []
    for plan in plans:
        e = plan.edge[-1]
        if plan.thing.startswith("gate") and f"river-{e}" in things:
            made.append(_instance(f"open-{e}", f"{plan.edge}/river-{e}.level", f"gate-{e}/opening", "both", 20.0,
                                  f"gate-{e}/feedback", on=0.75, off=0.25))  # fmt: skip
        if plan.thing.startswith("pump"):
            made.append(_instance(f"fill-{e}", f"pump-{e}/level", f"pump-{e}/fill", "city", 0.0, None, on=1.0, off=0.0))
            made.append(_instance(f"drain-{e}", f"pump-{e}/level", f"pump-{e}/drain", "edge", 30.0, None, 0.0, 1.0))
    return made


@cache
def _instance(
    name: str, sense: str, actuator: str, where: str, every_s: float, observe: str | None, on: float, off: float
) -> Any:
    respond = {"actuator": actuator, "within_s": 150}
    if observe:
        respond["observe"] = observe
    crew = {} if where == "edge" else {"crew": CREW}
    data = {
        "template": "threshold", "runs_on": where, "every_s": every_s, "lateness_s": 300,
        "senses": {"level": sense}, "responds": {"gate": respond, **crew},
        "site": {"high": 0.5, "low": -0.5, "on": on, "off": off, "valid_ms": 150_000},
    }  # fmt: skip
    return make_instance(name, data, [TEMPLATES])
