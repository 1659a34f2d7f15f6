"""Solders a scenario's chips, pulses and pins to virtual boards and carries values both ways."""

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from simulator.board import VirtualBoard
from simulator.bridge import BoardIO
from simulator.chip_shelf import make_bus, make_chip
from simulator.chips.base import I2CChip
from simulator.i2s import VirtualI2S
from simulator.onewire import VirtualOneWire
from simulator.pins import pin_number
from simulator.pty_port import PtyPort
from simulator.pulses import PulseMaker
from simulator.scenario import BoardPlace, ChipPlace
from simulator.uart import VirtualUart


def unit_number(name: str) -> int:
    """Number of "i2c0" or "uart1"."""
    return int(name[-1])


class WiredChip:
    """A chip, its place, and how world quantities set its physical side."""

    def __init__(self, place: ChipPlace, chip: Any) -> None:
        self.place = place
        self.chip = chip
        self._rng = random.Random(f"{place.name} {place.chip}")

    def update(self, quantities: dict[str, float]) -> None:
        """Set what the chip measures."""
        for attribute, measure in self.place.measures.items():
            value = measure.offset + measure.scale * quantities[measure.of]
            value += self._rng.gauss(0.0, measure.noise) if measure.noise else 0.0
            name, _, index = attribute.partition(".")
            if index:
                getattr(self.chip, name)[int(index)] = value
            else:
                setattr(self.chip, name, value)

    def outputs(self) -> dict[str, float]:
        """What the chip drives, by the names of the world."""
        return {
            drive.to: drive.offset + drive.scale * self.chip.output(name) for name, drive in self.place.drives.items()
        }


