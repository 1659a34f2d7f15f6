"""Reads every sensor on its own absolute schedule and pushes one record per channel and period. Both VMs.

A failed reading still gives its records: NaN with quality 9 (the chip gave nothing) or 4 (what it gave is bad),
and a fault with code, count and since when. A failed chip is started again with growing pauses, after an attempt
to free a stuck bus; in the pauses its records keep coming. Values out of the channel's range keep
their value and get quality 4.
"""

from array import array

from drivers.errors import INTERNAL, NONE, OUT_OF_RANGE, SCL_LOW, SDA_LOW, TIMEOUT, DriverError, quality_of
from protocol.record import FAIL, GOOD, MISSING

from .schedule import Every

NAN = float("nan")
PAUSE_MAX_MS = 2000
_STUCK = (SDA_LOW, SCL_LOW, TIMEOUT)


class Sensor:
    """One driver with its schedule, last values and fault."""

    def __init__(self, index: int, driver, entry: dict, bus, start_ms: int) -> None:  # type: ignore[no-untyped-def,type-arg]
        """`entry` is the sensor of board.json, `bus` its I2C bus or None."""
        self.index = index
        self.driver = driver
        self.bus = bus
        self.name = entry["name"]
        self.names = entry["names"]
        self.channels = entry["channels"]
        self.flush = entry.get("flush")
        self.every = Every(entry["period_ms"], start_ms)
        self.raw = array("f", [0.0] * entry["width"])
        self.latest = array("f", [NAN] * len(self.channels))
        self.quality = bytearray([MISSING] * len(self.channels))
        self.read_ms = -1
        self.waiting = False
        self.ready_ms = 0
        self.retry_ms = 0
        self.failures = 0
        self.revived = 0
        self.code = NONE
        self.count = 0
        self.since_wrap = 0
        self.since_ticks = 0

    def next_ms(self) -> int:
        """Return when this sensor wants attention."""
        return min(self.every.due_ms, self.ready_ms) if self.waiting else self.every.due_ms


