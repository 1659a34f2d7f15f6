"""Look at sensors as they answer: watch, scan, selftest. Both VMs."""

from drivers.errors import NACK, NAMES, BusError

from . import facts


def watch(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield a channel's readings as they come, until a key or so many, 1000 at most."""
    node = console.node
    sensor, index, entry = facts.channel(node, words)
    left = int(facts.number(words[1], "how many readings")) if len(words) > 1 else 1000
    if not 1 <= left <= 1000:
        raise ValueError("E-RANGE found %d readings; expected 1 to 1000" % left)
    due_ms = sensor.every.due_ms
    while left and not editor.held:
        if facts.due(sensor, due_ms):
            due_ms = sensor.every.due_ms
            left -= 1
            yield facts.reading(node, sensor, index, entry)
        else:
            yield ""
    if left:
        editor.clear()


def selftest(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Let every sensor be started and read anew in its next period; yield what to check where that fails."""
    node = console.node
    failed = 0
    for sensor in node.sensors.sensors:
        sensor.retry_ms = 0
        sensor.failures = min(1, sensor.failures)
        due_ms = sensor.every.due_ms
        end_ms = node.clock.ms + min(sensor.every.period_ms + 3000, 15000)
        while not facts.due(sensor, due_ms) and node.clock.ms < end_ms:
            yield ""
        if not facts.due(sensor, due_ms):
            wait_s = max(0, sensor.every.due_ms - node.clock.ms) // 1000
            yield "%-28s not tried, it is read in %d s; before: %s" % (sensor.name, wait_s, facts.state(sensor))
            continue
        yield "%-28s %s" % (sensor.name, facts.state(sensor))
        if sensor.code:
            failed += 1
            yield from facts.hint(node, sensor)
    if failed:
        raise ValueError(
            "E-SENSORS found %d of %d at fault; expected none; check what is said above, then selftest again"
            % (failed, len(node.sensors.sensors))
        )


def scan(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield who answers on each bus: a write without a byte to each address, few of them at a turn."""
    node = console.node
    buses = {sensor.bus.name: sensor.bus for sensor in node.sensors.sensors if sensor.bus}
    able = ", ".join(sorted(buses))
    if not buses:
        raise ValueError("E-BUS found no I2C bus with sensors in the board file; expected one; selftest tries the rest")
    for name in words or sorted(buses):
        if name not in buses:
            raise ValueError("E-BUS found %s; expected one of %s" % (name, able))
        values = []
        for address in range(0x08, 0x78):
            try:
                buses[name].transaction(address, b"", None)
                values.append(address)
            except BusError as error:
                if error.code != NACK:
                    raise ValueError(
                        "E-%s found %s; expected free lines; unplug the chips of %s one by one, then scan again"
                        % (NAMES[error.code].replace("_", "-"), error.text, name)
                    ) from None
            if address % 4 == 0:
                yield ""
        yield from answers(node, name, values)


def answers(node, name: str, values: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield the addresses that answer on a bus, with who is there by the board file."""
    yield "%s: %d of 112 addresses answer" % (name, len(values))
    for entry in facts.lines(node, "s\t"):
        if entry[3] == name:
            address = int(entry[4], 16)
            there = "answers" if address in values else "NO ANSWER: try selftest"
            yield "  0x%02x %-12s %-24s %s" % (address, entry[2], entry[0], there)
            if address in values:
                values.remove(address)
    for address in values:
        yield "  0x%02x answers, but is not in the board file" % address
