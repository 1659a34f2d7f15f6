"""A city that records a day of a river at speed, as a process of its own: it can be killed and goes on.

    python -m tests.replay.recorder      # then a line `FOLDER PERIODS` for each one to start

Each is a fork of one that has imported everything, and prints a line per turn. Data comes shuffled and up to twenty
minutes late, clocks get better afterwards, people acknowledge alarms, and what is old is sealed meanwhile.
"""

import asyncio
import os
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from zmq.utils import z85

from aggregator.city import City
from aggregator.clocks.city_times import CityTimes
from aggregator.keys.keyring import Keyring
from aggregator.link.router_socket import Received
from aggregator.rebuild import build
from aggregator.store import compactor
from aggregator.store.store import Store
from aggregator.tasks.dispatch import Now
from aggregator.turns import Turns
from durable import chained_log
from models.warm_up import warm_up
from processes.instance import Instance, make_instance
from protocol import city_link, columns, manifest
from protocol.city_clock import CityClock
from protocol.city_link import Batch, Clock, ClockRecord, ThingInfo
from service.fingerprint import fingerprint, raw_key
from service.host_clock import HostClock, Look

S = 1_000_000
PERIOD_US = 30 * S
SPEED = 400
T0_UTC_US = 1_700_006_400 * S  # a midnight
EDGE, THING, BOOT = "edge-1", "river-1", "0000000a-1"
PUBLIC = z85.encode(bytes(range(32)))
CLOCK = Clock(0, T0_UTC_US, 1.0, 50.0, True)
CHANNELS = (
    ("level", "water_surface_height_above_reference_datum", "m", 0.01),
    ("rain", "thickness_of_rainfall_amount", "mm", 0.1),
    ("opening", "gate_opening_fraction", "1", 0.01),
)
LATE_PERIODS = 40
SITE = {
    "area_km2": 29.0, "response_h": 4.0, "runoff": 0.6, "reach_area_m2": 75000.0, "gate_width_m": 6.0,
    "gate_height_m": 1.5, "discharge_coefficient": 0.61, "weir_crest_m": 1.9, "weir_length_m": 20.0,
    "gate_travel_s": 4.0, "safe_opening": 0.2, "threshold_m": 1.2, "lead_time_s": 3600.0,
}  # fmt: skip


def flood(**changes: Any) -> Instance:
    """The process that thinks about this river."""
    senses = {"level": f"{THING}/level", "rain": f"{THING}/rain", "opening": f"{THING}/opening"}
    responds = {"gate": {"actuator": f"{THING}/gate"}}
    data = {"template": "flood", "every_s": 300, "lateness_s": 3600, "senses": senses, "responds": responds}
    site = {**SITE, **changes.pop("site", {})}
    return make_instance("flood", {**data, **changes, "site": site})


def level_m(at: int) -> float:
    """The river's level in a period: two storms a day."""
    return 0.6 + 0.9 * max(0.0, np.sin(at / 230.0)) ** 3 + 0.01 * float(Random(at).gauss(0, 1))


def batch(at: int) -> Batch:
    """What the board measured in a period."""
    values = [level_m(at), 0.2 * at * (1 + np.sin(at / 230.0)) / 10, 0.2]
    stamps = np.full(3, at * PERIOD_US, np.int64)
    return Batch(THING, BOOT, 3 * at, 3, CLOCK, 10, 20, columns.encode(np.arange(3), np.ones(3), stamps, values))


def info() -> ThingInfo:
    """What the board says of itself."""
    sensors = [manifest.SensorInfo(0, "all", "a02yyuw", "uart1", "uart1", 30_000)]
    channels = [manifest.ChannelInfo(n, name, 0, prop, unit, 0.0, 1e6, sigma)
                for n, (name, prop, unit, sigma) in enumerate(CHANNELS)]  # fmt: skip
    gate = manifest.ActuatorInfo(0, "gate", "gate", 0.0, 1.0, 0.2, "opening", 3000, 4000)
    board = manifest.Manifest(THING, "river_gauge", sensors, channels, [gate])
    return ThingInfo(THING, BOOT, "vm 1", "ab" * 32, manifest.to_map(board), True)


def order(periods: int, seed: int = 1) -> list[int]:
    """In which order the periods arrive: each up to LATE_PERIODS late."""
    rng = Random(seed)
    return sorted(range(periods), key=lambda at: at + rng.uniform(0, LATE_PERIODS))


class Recorder:
    """A city on a real store; the moment is the place in the order of arrival."""

    def __init__(self, folder: Path, periods: int) -> None:
        self.store, self.order, self.at = Store(folder), order(periods), 0
        compactor.clean(self.store)
        stored = self.store.received().get((THING, BOOT))
        self.known = {first // 3 for a, b in stored for first in range(a, b, 3)} if stored else set()
        self.at = next((at for at, what in enumerate(self.order) if what not in self.known), periods)
        ring = Keyring()
        ring.adopt(EDGE, PUBLIC)
        clock = HostClock(CityClock(SPEED, 0, T0_UTC_US))
        self.city: City = build(self.store, clock, [EDGE], [flood()], ring, sign=lambda data: b"", now_us=self.us(),
                                start="start-1")  # fmt: skip
        self.turns = Turns(self.city, self.store, lambda *message: True, self.now)
        self.times = CityTimes(lambda: Look(self.us(), T0_UTC_US, True))
        self.city.advance(self.now())

    def us(self) -> int:
        return self.at * PERIOD_US // SPEED

    def now(self) -> Now:
        return self.city.now(self.us())

    async def run(self) -> None:
        """Record until all has arrived."""
        await self.turns.turn([self.received(info())])
        while self.at < len(self.order):
            what = self.order[self.at]
            messages = [] if what in self.known else [self.received(batch(what))]
            if self.at % 400 == 399:
                messages.append(self.received(self.better(self.at)))
            if self.at % 250 == 249:
                utc_us = self.now().utc_us
                for name, alarm in self.city.host.engine.alarms():
                    self.city.host.engine.act(name, f"id-{self.at}", "ack", alarm.key, utc_us, 0, "ann", "seen")
            await self.turns.turn(messages)
            await self.times.turn(self.city, self.store, self.us())
            if self.at % 300 == 299:
                await compactor.seal_once(self.store, self.city.registry, 50)
                await self.store.work(lambda connection: chained_log.keep(connection, 1 << 30))
            print(self.at, flush=True)
            self.at += 1
        await self.turns.finish()
        self.store.close()

    def better(self, at: int) -> ClockRecord:
        """A clock record that moves twenty periods by two seconds."""
        clock = Clock(0, T0_UTC_US + 2 * S, 1.0, 20.0, True)
        first = max(0, at - 60)
        return ClockRecord(THING, BOOT, at, first * PERIOD_US, (first + 20) * PERIOD_US, clock)

    def received(self, message: Any) -> Received:
        """A message as the edge node sends it."""
        return Received(EDGE.encode(), EDGE, city_link.encode(message), fingerprint(raw_key(PUBLIC)))


def serve() -> None:
    """Fork a recorder for each line `FOLDER PERIODS` of stdin: all is imported and compiled then. Says how it ended."""
    warm_up()
    for line in sys.stdin:
        folder, periods = line.split()
        pid = os.fork()
        if not pid:
            asyncio.run(Recorder(Path(folder), int(periods)).run())
            os._exit(0)
        print(f"pid {pid}", flush=True)
        print(f"ended {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}", flush=True)


if __name__ == "__main__":
    serve()
