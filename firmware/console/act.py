"""What the board can move, and moving it by hand: outputs, reboot. Both VMs."""

from firmware.core.actuators import REASONS, TASK

from . import facts


def outputs(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield outputs, inputs, leases, the stop and the jumper; `outputs test NAME SETPOINT` moves one."""
    if words:
        yield from test(console, editor, words)
        return
    node = console.node
    yield from facts.actuators(node)
    for actuator in node.actuators.actuators:
        yield "  %s: %s, safe %g, range %g to %g" % (
            actuator.name, REASONS[actuator.reason], actuator.safe_setpoint, actuator.lower, actuator.upper,
        )  # fmt: skip
    stopped = ("nobody stops", "stopped now", "stopped until the node has taken it over", "stopped now, the node knows")
    yield "stop     " + stopped[node.actuators.stopped]
    levels = ["%s %d" % (pin, read()) for pin, read in sorted(node.port.inputs.items())]
    yield "inputs   " + (", ".join(levels) or "none")
    yield "jumper   " + {None: "none in the board file", True: "set", False: "not set"}[node.port.jumper()]


def test(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Move an actuator for as long as its lease, at most 10 s, somebody is there and no key is pressed."""
    node = console.node
    if len(words) != 3 or words[0] != "test":
        raise ValueError("E-WORDS found outputs %s; expected outputs test NAME SETPOINT" % " ".join(words))
    values = [actuator for actuator in node.actuators.actuators if actuator.name == words[1]]
    if not values:
        names = ", ".join([actuator.name for actuator in node.actuators.actuators]) or "none: it has no actuator"
        raise ValueError("E-NAME found %s; expected one of %s" % (words[1], names))
    actuator = values[0]
    setpoint = facts.number(words[2], "the setpoint")
    if not actuator.lower <= setpoint <= actuator.upper:
        raise ValueError("E-RANGE found %s; expected %g to %g" % (words[2], actuator.lower, actuator.upper))
    if not node.port.jumper():
        raise ValueError(
            "E-PRESENCE found no jumper set; expected one, as somebody has to see what moves; set it (the board file's "
            "key jumper names the pin), then try again"
        )
    if node.actuators.stopped:
        raise ValueError("E-STOPPED found a stop; expected none; release it and let the node take it over")
    yield from move(console, editor, actuator, setpoint)


def move(console, editor, actuator, setpoint: float):  # type: ignore[no-untyped-def]
    """Yield how the move goes; whatever ends it, the actuator goes to its safe state."""
    node = console.node
    clock = node.clock
    span_ms = min(actuator.lease_ms, 10000)
    end_ms = clock.ms + span_ms
    yield "moves for %.1f s at most, or until a key is pressed; then it is safe" % (span_ms / 1000)
    actuator.held = bool(actuator.lease.take("host", clock.ms, span_ms))
    actuator.reason = TASK
    actuator.setpoint = setpoint
    actuator.next_ms = clock.ms
    try:
        actuator.driver.command(setpoint)
        while clock.ms < end_ms and not editor.held and node.port.jumper() and not node.actuators.stopped:
            yield ""
    finally:
        position, fault = actuator.driver.position, actuator.driver.fault
        node.actuators.silent()
    if editor.held:
        editor.clear()
    yield "position %.3f, fault %d; goes to its safe state now" % (position, fault)


def reboot(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Start the board again, told its name so that nobody restarts the wrong one."""
    node = console.node
    thing = node.identity_data.thing
    if words != [thing]:
        found = " ".join(words) or "no name"
        raise ValueError("E-NAME found %s; expected this board's name; type reboot %s" % (found, thing))
    yield "outputs go to their safe state; %d samples wait for the node" % (node.ring.head - node.ring.tail)
    node.actuators.silent()
    yield "ok"
    end_ms = node.clock.ms + 200
    while node.clock.ms < end_ms:
        yield ""
    node.port.restart()
