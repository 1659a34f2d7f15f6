"""What the kit knows of this board, and readings as text. Both VMs.

The kit's `board.txt` is read line by line, so no more than a line of it is in memory:

    s  name  index   chip  bus    address  period_ms  shortest period_ms  where its hints begin in hints.txt
    a  name  index   kind  bus    address  lease_ms   travel_ms           the same; bus and address empty on pins
    c  name  sensor  unit  lower  upper    sigma
"""

from drivers.errors import NAMES

from .run import fold

QUALITY = ["-", "good", "unchecked", "suspect", "bad", "-", "-", "-", "-", "missing"]


def lines(node, key: str):  # type: ignore[no-untyped-def]
    """Yield the fields of the lines of board.txt that begin with a key; those of a kind stand together."""
    some = False
    for line in node.port.lines("board.txt", 0):
        if line.startswith(key):
            some = True
            yield line.split("\t")[1:]
        elif some:
            return


def sensor_entry(node, name: str) -> list:  # type: ignore[no-untyped-def,type-arg]
    """Return the fields of a sensor. Raises: ValueError."""
    for entry in lines(node, "s\t%s\t" % name):
        return entry
    able = ", ".join([sensor.name for sensor in node.sensors.sensors])
    raise ValueError("E-SENSOR found %s; expected one of %s" % (name, able))


def channel(node, words: list) -> tuple:  # type: ignore[no-untyped-def,type-arg]
    """Return (sensor, index in it, fields) of the channel that `words` begin with. Raises: ValueError."""
    name = words[0] if words else "no channel"
    has_sensors(node)
    for entry in lines(node, "c\t%s\t" % name):
        sensor = node.sensors.sensors[int(entry[1])]
        return sensor, sensor.names.index(name), entry
    raise ValueError("E-CHANNEL found %s; expected a channel of this board; get shows their names" % name)


def has_sensors(node) -> None:  # type: ignore[no-untyped-def]
    """Refuse what needs sensors where none run. Raises: ValueError."""
    if not node.sensors.sensors:
        raise ValueError("E-SENSORS found no sensor that runs; expected some; status says how the board was started")


def reading(node, sensor, index: int, entry: list) -> str:  # type: ignore[no-untyped-def,type-arg]
    """Return a channel's last reading as one line: name, value, unit, quality, age."""
    age = "no reading" if sensor.read_ms < 0 else "%.1f s ago" % ((node.clock.ms - sensor.read_ms) / 1000)
    quality = QUALITY[sensor.quality[index]]
    return "%-28s %12.6g %-10s %-9s %s" % (entry[0], sensor.latest[index], entry[2], quality, age)


def due(sensor, due_ms: int) -> bool:  # type: ignore[no-untyped-def]
    """Return whether a period that began at `due_ms` or later has ended with a reading or a fault."""
    return sensor.every.due_ms != due_ms and not sensor.waiting


def hint(node, key: str, code: int):  # type: ignore[no-untyped-def]
    """Yield what a fault of the sensor or actuator whose line begins with `key` means, and what to check."""
    for entry in lines(node, key):
        for line in node.port.lines("hints.txt", int(entry[7])):
            found, _, text = line.partition("\t")
            if int(found) == code:
                yield from fold("  " + text)
                return


def number(word: str, what: str) -> float:
    """Return a number that was typed. Raises: ValueError that says what it stands for."""
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not -1e30 < value < 1e30:
        raise ValueError("E-NUMBER found %s; expected a number, %s" % (word, what))
    return value


def state(sensor) -> str:  # type: ignore[no-untyped-def]
    """Return how a sensor is, in a few words."""
    if sensor.code:
        return "%s, %d times" % (NAMES[sensor.code], sensor.count)
    if sensor.read_ms < 0:
        return "was not read yet"
    return "works, came back %d times" % sensor.revived if sensor.revived else "works"


def later(sensor, now_ms: int) -> str:  # type: ignore[no-untyped-def]
    """Return when a chip that failed is started again, which is in its first period after the pause; "" if none did."""
    if not sensor.failures:
        return ""
    period_ms, due_ms = sensor.every.period_ms, sensor.every.due_ms
    periods = max(0, sensor.retry_ms - due_ms + period_ms - 1) // period_ms
    return "; next try in %.1f s" % (max(0, due_ms + periods * period_ms - now_ms) / 1000)


def actuators(node):  # type: ignore[no-untyped-def]
    """Yield a line for each actuator."""
    for entry, actuator in zip(node.actuators.rows(), node.actuators.actuators):
        yield "actuator %-20s state %d setpoint %.3f position %.3f lease %d ms" % (
            actuator.name, entry[1], entry[3], entry[4], max(0, entry[5]),
        )  # fmt: skip
