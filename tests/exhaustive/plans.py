"""What a world of an edge node is made of: plan, wishes, manifests, orders; and its actions in words."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import msgpack

from protocol import tasks
from protocol.manifest import ActuatorInfo, ChannelInfo, Manifest, SensorInfo
from service.risk import LOW, Rule

from .edge import SIGNING
from .hands import task_id
from .search import Action

LEASE_MS = 2000


class Wish(NamedTuple):
    """What a requester wants, once. The city and people send signed orders, the others ask at the node.

    `person`: who asks through the city; `approved`: who else; `verbs`: what is signed, each once; `of`: the task whose
    id it bears, -1: its own; `dated`: whether its cause is of a known age, that of the signature; `own`: asked by the
    node's own processes, whatever it says of people.
    """

    holder: str
    actuator: str
    setpoint: float
    person: str = ""
    approved: tuple[str, ...] = ()
    verbs: tuple[int, ...] = (tasks.OPERATE,)
    of: int = -1
    dated: bool = True
    own: bool = False

    @property
    def by_city(self) -> bool:
        """Whether it comes as a signed order."""
        return bool(self.holder == "city" or self.person) and not self.own


@dataclass(frozen=True)
class Plan:
    """A world: boards with their outputs, wishes, faults that may happen (how often at most), how long it lasts.

    `rule`: of every actuator; `ready`: the wishes that are signed before anything happens; `reflex`: whether the node
    signs what its own processes ask, and others try to.
    """

    name: str
    text: str
    boards: tuple[tuple[str, tuple[str, ...]], ...]
    wishes: tuple[Wish, ...]
    steps: int
    edge_crashes: int = 0
    board_crashes: int = 0
    cuts: int = 0
    halts: int = 0
    forged: bool = False
    sets: tuple[tuple[str, ...], ...] = ()
    start_ms: int = 1500
    valid_ms: int = 3000
    lease_ms: int = LEASE_MS
    board_lease_ms: int = LEASE_MS
    wire: int = 3
    feedback: bool = False
    depth: int = 9
    rule: Rule = LOW
    select_ms: int = 3000
    ready: tuple[int, ...] = ()
    reflex: bool = False


def manifest(thing: str, names: tuple[str, ...], lease_ms: int, feedback: bool) -> Manifest:
    """Return what a board says of itself."""
    channel = ChannelInfo(0, "shown", 0, "opening", "1", 0.0, 1.0, 0.01)
    seen = "shown" if feedback else ""
    actuators = [ActuatorInfo(i, n, "relay", 0.0, 1.0, 0.0, seen, lease_ms, 100) for i, n in enumerate(names)]
    return Manifest(thing, "m", [SensorInfo(0, "s", "c", "b", "", 100)], [channel], actuators)


@cache
def signed(
    number: int, wish: Wish, fence: int, until_us: int, boot: str, plan: "Plan", verb: int = tasks.OPERATE
) -> tuple[bytes, bytes]:
    """Return (payload, signature) of an order of the city."""
    own = number if wish.of < 0 else wish.of
    made_us = until_us - plan.start_ms * 1000
    stamps = {"sample": max(1, made_us) * 1000} if wish.dated else {}
    task = tasks.Task(
        task_id(own), wish.actuator, wish.setpoint, plan.valid_ms, "p", number, "edge-1", boot, until_us, fence,
        stamps=stamps, verb=verb, rank=wish.holder, person=wish.person, approved=list(wish.approved),
    )  # fmt: skip
    payload = tasks.encode(task)
    return payload, tasks.sign(SIGNING, payload)


@cache
def forged(body: bytes) -> bytes:
    """Return a command under a higher counter with the old signature."""
    kind, payload, mac = msgpack.unpackb(body)
    parts = msgpack.unpackb(payload)
    at = 1 + len(msgpack.packb(parts[0]))
    counter = msgpack.packb(parts[1])
    changed = payload[:at] + msgpack.packb(parts[1] + 7) + payload[at + len(counter) :]
    return bytes(msgpack.packb([kind, changed, mac]))


def say(plan: Plan, things: list[str], actuators: list[str], action: Action) -> str:
    """Return an action in words."""
    kind, *words = action
    if kind in ("make", "ask"):
        wish = plan.wishes[words[0]]
        who = " and ".join([wish.person or wish.holder, *wish.approved])
        who = f"a process that calls itself {who}" if wish.own else who
        asks = f"asks the node to {tasks.VERBS[wish.verbs[0]]}" if wish.own else "asks for it at the node"
        how = asks if kind == "ask" else f"signs an order to {tasks.VERBS[words[1]]}"
        return f"{who} wants {wish.actuator} at {wish.setpoint:g} and {how} (task {words[0]})"
    texts = {
        "pass": "a second passes", "tick": "the edge node ticks", "commit": "the edge node's disk commits",
        "forged": "a forged copy of command {0} arrives at its board", "forged_order": "a forged order arrives",
        "forged_own": "somebody asks in the name of the node's own processes, signed {0}",
        "stop": "somebody presses the local stop", "clear": "the local stop is cleared",
        "seen": "feedback arrives: {1}", "told": "result {0} on the line arrives at the edge node",
        "arrive": "command {0} on the line arrives at its board", "order": "order {0} arrives at the edge node",
    }  # fmt: skip
    if kind in texts:
        return texts[kind].format(*words)
    if kind == "crash":
        how = "loses power" if words[1] else "is killed"
        return f"the edge node {how}{', what it wrote is on disk' if words[0] else ''}"
    named = {
        "step": "{} does what is due", "hello": "{} says hello", "cut": "the edge node finds the link to {} down",
        "restart": "{} loses power and starts", "status": "a status of {} arrives",
    }  # fmt: skip
    if kind in named:
        return named[kind].format(things[words[0]])
    does = {"lease": "the city asks for the lease of {} as {}", "trip": "{} is tripped", "reset": "{} is reset"}
    return does[kind].format(actuators[words[0]], *words[1:])
