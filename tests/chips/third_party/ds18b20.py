"""adafruit-circuitpython-onewire finds virtual DS18B20s on a line, adafruit-circuitpython-ds18x20 reads them."""

import sys
import types
from typing import Any

from simulator.chips import ds18b20
from simulator.onewire import VirtualOneWire

NEEDS = "adafruit_ds18x20"


class OneWire:
    """`onewireio.OneWire`: its `reset` is False when somebody is there."""

    def __init__(self, line: VirtualOneWire) -> None:
        self.reset = lambda: not line.reset()
        self.read_bit = lambda: bool(line.read_bit())
        self.write_bit = line.write_bit


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    for name, content in (("onewireio", {"OneWire": OneWire}), ("microcontroller", {"Pin": object})):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(content)
    from adafruit_ds18x20 import DS18X20  # noqa: PLC0415
    from adafruit_onewire.bus import OneWireBus  # noqa: PLC0415

    chips = [chip, *(ds18b20.make(bench.clock, serial) for serial in (7, 0xABCDEF))]
    bus = OneWireBus(VirtualOneWire(chips))
    found = bus.scan()
    assert sorted(bytes(address.rom) for address in found) == sorted(one.rom for one in chips)
    for one, celsius in zip(chips, (-12.5, 0.0625, 99.0), strict=True):
        one.temperature_cel = celsius
    for address in found:
        sensor = DS18X20(bus, address)
        wanted = next(one.temperature_cel for one in chips if one.rom == bytes(address.rom))
        bench.near(sensor.temperature, wanted, 0.001)
        sensor.resolution = 9
        bench.near(sensor.temperature, wanted, 0.5)