class WiredBoard:
    """A virtual board with everything around it.

    `quantities`: what the world is like now, kept up to date by who runs it. A chip on a bus is shown them when the
    board talks to it; all else at each `tick`.
    """

    def __init__(
        self, place: BoardPlace, fs_dir: Path, run_dir: Path, quantities: dict[str, float] | None = None
    ) -> None:
        self.place = place
        self.quantities = {} if quantities is None else quantities
        self.io = BoardIO()
        link = VirtualUart(place.baud, f"{place.thing}-{place.link}", place.step_ms)
        self.io.uarts[unit_number(place.link)] = link
        self.link = link
        self.chips = [WiredChip(chip, make_chip(chip)) for chip in place.chips]
        self.pulses = [PulseMaker(pulse) for pulse in place.pulses]
        self._wire_buses()
        self._wire_uarts()
        self._restless = [chip for chip in self.chips if not chip.place.bus]
        for output in place.outputs:
            self.io.pins.net(pin_number(output.pin)).outside_pull = 1 if output.pull == "up" else 0
        self._dev_link = run_dir / "dev" / place.thing
        self.port: PtyPort | None = PtyPort(self._dev_link, link)
        log = run_dir / "logs" / f"{place.thing}.vm.log"
        self.board = VirtualBoard(place.thing, fs_dir, self.io, log, place.clock_ppm)
        self._ticked_us = time.monotonic_ns() // 1000

    @property
    def ticks(self) -> bool:
        """Whether anything happens at a tick: otherwise there is no need for any."""
        return bool(self._restless or self.pulses or self.place.inputs)

    def _wire_buses(self) -> None:
        self.buses = {chip.place.bus: make_bus([], chip.place.bus) for chip in self.chips if chip.place.bus}
        for name, bus in self.buses.items():
            self.io.i2c[unit_number(name)] = bus
        for chip in self.chips:
            if chip.place.bus:
                self.buses[chip.place.bus].add(chip.chip)
        for bus in self.buses.values():
            bus.on_access = partial(self._show_world, {id(chip.chip): chip for chip in self.chips})
        for pin in {chip.place.pin for chip in self.chips if chip.place.pin}:
            on_pin = [chip.chip for chip in self.chips if chip.place.pin == pin]
            self.io.onewires[pin_number(pin)] = VirtualOneWire(on_pin)
        for name in {chip.place.i2s for chip in self.chips if chip.place.i2s}:
            heard = [chip.chip for chip in self.chips if chip.place.i2s == name]
            self.io.i2s[unit_number(name)] = VirtualI2S(heard, time.monotonic_ns)

    def _show_world(self, wired: dict[int, WiredChip], chip: I2CChip) -> None:
        if self.quantities:
            wired[id(chip)].update(self.quantities)

    def _wire_uarts(self) -> None:
        for chip in self.chips:
            if chip.place.uart:
                uart = VirtualUart(chip.place.baud, f"{self.place.thing}-{chip.place.uart}", self.place.step_ms)
                if hasattr(chip.chip, "receive"):
                    uart.far_end = chip.chip.receive
                self.io.uarts[unit_number(chip.place.uart)] = uart

    def sensor(self, name: str) -> WiredChip | PulseMaker:
        """A chip or pulse maker by sensor name or chip name. Raises: KeyError."""
        for chip in self.chips:
            if name in (chip.place.name, chip.place.chip):
                return chip
        for pulse in self.pulses:
            if name == pulse.place.name:
                return pulse
        known = [chip.place.name for chip in self.chips] + [pulse.place.name for pulse in self.pulses]
        raise KeyError(f"{self.place.thing} has no sensor {name}: {known}")

    def outputs(self) -> dict[str, float]:
        """What pins and chips of the board drive, by the names of the world."""
        pins = self.io.pins
        found = {
            output.drives: float(bool(pins.level(pin_number(output.pin))) != output.active_low)
            for output in self.place.outputs
        }
        for chip in self.chips:
            found |= chip.outputs()
        return found

    def watch_outputs(self, callback: Callable[[], None]) -> None:
        """Call back when an output changes; not for a chip whose power does, so look at each tick as well."""
        for name in {chip.place.bus for chip in self.chips if chip.place.bus and chip.place.drives}:
            self.buses[name].watch(callback)
        for output in self.place.outputs:
            self.io.pins.watch(pin_number(output.pin), lambda _level: callback())

    def tick(self) -> None:
        """Set chips, pulses and pins from the world, and let talking chips talk."""
        now_us, quantities = time.monotonic_ns() // 1000, self.quantities
        for place in self.place.inputs:
            level = (quantities[place.of] >= 0.5) != place.active_low
            self.io.pins.drive(pin_number(place.pin), int(level), now_us)
        for chip in self._restless:
            chip.update(quantities)
            if chip.place.uart and (data := chip.chip.tick(now_us * 1000)):
                self.io.uarts[unit_number(chip.place.uart)].send(data)
        for pulse in self.pulses:
            for stamp, level_or_none in pulse.edges(quantities[pulse.place.of], self._ticked_us, now_us):
                self.io.pins.drive(pulse.pin, level_or_none, stamp)
        self._ticked_us = now_us

    def power_on(self) -> None:
        """Give the board and its chips on a bus power again, if it has none."""
        if not self.board.running:
            self.board.power_off()
            for sensor in self.chips:
                if sensor.place.bus:
                    sensor.chip.power_on()
            self.board.power_on()

    def plug(self) -> None:
        """Put the link's cable back."""
        if self.port is None:
            self.port = PtyPort(self._dev_link, self.link)

    def unplug(self) -> None:
        """Pull the link's cable: the device disappears from the host."""
        if self.port is not None:
            self.port.close()
            self.port = None

    def counters(self) -> dict[str, int | bool]:
        """What the simulator knows about the board's troubles."""
        board, link = self.board.counters, self.link.counters
        return {
            "running": self.board.running,
            "pid": self.board.pid or 0,
            "starts": board.starts,
            "watchdog_resets": board.watchdog_resets,
            "software_resets": board.software_resets,
            "exits": board.exits,
            "irq_failures": self.io.irq_failures,
            "irq_lost": self.io.irq_lost,
            "link_overrun": link.overrun,
            "link_unheard": link.unheard,
            "link_wrong_baud": link.wrong_baud,
            **{f"{pulse.place.name}_pulses": pulse.made for pulse in self.pulses},
        }

    async def stop(self) -> None:
        """Power off and remove the port."""
        self.unplug()
        await self.board.stop()
