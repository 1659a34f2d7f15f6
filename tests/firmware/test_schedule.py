"""Absolute schedules over days: sensors of a board, a clock of 30 bits that wraps, drivers that take their time."""

import random
from typing import Any

import pytest

from drivers.errors import TIMEOUT, DriverError
from firmware.core.ring import Ring
from firmware.core.schedule import Clock
from firmware.core.sensors import Sensors

WRAP = 1 << 30
DAY_US = 86_400_000_000
PERIODS_MS = (30_000, 47_123, 600_000, 3_600_000, 86_400_000)


class World:
    """The time, and who passes it."""

    def __init__(self, seed: int, start_us: int) -> None:
        self.draw = random.Random(seed)
        self.start_us = self.now_us = start_us
        self.clock = Clock(lambda: self.now_us % WRAP)
        self.ring = Ring(128)
        self.sensors = Sensors(self.clock, self.ring)
        self.load = True

    def add(self, period_ms: int) -> "Busy":
        driver = Busy(self, period_ms)
        entry = {"name": f"s{period_ms}", "period_ms": period_ms, "width": 1, "names": ["c"]}
        self.sensors.add(driver, {**entry, "channels": [[0, 0, 1.0, 0.0, -1.0, 9.0]]}, None)
        driver.sensor = self.sensors.sensors[-1]
        return driver

    def run(self, until_us: int) -> None:
        """Turn the loop, asleep until somebody is due as the board is, but never for half a wrap."""
        while self.now_us < until_us:
            self.clock.tick()
            self.sensors.step()
            self.clock.tick()
            wait_ms = self.sensors.next_ms(self.clock.ms + 300_000) - self.clock.ms
            self.now_us += max(1, wait_ms) * 1000 + self.draw.randrange(1000)


class Busy:
    """A driver that notes when it is started and keeps the loop busy: mostly not, at times for some of its periods.

    One that never waits for its chip (`waits_ms`) fails at times.
    """

    sensor: Any
    waits_ms: tuple[int, ...] = (0, 0, 5, 750)

    def __init__(self, world: World, period_ms: int) -> None:
        self._world = world
        self.period_us = period_ms * 1000
        self.started_us: list[int] = []

    def start(self) -> int:
        world = self._world
        self.started_us.append(world.now_us)
        if world.load and world.draw.random() < 0.2:
            world.now_us += world.draw.randrange(min(3 * self.period_us, WRAP // 2 - 400_000_000))
        if self.waits_ms == (0,) and world.load and world.draw.random() < 0.1:
            raise DriverError(TIMEOUT, "scripted")
        return world.draw.choice(self.waits_ms)

    def read_into(self, values: Any) -> int:
        values[0] = 1.5
        return 0


def turns(driver: Busy, world: World, place: int) -> int:
    """How many slots began, none of them with two starts, each start less than a period late, no drift."""
    first_us = world.start_us + 5000 * place
    slots = [(started_us - first_us) // driver.period_us for started_us in driver.started_us]
    assert slots == sorted(set(slots)), "a period had two turns"
    every = driver.sensor.every
    begun = (every.due_ms - 5 * place) * 1000 // driver.period_us
    assert every.due_ms == 5 * place + begun * driver.period_us // 1000, "drift"
    return int(begun)


@pytest.mark.parametrize("seed", [1, None])
def test_ten_days_under_load_do_not_drift_and_no_turn_is_a_period_late(seed: int | None) -> None:
    seed = random.randrange(1 << 30) if seed is None else seed
    print("seed", seed)
    start_us = random.Random(seed).randrange(WRAP)
    world = World(seed, start_us)
    drivers = [world.add(period_ms) for period_ms in PERIODS_MS]
    drivers[0].waits_ms = (0,)
    world.run(start_us + 10 * DAY_US)
    assert world.clock.wrap >= 804, "ten days are 804 wraps"
    begun = sum(turns(driver, world, place) for place, driver in enumerate(drivers))
    records = world.ring.head + sum(driver.sensor.waiting for driver in drivers)
    assert records + world.sensors.late() + world.sensors.unready == begun, "a period gives a record or is counted"
    assert records > begun // 2 and world.sensors.late() > begun // 10, "there was load"
    world.load = False
    noted = [len(driver.started_us) for driver in drivers]
    world.run(world.now_us + DAY_US)
    for place, (driver, seen) in enumerate(zip(drivers, noted, strict=True)):
        late_us = [(us - start_us - 5000 * place) % driver.period_us for us in driver.started_us[seen + 1 :]]
        assert max(late_us, default=0) < 3000, "after ten days still on the grid of the first turn"


@pytest.mark.parametrize("period_ms", [3_600_000, 21_600_000, 86_400_000])
def test_periods_of_hours(period_ms: int) -> None:
    world = World(1, WRAP - 5)
    world.load = False
    driver = world.add(period_ms)
    world.run(world.start_us + 3 * DAY_US + 1_000_000)
    late_us = [us - world.start_us - turn * driver.period_us for turn, us in enumerate(driver.started_us)]
    assert len(late_us) == 3 * 86_400_000 // period_ms + 1
    assert min(late_us) >= 0 and max(late_us) < 3000
    assert world.sensors.late() == world.sensors.unready == 0


def test_a_chip_that_measures_for_longer_than_its_period_is_counted_and_others_are_not_held_up() -> None:
    world = World(1, WRAP - 5)
    world.load = False
    slow, fast = world.add(100), world.add(100)
    slow.waits_ms, fast.waits_ms = (250,), (0,)
    world.run(world.start_us + 10_000_000)
    assert slow.sensor.every.missed == 0 and world.sensors.unready == 66, "two of three turns find it measuring"
    assert len(fast.started_us) == 100
