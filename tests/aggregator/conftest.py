"""Parts for the aggregator's tests: a river gauge with a gate, its records, and a process that opens it."""

import hashlib
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zmq.utils import z85

from aggregator.city import City
from aggregator.keys.keyring import Keyring
from aggregator.link.router_socket import Received
from aggregator.rebuild import build
from aggregator.store import compactor
from aggregator.store.store import Store
from aggregator.tasks.dispatch import Now
from processes.instance import make_instance
from protocol import city_link, columns, manifest, tasks
from protocol.city_clock import CityClock
from protocol.city_link import Batch, Clock, Heartbeat, LeaseState, ThingInfo
from service.fingerprint import fingerprint, raw_key
from service.host_clock import HostClock
from service.risk import Rule

sys.path.insert(0, str(Path(__file__).parent))  # tests import city_process by name
TEMPLATE = """
from pydantic import BaseModel
import numpy as np
from processes.contract import Alarm, Estimate, Outcome, Port, Proposal
class Site(BaseModel):
    valid_ms: int = 4000
PORTS = {"level": Port("water_level", "m", "sense", False), "gate": Port("opening", "1", "respond", False)}
def start(site, seed):
    return {"n": np.zeros(1)}
def step(site, state, now_utc_us, seen):
    if not seen["level"].value.size:
        return Outcome(state, (), (), ())
    level = float(seen["level"].value[-1])
    estimate = Estimate("level", now_utc_us + 60_000_000, level, 0.1, level - 0.2, level + 0.2)
    proposal = Proposal("gate", min(1.0, level / 2), site.valid_ms, "high")
    return Outcome({"n": state["n"] + 1}, (estimate,), (Alarm("flood", 3, 0.75),), (proposal,))
"""


OBSERVE = "river-1/feedback"
T_US = 1_000_000_000
CLOCK = Clock(0, 1_700_000_000_000_000, 1.0, 50.0, True)


@dataclass
class Kit:
    """What the tests build with. `key` signs; `public` verifies."""

    templates: Path
    keys: tuple[bytes, bytes] = field(default_factory=tasks.new_keys)
    thing: str = "river-1"
    boot: str = "0000000a-1"
    clock: Clock = CLOCK

    def manifest(self) -> dict[str, Any]:
        sensors = [manifest.SensorInfo(0, "level", "a02yyuw", "uart1", "uart1", 100)]
        channels = [
            manifest.ChannelInfo(0, "water_level", 0, "water_level", "m", 0.0, 4.0, 0.002, fuse=True),
            manifest.ChannelInfo(1, "feedback", 0, "opening", "1", 0.0, 1.0, 0.01),
        ]
        actuators = [manifest.ActuatorInfo(0, "opening", "gate", 0.0, 1.0, 0.2, "feedback", 3000, 4000)]
        return manifest.to_map(manifest.Manifest(self.thing, "river_gauge", sensors, channels, actuators))

    def info(self) -> ThingInfo:
        return ThingInfo(self.thing, self.boot, "vm 1", "ab" * 32, self.manifest(), True)

    def records(self, first: int, n: int, value: float = 1.0, channel: int = 0) -> bytes:
        stamps = np.arange(first, first + n, dtype=np.int64) * 100_000
        return columns.encode(np.full(n, channel), np.ones(n), stamps, np.full(n, value))

    def batch(self, first: int, n: int, value: float = 1.0, **changes: Any) -> Batch:
        data = {"records": self.records(first, n, value, changes.pop("channel", 0)), **changes}
        return Batch(self.thing, self.boot, first, n, self.clock, 10, 20, **data)

    def heartbeat(self, boottime_us: int, sent: int, buffered: Any = (), **health: Any) -> Heartbeat:
        account = {"thing": self.thing, "boot": self.boot, "sent": sent, "buffered": list(buffered)}
        return Heartbeat("edge-1", "eb-1", boottime_us, 0, [account], health)

    def instance(self, **changes: Any) -> Any:
        data = {
            "template": "opener", "every_s": 0, "senses": {"level": "river-1/water_level"},
            "responds": {"gate": {"actuator": "river-1/opening", "observe": OBSERVE, "within_s": 5}},
        }  # fmt: skip
        return make_instance("opener", {**data, **changes}, [self.templates])

    def city(
        self, store: Store, rules: Mapping[str, Rule] | None = None, now_us: int = T_US, **changes: Any
    ) -> City:
        clock = HostClock(CityClock(1.0, 0, 1_700_000_000_000_000))
        sign: Callable[[bytes], bytes] = lambda data: tasks.sign(self.keys[0], data)  # noqa: E731
        instances, edges = [self.instance(**changes)], ["edge-1", "edge-2"]
        return build(store, clock, edges, instances, a_ring(), sign=sign, now_us=now_us, start="start-1", rules=rules)

    def give(self, city: City, now_us: int, *messages: Any, edge: str = "edge-1") -> list[Any]:
        """Let messages arrive, commit them in the mind only; return what is sent, thinking included."""
        now = city.now(now_us)
        received = [self.received(edge, *city_link.encode(m)) for m in messages]
        return [*city.committed(city.take(received, now), now), *city.think(now)]

    def received(self, edge: str, *parts: bytes) -> Received:
        """What arrives over the link of an edge."""
        return Received(edge.encode(), edge, parts, fingerprint(raw_key(public_of(edge))))

    def holding(self, now: Now) -> LeaseState:
        return LeaseState("river-1/opening", "city", 7, now.us + 3_000_000)


def public_of(edge: str) -> bytes:
    """A public key for an edge, always the same."""
    return z85.encode(hashlib.sha256(edge.encode()).digest())


def a_ring() -> Keyring:
    """A keyring with a key for each of the two edges."""
    ring = Keyring()
    for edge in ("edge-1", "edge-2"):
        ring.adopt(edge, public_of(edge))
    return ring


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    folder: Path = tmp_path_factory.mktemp("templates")
    (folder / "opener").mkdir()
    (folder / "opener" / "process.py").write_text(textwrap.dedent(TEMPLATE))
    return Kit(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "city")
    compactor.clean(opened)
    yield opened
    opened.close()
