"""Who answers on the buses: scan. Both VMs."""

from drivers.errors import NACK, NAMES, BusError


def scan(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield who answers on each bus: a write without a byte to each address, few of them at a turn."""
    node = console.node
    buses = {sensor.bus.name: sensor.bus for sensor in node.sensors.sensors if sensor.bus}
    for actuator in node.actuators.actuators:
        if bus := getattr(actuator.driver, "bus", None):
            buses[bus.name] = bus
    able = ", ".join(sorted(buses))
    if not buses:
        raise ValueError("E-BUS found no I2C bus with chips in the board file; expected one; selftest tries the rest")
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
    known = []
    for line in node.port.lines("board.txt", 0):  # sensors, then actuators, then channels
        entry = line.split("\t")
        if entry[0] == "c":
            break
        if entry[4] == name:
            address = int(entry[5], 16)
            known.append(address)
            there = "answers" if address in values else "NO ANSWER: try selftest"
            yield "  0x%02x %-12s %-24s %s" % (address, entry[3], entry[1], there)
    for address in values:
        if address not in known:
            yield "  0x%02x answers, but is not in the board file" % address
