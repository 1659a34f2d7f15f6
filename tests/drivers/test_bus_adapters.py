"""The adapters of the bus contract: which error becomes which code, and how a stuck bus is freed."""

import errno
from typing import Any

import pytest

from drivers import errors
from drivers.bus import I2CBus
from drivers.machine_bus import MachineI2C
from drivers.smbus_bus import SmbusI2C
from simulator import faces
from simulator.bus import VirtualI2C
from simulator.chips import ads1115


@pytest.fixture
def virtual() -> VirtualI2C:
    return VirtualI2C([ads1115.make(lambda: 0)])


def on_machine(virtual: VirtualI2C) -> I2CBus:
    return MachineI2C(
        faces.MachineI2C(virtual), "sda", "scl", lambda line: faces.LinePin(virtual, line), name="i2c0"
    )


def test_the_contract_itself_does_nothing() -> None:
    with pytest.raises(NotImplementedError):
        I2CBus().transaction(0x48, b"", None)


class Failing:
    """A machine.I2C or SMBus that fails with one error."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def writeto(self, *_: Any) -> None:
        raise self.error

    def i2c_rdwr(self, *_: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EIO, errors.NACK),
        (errno.ENODEV, errors.NACK),
        (110, errors.TIMEOUT),
        (116, errors.TIMEOUT),
    ],
)
def test_machine_errors_without_pins(number: int, code: int) -> None:
    with pytest.raises(errors.BusError, match="0x48 on i2c1") as caught:
        MachineI2C(Failing(OSError(number, "")), name="i2c1").write(0x48, b"\x00")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EREMOTEIO, errors.NACK),
        (errno.ENXIO, errors.NACK),
        (errno.ETIMEDOUT, errors.TIMEOUT),
        (errno.EAGAIN, errors.TIMEOUT),
        (errno.EACCES, errors.INTERNAL),
        (errno.ENOENT, errors.INTERNAL),
    ],
)
def test_linux_errors(number: int, code: int) -> None:
    with pytest.raises(errors.BusError, match="0x48 on i2c-1") as caught:
        SmbusI2C(Failing(OSError(number, "says the kernel"))).write(0x48, b"\x00")  # type: ignore[arg-type]
    assert caught.value.code == code


@pytest.mark.parametrize(("line", "code"), [("sda_stuck", errors.SDA_LOW), ("scl_stuck", errors.SCL_LOW)])
def test_a_stuck_line_is_seen_before_the_hardware_could_hang(
    virtual: VirtualI2C, line: str, code: int
) -> None:
    bus = on_machine(virtual)
    setattr(virtual, line, True)
    with pytest.raises(errors.BusError) as caught:
        bus.write(0x48, b"\x00")
    assert caught.value.code == code
    assert virtual.transfers == 0


def test_a_line_that_falls_during_a_transfer_is_named(virtual: VirtualI2C) -> None:
    class Breaking(faces.MachineI2C):
        def writeto(self, addr: int, buf: Any, stop: bool = True) -> int:
            virtual.sda_stuck = True
            return super().writeto(addr, buf, stop)

    bus = MachineI2C(Breaking(virtual), "sda", "scl", lambda line: faces.LinePin(virtual, line))
    with pytest.raises(errors.BusError) as caught:
        bus.write(0x48, b"\x00")
    assert caught.value.code == errors.SDA_LOW


def test_recovery_makes_the_peripheral_anew(virtual: VirtualI2C) -> None:
    made = []

    def remake() -> faces.MachineI2C:
        made.append(1)
        return faces.MachineI2C(virtual)

    bus = MachineI2C(
        remake(), "sda", "scl", lambda line: faces.LinePin(virtual, line), remake=remake, name="i2c0"
    )
    virtual.sda_held_clocks = 3
    assert bus.probe(0x48)
    assert len(made) == 2
    assert not MachineI2C(faces.MachineI2C(virtual)).recover()
