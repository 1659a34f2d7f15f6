"""Schema of a board file: everything that makes one board differ from another, checked before it is built."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator

from . import pins


def _pin(name: str) -> str:
    if not re.fullmatch(r"(GP|GPIO)\d{1,2}", name):
        raise ValueError(f"found {name!r}; expected a pin name such as 'GP4'")
    return name


Pin = Annotated[str, AfterValidator(_pin)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
U8 = Annotated[int, Field(ge=0, le=255)]


class Strict(BaseModel):
    """Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Uart(Strict):
    """One UART of the chip; `de` switches an RS-485 transceiver, `turnaround_us` before and after what is sent."""

    baud: int = Field(default=9600, ge=300, le=921_600)
    tx: Pin
    rx: Pin
    de: Pin | None = None
    turnaround_us: int = Field(default=100, ge=0, le=5000)


class Link(Strict):
    """The UART that carries the board link."""

    uart: Literal[0, 1, 2] = 0
    baud: int = Field(default=115_200, ge=9600, le=921_600)
    tx: Pin
    rx: Pin


class Flash(Strict):
    """The flash ring: how much of the file system it takes, in KiB."""

    size_kb: int = Field(ge=128, le=16_384, multiple_of=4)


class I2cBus(Strict):
    """One I2C bus of the chip; `freq_hz` is the clock."""

    sda: Pin
    scl: Pin
    freq_hz: int = Field(default=100_000, ge=10_000, le=400_000)


class I2s(Strict):
    """One I2S input of the chip: it drives SCK and WS, a microphone SD."""

    sck: Pin
    ws: Pin
    sd: Pin


class Ring(Strict):
    """The buffer that keeps samples (12 bytes each) until the host has acked them."""

    records: int = Field(default=2048, ge=128, le=8192, multiple_of=8)


class Channel(Strict):
    """One Datastream of a sensor: value = offset + scale * what the driver's channel `reads` gives.

    `flush_at`: a sample on the other side of it than the one before leaves at once, with all that waits.
    """

    name: Name
    reads: str
    property: str | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    lower: float | None = None
    upper: float | None = None
    sigma: float | None = Field(default=None, ge=0)
    fuse: StrictBool = False
    sigma_of: str | None = None
    flush_at: float | None = None


class Sensor(Strict):
    """A chip or contact; `options` are the driver's own keys. `polled`: also below 500 ms without FIFO or interrupt."""

    name: Name
    chip: Name
    bus: str | None = None
    address: int | None = Field(default=None, ge=0x08, le=0x77)
    uart: str | None = None
    i2s: str | None = None
    pin: Pin | None = None
    pull: Literal["up", "down", "none"] = "none"
    period_ms: int = Field(ge=10, le=86_400_000)
    polled: StrictBool = False
    options: dict[str, Any] = Field(default_factory=dict)
    channels: tuple[Channel, ...] = ()

    @model_validator(mode="after")
    def _one_wire(self) -> "Sensor":
        if sum(wire is not None for wire in (self.bus, self.uart, self.i2s, self.pin)) != 1:
            raise ValueError("expected exactly one of bus, uart, i2s and pin")
        if (self.bus is None) != (self.address is None):
            raise ValueError("a chip on a bus needs its address, and only such a chip has one")
        return self


class Output(Strict):
    """One output pin. `active` is the level that switches the load on, `pull` the resistor on the board.

    `max_on_ms`: the longest time it is on at a stretch, after which it rests as long, whatever is ordered.
    """

    pin: Pin
    active: Literal["high", "low"]
    pull: Literal["external-up", "external-down", "none"] = "none"
    max_on_ms: int | None = Field(default=None, ge=200, le=86_400_000)

    @property
    def active_high(self) -> bool:
        """Whether the load is on at a high level."""
        return self.active == "high"


class Input(Strict):
    """One input pin, such as a limit switch, a stop or a jumper; `active`: its level when met, stopped or set."""

    pin: Pin
    active: Literal["high", "low"]
    pull: Literal["up", "down", "none"] = "none"


class Actuator(Strict):
    """One thing that acts, on pins or by a chip on a bus. `safe`: where the board drives it when nobody may command."""

    name: Name
    kind: Name
    unit: str = "1"
    lower: float = 0.0
    upper: float = 1.0
    safe: float
    lease_ms: int = Field(ge=200, le=3_600_000)
    travel_ms: int = Field(default=0, ge=0, le=600_000)
    feedback: str | None = None
    bus: str | None = None
    address: int | None = Field(default=None, ge=0x08, le=0x77)
    outputs: dict[str, Output] = Field(default_factory=dict)
    inputs: dict[str, Input] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _safe_in_range(self) -> "Actuator":
        if not self.lower <= self.safe <= self.upper:
            raise ValueError(f"safe = {self.safe} is outside of {self.lower} to {self.upper}")
        return self

    @model_validator(mode="after")
    def _pins_or_bus(self) -> "Actuator":
        if (self.bus is None) != (self.address is None):
            raise ValueError("a chip on a bus needs its address, and only such a chip has one")
        if (self.bus is None) != bool(self.outputs):
            raise ValueError("expected exactly one of outputs (pins) and bus (with address)")
        if self.bus and self.inputs:
            raise ValueError("inputs belong to outputs on pins; a chip on a bus is observed by feedback")
        return self