class Sensors:
    """All sensors of a board."""

    def __init__(self, clock, ring) -> None:  # type: ignore[no-untyped-def]
        """Push records to `ring`, stamped by `clock`."""
        self._clock = clock
        self._ring = ring
        self.sensors = []
        self.bus_errors = 0
        self.unready = 0

    def add(self, driver, entry: dict, bus) -> None:  # type: ignore[no-untyped-def,type-arg]
        """Add a sensor; the first reading of each is 5 ms after that of the one before."""
        index = len(self.sensors)
        self.sensors.append(Sensor(index, driver, entry, bus, self._clock.ms + 5 * index))

    def step(self) -> None:
        """Do what is due now. Allocates nothing but what drivers and their values need."""
        clock = self._clock
        for sensor in self.sensors:
            if sensor.waiting and clock.ms >= sensor.ready_ms:
                sensor.waiting = False
                self._read(sensor)
            if clock.ms >= sensor.every.due_ms:
                clock.tick()  # those before may have taken long: never more than a period late
                sensor.every.due(clock.ms)
                self._turn(sensor, clock.ms)

    def _turn(self, sensor: Sensor, now_ms: int) -> None:
        """Begin a period: start the chip, or say again that it is faulty; count one in which it still measures."""
        if sensor.waiting or now_ms < sensor.retry_ms:
            if sensor.code:
                self._push_failed(sensor)
            else:
                self.unready += 1
            return
        try:
            wait_ms = sensor.driver.start()
        except Exception as error:
            self._failed(sensor, error)
            return
        if wait_ms:
            self._wait(sensor, wait_ms)
        else:
            self._read(sensor)

    def _wait(self, sensor: Sensor, wait_ms: int) -> None:
        """Leave the chip to itself for a while; others have their turns."""
        self._clock.tick()  # the bus took time; 1 more because ms is rounded down
        sensor.waiting = True
        sensor.ready_ms = self._clock.ms + wait_ms + 1

    def _read(self, sensor: Sensor) -> None:
        """Take the reading, stamped now, and push its records, or wait on if the driver says so."""
        clock = self._clock
        clock.tick()
        try:
            more_ms = sensor.driver.read_into(sensor.raw)
        except Exception as error:
            self._failed(sensor, error)
            return
        if more_ms:
            self._wait(sensor, more_ms)
            return
        sensor.read_ms = clock.ms
        if sensor.failures:
            sensor.failures = 0
            sensor.revived += 1
        code = self._push_values(sensor)
        if code:
            self._note(sensor, code)
        elif sensor.code:
            sensor.code = NONE
            sensor.count = 0

    def _push_values(self, sensor: Sensor) -> int:
        """Push one record per channel; return OUT_OF_RANGE if any value was."""
        clock = self._clock
        code = NONE
        place = 0
        for channel, source, scale, offset, lower, upper in sensor.channels:
            value = offset + scale * sensor.raw[source]
            quality = GOOD
            if not lower <= value <= upper:
                quality = FAIL
                code = OUT_OF_RANGE
            self._ring.push(channel, quality, clock.wrap, clock.ticks, value)
            if sensor.flush:
                at = sensor.flush[place]
                if (value >= at) != (sensor.latest[place] >= at):
                    self._ring.flush = True
            sensor.latest[place] = value
            sensor.quality[place] = quality
            place += 1
        return code

    def _failed(self, sensor: Sensor, error: Exception) -> None:
        """Note the fault, push its records, plan the next attempt."""
        code = error.code if isinstance(error, DriverError) else INTERNAL
        self._note(sensor, code)
        self._push_failed(sensor)
        if sensor.bus and code in _STUCK:
            self._free(sensor.bus)
        sensor.retry_ms = self._clock.ms + pause_ms(sensor.every.period_ms, sensor.failures)
        sensor.failures += 1

    def _free(self, bus) -> None:  # type: ignore[no-untyped-def]
        """Try to free a stuck bus; a failure shows at the next reading."""
        try:
            bus.recover()
        except Exception:
            self.bus_errors += 1

    def _note(self, sensor: Sensor, code: int) -> None:
        """Count a fault; a new code begins now."""
        if code != sensor.code:
            sensor.code = code
            sensor.count = 0
            sensor.since_wrap = self._clock.wrap
            sensor.since_ticks = self._clock.ticks
        sensor.count += 1

    def _push_failed(self, sensor: Sensor) -> None:
        """Push NaN for every channel with the fault's quality."""
        quality = quality_of(sensor.code)
        for place in range(len(sensor.channels)):
            self._ring.push(sensor.channels[place][0], quality, self._clock.wrap, self._clock.ticks, NAN)
            sensor.latest[place] = NAN
            sensor.quality[place] = quality

    def reading(self, name: str, channel: str) -> tuple:  # type: ignore[type-arg]
        """Return (value, quality, age in ms) of the latest reading of a channel. Raises: KeyError."""
        for sensor in self.sensors:
            if sensor.name == name:
                place = sensor.names.index(channel)
                age_ms = self._clock.ms - sensor.read_ms if sensor.read_ms >= 0 else 0x3FFFFFFF
                return sensor.latest[place], sensor.quality[place], age_ms
        raise KeyError(name)

    def faults(self) -> list:  # type: ignore[type-arg]
        """Return (sensor index, code, count, since wrap, since ticks) of each sensor at fault."""
        return [(s.index, s.code, s.count, s.since_wrap, s.since_ticks) for s in self.sensors if s.code]

    def healed(self) -> tuple:  # type: ignore[type-arg]
        """Return how often chips came back, and how often buses were clocked free or tried to be."""
        revived = clears = 0
        for sensor in self.sensors:
            revived += sensor.revived
            for other in self.sensors:
                if other.bus is sensor.bus:  # the first on its bus counts it
                    clears += sensor.bus.recoveries if sensor.bus and other is sensor else 0
                    break
        return revived, clears

    def late(self) -> int:
        """Return how many periods had no turn because the board was busy."""
        missed = 0
        for sensor in self.sensors:
            missed += sensor.every.missed
        return missed

    def next_ms(self, limit_ms: int) -> int:
        """Return when the next sensor wants attention, at most `limit_ms`."""
        for sensor in self.sensors:
            limit_ms = min(limit_ms, sensor.next_ms())
        return limit_ms


def pause_ms(period_ms: int, failures: int) -> int:
    """Return how long to leave a chip alone after its n-th failure in a row (from 0): 0, 1, 2, 4 ... periods."""
    if failures == 0:
        return 0
    return min(period_ms << min(failures - 1, 8), PAUSE_MAX_MS)
