"""One dead sensor never delays the others: real drivers on virtual chips, in virtual time, through the real core.

Each transfer takes its time on the bus, one that a chip stretches all of the 20 ms that the firmware allows; the
board's loop stands still meanwhile, as it does on a board.
"""

from collections.abc import Callable
from errno import ETIMEDOUT
from typing import Any

import pytest

from drivers import a02yyuw, bme280, ds18b20, errors, sht4x
from drivers.machine_bus import MachineI2C
from firmware.core.sensors import PAUSE_MAX_MS
from simulator import faces
from simulator.bus import Nack, VirtualI2C
from simulator.chips import bme280 as bme280_chip
from simulator.chips import sht4x as sht4x_chip
from simulator.onewire import VirtualOneWire
from tests.firmware.conftest import Board

PERIOD_MS = 200
RUN_MS = 20_000
STRETCH_MS = 20
BYTE_US = 90
DEAD = 0x44


class Face(faces.MachineI2C):
    """`machine.I2C` whose transfers take time.

    `stretching`: the chip holds SCL until the master gives up; `holding`: SDA after each write, for five clocks.
    """

    def __init__(self, virtual: VirtualI2C, board: Board) -> None:
        super().__init__(virtual, self._spend)
        self.virtual, self.board = virtual, board
        self.stretching = self.holding = False

    def _spend(self, count: int) -> None:
        self.board.now_us += count * BYTE_US

    def writeto(self, addr: int, buf: Any, stop: bool = True) -> int:
        if addr == DEAD and self.stretching:
            self.board.now_us += STRETCH_MS * 1000
            raise OSError(ETIMEDOUT, "SCL is held")
        count = super().writeto(addr, buf, stop)
        if addr == DEAD and self.holding:
            self.virtual.sda_held_clocks = 5
        return count


class Io:
    """What drivers get: one bus, a UART on which nothing comes, a wire with nobody."""

    def __init__(self, bus: MachineI2C, board: Board) -> None:
        self.bus, self.board = bus, board

    def i2c(self, name: str) -> MachineI2C:
        return self.bus

    def uart(self, name: str, baud: int) -> "Io":
        return self

    def any(self) -> int:
        return 0

    def onewire(self, pin: str) -> VirtualOneWire:
        return VirtualOneWire()

    def millis(self) -> int:
        return int(self.board.now_us // 1000)


class Watched:
    """A driver; how long after its turn each start was."""

    def __init__(self, driver: Any, board: Board) -> None:
        self.driver, self.board, self.sensor = driver, board, None
        self.late_ms: list[float] = []

    def start(self) -> Any:
        every = self.sensor.every
        self.late_ms.append(self.board.node.clock.ms - (every.due_ms - every.period_ms))
        return self.driver.start()

    def read_into(self, values: Any) -> Any:
        return self.driver.read_into(values)


class Instant:
    """A pin."""

    def start(self) -> int:
        return 0

    def read_into(self, values: Any) -> None:
        values[0] = 1.0


def unplug(chip: Any, face: Face) -> None:
    chip.unplugged = True


def stretch(chip: Any, face: Face) -> None:
    face.stretching = True


def stall(chip: Any, face: Face) -> None:
    def busy(count: int) -> bytes:
        raise Nack("it measures and measures")

    chip.read = busy


def hold(chip: Any, face: Face) -> None:
    face.holding = True


def revive(chip: Any, face: Face) -> None:
    chip.unplugged = face.stretching = face.holding = False
    chip.__dict__.pop("read", None)


@pytest.mark.parametrize("die", [unplug, stretch, stall, hold])
def test_others_keep_their_schedule(board: Board, die: Callable[[Any, Face], None]) -> None:
    clock = lambda: board.now_us * 1000  # noqa: E731
    chip = sht4x_chip.make(clock)
    virtual = VirtualI2C([bme280_chip.make(clock), chip])
    face = Face(virtual, board)
    bus = MachineI2C(face, "sda", "scl", lambda line: faces.LinePin(virtual, line), remake=lambda: face)
    io = Io(bus, board)
    board.now_us += 100_000
    dead = board.sensor(sht4x.make(io, {"bus": "i2c0", "address": DEAD}), 2, PERIOD_MS, bus)
    watched = [Watched(bme280.make(io, {"bus": "i2c0", "address": 0x76}), board), Watched(Instant(), board)]
    others = [board.sensor(watched[0], 3, PERIOD_MS, bus), board.sensor(watched[1], 1, PERIOD_MS // 2)]
    deaf = board.sensor(a02yyuw.make(io, {"bus": "uart1"}), 1, PERIOD_MS)
    nobody = board.sensor(ds18b20.make(io, {"pin": "GP22"}), 1, 1000)
    others[0].channels[2][5] = 110_000.0  # Pa
    for driver, one in zip(watched, others, strict=True):
        driver.sensor = one
    board.run(1000)
    assert dead.code == others[0].code == errors.NONE
    die(chip, face)
    for driver in watched:
        driver.late_ms.clear()
    began_ms = board.node.clock.ms
    board.run(RUN_MS)
    ran_ms = board.node.clock.ms - began_ms
    for driver, one in zip(watched, others, strict=True):
        assert abs(len(driver.late_ms) - ran_ms / one.every.period_ms) <= 1
        assert one.every.missed == 0 and one.code == errors.NONE and one.failures == 0
        assert max(driver.late_ms) <= STRETCH_MS + 5, "one stretched transfer stands before a turn, no more"
    assert sum(late > 5 for driver in watched for late in driver.late_ms) <= 2 * (RUN_MS // PAUSE_MAX_MS + 6)
    assert dead.code == {unplug: errors.NACK, stretch: errors.TIMEOUT, stall: errors.NACK, hold: errors.NONE}[die]
    assert deaf.code == nobody.code == errors.SILENT and board.node.healthy()
    revive(chip, face)
    board.run(2 * PAUSE_MAX_MS)
    assert dead.code == errors.NONE and dead.failures == 0
    assert board.node.sensors.healed()[0] == (die is not hold)