class Interlock(Strict):
    """Outputs ("actuator.output") of which at most one may ever be on, with a rest between two of them."""

    outputs: tuple[str, ...] = Field(min_length=2, max_length=8)
    min_off_ms: int = Field(default=0, ge=0, le=60_000)


class BoardFile(Strict):
    """A whole board file."""

    board: Name
    description: str
    mcu: Literal["rp2040", "rp2040-w", "rp2350", "esp32s3", "unix"] = "rp2040"
    watchdog_ms: int = Field(default=5000, ge=1000, le=8388)
    status_ms: int = Field(default=1000, ge=100, le=60_000)
    led: Pin | Literal["LED"] | None = None
    stop: Input | None = None
    jumper: Input | None = None
    link: Link
    ring: Ring = Ring()
    flash: Flash | None = None
    buses: dict[Literal["i2c0", "i2c1"], I2cBus] = Field(default_factory=dict)
    uarts: dict[Literal["uart0", "uart1", "uart2"], Uart] = Field(default_factory=dict)
    i2s: dict[Literal["i2s0", "i2s1"], I2s] = Field(default_factory=dict)
    sensors: tuple[Sensor, ...] = Field(default=(), max_length=32)
    actuators: tuple[Actuator, ...] = Field(default=(), max_length=16)
    interlocks: tuple[Interlock, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "BoardFile":
        problems = [
            *_wrong_pins(self),
            *_wrong_i2s(self),
            *_pins_used_twice(self),
            *_dangling_names(self),
            *_dangling_outputs(self),
            *_same_names(self),
            *_wrong_flash(self),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _wrong_flash(board: BoardFile) -> Iterator[str]:
    """Yield why a flash ring cannot be."""
    if board.flash and board.ring.records > board.flash.size_kb * 16:
        yield f"flash: {board.flash.size_kb} KiB hold less than [ring] records = {board.ring.records}; make it larger"
    most = pins.MCUS[board.mcu].files_kb
    if board.flash and most and board.flash.size_kb > most:
        yield (
            f"flash.size_kb: found {board.flash.size_kb}; expected at most {most}, the file system of mcu = "
            f'"{board.mcu}", less what the application takes'
        )


def _functions(board: BoardFile) -> Iterator[tuple[str, str]]:
    """Yield (pin, function) of buses and UARTs."""
    yield from ((board.link.tx, f"uart{board.link.uart}.tx"), (board.link.rx, f"uart{board.link.uart}.rx"))
    for bus, i2c in board.buses.items():
        yield from ((i2c.sda, f"{bus}.sda"), (i2c.scl, f"{bus}.scl"))
    for name, uart in board.uarts.items():
        yield from ((uart.tx, f"{name}.tx"), (uart.rx, f"{name}.rx"))
    yield from ((pin, f"{name}.{line}") for name, lines in board.i2s.items() for line, pin in lines)


def _wrong_pins(board: BoardFile) -> Iterator[str]:
    """Yield what the board's chip cannot do with the pins named, one mistake for each pin."""
    mcu = pins.MCUS[board.mcu]
    functions = list(_functions(board))
    inputs = [board.stop] if board.stop else []
    inputs += [wire for actuator in board.actuators for wire in actuator.inputs.values()]
    pulls = {wire.pin: wire.pull for wire in inputs} | {s.pin: s.pull for s in board.sensors if s.pin}
    outputs = {output.pin: output for actuator in board.actuators for output in actuator.outputs.values()}
    for pin, use in pin_uses(board):
        try:
            if use == "led" and pin in mcu.leds:
                continue
            mcu.number(pin)
            for function in (name for named, name in functions if named == pin):
                mcu.check_function(pin, function)
            if pin in pulls:
                mcu.check_pull(pin, pulls[pin])
            if pin in outputs:
                mcu.check_output(pin, int(outputs[pin].active_high), outputs[pin].pull)
        except ValueError as error:
            yield f"{use}: {error}" + (f", or {' or '.join(mcu.leds)}" if use == "led" and mcu.leds else "")


def _wrong_i2s(board: BoardFile) -> Iterator[str]:
    """Yield WS lines that the board's chip cannot have where they are; pins that it has not are told elsewhere."""
    mcu = pins.MCUS[board.mcu]
    usable = {f"{mcu.prefix}{number}" for number in mcu.usable}
    for name, lines in board.i2s.items():
        try:
            if {lines.sck, lines.ws} <= usable:
                mcu.check_i2s(lines.sck, lines.ws)
        except ValueError as error:
            yield f"i2s.{name}.ws: {error}"


def pin_uses(board: BoardFile) -> Iterator[tuple[str, str]]:
    """Yield (pin, what for) of every pin the board file names."""
    yield board.link.tx, "link.tx"
    yield board.link.rx, "link.rx"
    if board.led:
        yield board.led, "led"
    if board.stop:
        yield board.stop.pin, "stop"
    if board.jumper:
        yield board.jumper.pin, "jumper"
    for bus, i2c in board.buses.items():
        yield from ((i2c.sda, f"buses.{bus}.sda"), (i2c.scl, f"buses.{bus}.scl"))
    for name, uart in board.uarts.items():
        yield from ((uart.tx, f"uarts.{name}.tx"), (uart.rx, f"uarts.{name}.rx"))
        if uart.de:
            yield uart.de, f"uarts.{name}.de"
    yield from ((pin, f"i2s.{name}.{line}") for name, lines in board.i2s.items() for line, pin in lines)
    for sensor in board.sensors:
        if sensor.pin:
            yield sensor.pin, f"sensors.{sensor.name}"
        for key, value in sensor.options.items():
            if key.endswith("_pin"):
                yield str(value), f"sensors.{sensor.name}.options.{key}"
    for actuator in board.actuators:
        wires: list[tuple[str, Output | Input]] = [*actuator.outputs.items(), *actuator.inputs.items()]
        for key, wire in wires:
            yield wire.pin, f"actuators.{actuator.name}.{key}"


def _pins_used_twice(board: BoardFile) -> Iterator[str]:
    first: dict[str, str] = {}
    for pin, use in pin_uses(board):
        if pin in first:
            yield f"{pin} is used twice, by {first[pin]} and by {use}"
        first.setdefault(pin, use)


def _dangling_names(board: BoardFile) -> Iterator[str]:
    """Yield references to buses, UARTs, channels and outputs that do not exist."""
    if f"uart{board.link.uart}" in board.uarts:
        yield f"uart{board.link.uart} carries the link and cannot be a sensor's"
    for sensor in board.sensors:
        if sensor.bus and sensor.bus not in board.buses:
            yield f"sensors.{sensor.name}: bus {sensor.bus!r} is not among [buses] {sorted(board.buses)}"
        if sensor.uart and sensor.uart not in board.uarts:
            yield f"sensors.{sensor.name}: uart {sensor.uart!r} is not among [uarts] {sorted(board.uarts)}"
        if sensor.i2s and sensor.i2s not in board.i2s:
            yield f"sensors.{sensor.name}: i2s {sensor.i2s!r} is not among [i2s] {sorted(board.i2s)}"
        yield from _dangling_options(board, sensor)
    channels = {channel.name for sensor in board.sensors for channel in sensor.channels}
    for actuator in board.actuators:
        if actuator.feedback and actuator.feedback not in channels:
            yield f"actuators.{actuator.name}: feedback {actuator.feedback!r} is not among channels {sorted(channels)}"
        if actuator.bus and actuator.bus not in board.buses:
            yield f"actuators.{actuator.name}: bus {actuator.bus!r} is not among [buses] {sorted(board.buses)}"


def _dangling_outputs(board: BoardFile) -> Iterator[str]:
    """Yield what interlocks name but cannot hold: no output, or one behind a bus."""
    outputs = {f"{a.name}.{key}" for a in board.actuators for key in a.outputs}
    on_a_bus = {a.name: a for a in board.actuators if a.bus}
    for interlock in board.interlocks:
        for output in interlock.outputs:
            remote = on_a_bus.get(output.partition(".")[0])
            if remote:
                yield (
                    f"interlocks: {output!r} is a chip at 0x{remote.address:02x} on {remote.bus}; an interlock holds "
                    "pins alone, as it must not wait for a bus; expected a pin, or contactors that lock each other"
                )
            elif output not in outputs:
                yield f"interlocks: {output!r} is not among outputs {sorted(outputs)}"


def _dangling_options(board: BoardFile, sensor: Sensor) -> Iterator[str]:
    """Yield options `..._from` that name no [sensor, channel]; what a driver calls its channels is not known here."""
    named = [[other.name, channel.name] for other in board.sensors for channel in other.channels]
    bare = [other.name for other in board.sensors if not other.channels]
    for key, value in sensor.options.items():
        known = value in named or (isinstance(value, list) and len(value) == 2 and value[0] in bare)
        if key.endswith("_from") and not known:
            yield f"sensors.{sensor.name}.options.{key}: {value!r} is not among [sensor, channel] {named}"


def _same_names(board: BoardFile) -> Iterator[str]:
    """Yield names given twice: sensors, and Datastreams with actuators, which share one space."""
    things = [channel.name for sensor in board.sensors for channel in sensor.channels]
    things += [actuator.name for actuator in board.actuators]
    for kind, names in (("sensor", [s.name for s in board.sensors]), ("channel or actuator", things)):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{kind} name {name!r} is given twice"
