"""What the status LED shows: a pattern of 16 slots of 1/8 s, the first in bit 0. Sans-IO, both VMs.

Loaded only by boards that have an LED. The first that applies is shown; docs/firmware.md has the table for people.
"""

SLOT_MS = 125
SLOTS = 16
SAFE_MODE = 0x5555
STOPPED = 0x00FF
SENSOR_FAULT = 0x0005
LINKED = 0xFFFE
ALONE = 0x0001


def pattern(node) -> int:  # type: ignore[no-untyped-def]
    """Return the pattern for the state that the board is in. Allocates nothing."""
    if node.boot.safe_mode:
        return SAFE_MODE
    if node.actuators.stopped:
        return STOPPED
    for sensor in node.sensors.sensors:
        if sensor.code:
            return SENSOR_FAULT
    return LINKED if node.link.mode else ALONE


def level(node) -> int:  # type: ignore[no-untyped-def]
    """Return 1 if the LED is lit now, else 0."""
    return pattern(node) >> node.clock.ms // SLOT_MS % SLOTS & 1
