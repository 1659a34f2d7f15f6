"""What drivers get to reach their chips: buses, UARTs, pins, pulses, other sensors' readings, elapsed time."""

import machine

from drivers.machine_bus import MachineI2C

from .outputs import Output, groups_of
from .pulses import Pulses

I2C_TIMEOUT_US = 20000
SENSOR_RXBUF = 128
_PULLS = {"up": machine.Pin.PULL_UP, "down": machine.Pin.PULL_DOWN, "none": None}


class Io:
    """The io object of the driver convention, over `machine`."""

    def __init__(self, config: dict, clock) -> None:  # type: ignore[no-untyped-def,type-arg]
        """`config` is board.json."""
        self._config = config
        self._clock = clock
        self._buses = {}
        self._groups = groups_of(config["interlocks"])
        self._limits = dict(config.get("limits", ()))
        self.limited = []
        self.reading = None
        self.inputs = {}
        self._jumper = None
        if "jumper" in config:
            pin, pull, level = config["jumper"]
            self._jumper = (self.input(pin, pull), level)

    def i2c(self, name: str) -> MachineI2C:
        """The bus of this name, opened once. It looks at its lines, so a stuck bus cannot hang the board."""
        if name not in self._buses:
            entry = self._config["i2c"][name]
            remake = self._opener(entry)
            self._buses[name] = MachineI2C(remake(), entry["sda"], entry["scl"], machine.Pin, remake=remake, name=name)
        return self._buses[name]

    def _opener(self, entry: dict):  # type: ignore[no-untyped-def,type-arg]
        """A callable that opens the peripheral."""

        def open_bus():  # type: ignore[no-untyped-def]
            sda, scl = machine.Pin(entry["sda"]), machine.Pin(entry["scl"])
            return machine.I2C(entry["id"], sda=sda, scl=scl, freq=entry["freq_hz"], timeout=I2C_TIMEOUT_US)

        return open_bus

    def uart(self, name: str, baud: int):  # type: ignore[no-untyped-def]
        """The UART of this name; half duplex if the board file names the transceiver's DE pin."""
        entry = self._config["uarts"][name]
        tx, rx = machine.Pin(entry["tx"]), machine.Pin(entry["rx"])
        uart = machine.UART(entry["id"], baudrate=baud, tx=tx, rx=rx, rxbuf=SENSOR_RXBUF, timeout=0)
        if "de" not in entry:
            return uart
        from drivers.rs485 import half_duplex  # noqa: PLC0415 (its code takes room only where it is needed)

        return half_duplex(uart, machine.Pin, entry)

    def onewire(self, pin: str):  # type: ignore[no-untyped-def]
        """The 1-Wire line at this pin."""
        from .one_wire import OneWireLine  # noqa: PLC0415 (its code takes room only where it is needed)

        return OneWireLine(pin)

    def i2s(self, name: str, rate_hz: int, buffer_bytes: int):  # type: ignore[no-untyped-def]
        """The I2S input of this name, whose reads never wait."""
        from .i2s import open_i2s  # noqa: PLC0415 (its code takes room only where it is needed)

        return open_i2s(self._config["i2s"][name], rate_hz, buffer_bytes)

    def input(self, pin: str, pull: str):  # type: ignore[no-untyped-def]
        """A callable that gives the pin's level."""
        read = machine.Pin(pin, machine.Pin.IN, _PULLS[pull]).value
        self.inputs[pin] = read
        return read

    def output(self, pin: str, active_high: bool) -> Output:
        """The output on this pin, off, bound by the board's interlocks."""
        groups = [group for group in self._groups if pin in group.pins]
        if pin not in self._limits:
            return Output(pin, active_high, groups, self._clock)
        from .limited import LimitedOutput  # noqa: PLC0415 (its code takes room only where it is needed)

        self.limited.append(LimitedOutput(pin, active_high, groups, self._clock, self._limits[pin]))
        return self.limited[-1]

    def pulses(self, pin: str, debounce_ms: int, rising: bool = False) -> Pulses:
        """A counter of closings to ground, or of rising edges."""
        return Pulses(pin, debounce_ms, rising)

    def millis(self) -> int:
        """Milliseconds since start, now."""
        self._clock.tick()
        return self._clock.ms

    def conflicting(self) -> bool:
        """Whether outputs that exclude each other are on together: never, or the board must reset."""
        for group in self._groups:
            if group.mask & (group.mask - 1):
                return True
        return False

    def jumper(self):  # type: ignore[no-untyped-def]
        """Whether somebody who stands here has set the jumper; None without one in the board file."""
        return None if self._jumper is None else self._jumper[0]() == self._jumper[1]

    def lines(self, name: str, at: int):  # type: ignore[no-untyped-def]
        """Each line of a file from byte `at` on. Raises: OSError."""
        with open(name) as file:
            file.seek(at)
            for line in file:
                yield line.rstrip("\n")

    def restart(self) -> None:
        """Start the board again."""
        machine.reset()
