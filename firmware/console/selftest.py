"""Try each sensor and each actuator's chip: selftest. Both VMs."""

from firmware.core.actuators import BROKEN, REASONS, TOO_LONG

from . import facts


def selftest(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Let every sensor be read anew and every actuator's chip be read back; yield what to check where that fails."""
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
            yield from facts.hint(node, "s\t%s\t" % sensor.name, sensor.code)
    end_ms = node.clock.ms + 1300  # a chip is read back each 500 ms, one that failed after a pause of up to 640 ms
    for actuator in node.actuators.actuators:
        bus = getattr(actuator.driver, "bus", None)
        while bus and node.clock.ms < end_ms:
            yield ""
        code = actuator.driver.fault
        if code or actuator.reason in (BROKEN, TOO_LONG):
            failed += 1
            yield "%-28s fault %d, %s" % (actuator.name, code, REASONS[actuator.reason])
            yield from facts.hint(node, "a\t%s\t" % actuator.name, code)
        else:
            yield "%-28s %s" % (actuator.name, "works" if bus else "no fault, nothing reads it back")
    if failed:
        raise ValueError(
            "E-PARTS found %d of %d at fault; expected none; check what is said above, then selftest again"
            % (failed, len(node.sensors.sensors) + len(node.actuators.actuators))
        )
