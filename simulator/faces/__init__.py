"""Faces of virtual wires for programs on CPython: `machine.I2C`, `machine.I2S`, `busio.I2C`, `smbus2.SMBus`, a port.

Unmodified drivers and third-party libraries meet virtual chips through these; docs/simulator.md says what each has.
"""

from .busio import BusioI2C
from .contract import ContractI2C
from .i2s import MachineI2S
from .machine import LinePin, MachineI2C
from .serial import Serial
from .smbus import SMBus

__all__ = ["BusioI2C", "ContractI2C", "LinePin", "MachineI2C", "MachineI2S", "SMBus", "Serial"]
