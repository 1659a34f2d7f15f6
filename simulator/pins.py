"""Nets of a virtual board's GPIO pins: who drives them, what pulls them, and who wants their edges.

A net's level is the board's when the pin is an output, else the outside driver's or that of the board at the other
end of a wire, else the pull's (the board's own before the outside one, before those at the other end), else low. In
reset every pin is an input without pull, so only outside pulls count. Two boards that drive one wire differently each
read what they drive, as with a resistor in it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from simulator.registers import ASK, Registers

MODE_IN, MODE_OUT, MODE_OPEN_DRAIN = 0, 1, 2
PULL_UP, PULL_DOWN = 1, 2
FALLING, RISING = 4, 8
UNCHANGED = 255
EdgeSink = Callable[[int, int, int, int], None]
LevelSource = Callable[[], int | None]


@dataclass
class Net:
    """One pin and what is soldered to it; `far`: the pin of another board at the end of a wire.

    `told`: whoever owns `source` calls `PinBank.refresh` when it changes.
    """

    mode: int = MODE_IN
    out: int = 0
    pull: int | None = None
    outside_pull: int | None = None
    outside: int | None = None
    source: LevelSource | None = None
    told: bool = False
    trigger: int = 0
    watchers: list[Callable[[int], None]] = field(default_factory=list)
    far: "Net | None" = None

    def level(self) -> int:
        """0 or 1, as an instrument at the pin would read it."""
        far = self.far
        far_drives, far_pulls = (far.drives(), far._pulled()) if far is not None else (None, None)
        given = (self.drives(), self._driven(), far_drives, self._pulled(), far_pulls)
        return next((level for level in given if level is not None), 0)

    def drives(self) -> int | None:
        """What the board itself drives, None while it listens."""
        if self.mode == MODE_OUT:
            return self.out
        return 0 if self.mode == MODE_OPEN_DRAIN and self.out == 0 else None

    def reset(self) -> None:
        """What a chip reset does: input, no pull, no interrupt."""
        self.mode, self.out, self.pull, self.trigger = MODE_IN, 0, None, 0

    def _driven(self) -> int | None:
        return self.source() if self.source is not None else self.outside

    def _pulled(self) -> int | None:
        return self.pull if self.pull is not None else self.outside_pull


class PinBank:
    """All nets of a board. `on_edge(pin, level, edge, stamp_us)` is called for edges the board listens to.

    `registers`, if there are any, show the board the levels; who changes a net's `source` by hand calls `refresh`.
    """

    def __init__(self) -> None:
        self.nets: dict[int, Net] = {}
        self.on_edge: EdgeSink | None = None
        self.registers: Registers | None = None
        self._wires: dict[int, tuple[PinBank, int]] = {}

    def net(self, pin: int) -> Net:
        """The net of a pin, made on first use."""
        return self.nets.setdefault(pin, Net())

    def level(self, pin: int) -> int:
        """Level of a pin, 0 or 1."""
        return self.net(pin).level()

    def wire(self, pin: int, other: "PinBank", far_pin: int) -> None:
        """Solder a wire from a pin to one of another board; each then sees what the other drives or pulls."""
        self.net(pin).far, other.net(far_pin).far = other.net(far_pin), self.net(pin)
        self._wires[pin], other._wires[far_pin] = (other, far_pin), (self, pin)

    def board_init(self, pin: int, mode: int, pull: int, value: int, stamp_us: int = 0) -> None:
        """`Pin.init` of the board; 255 leaves a setting unchanged, as the chip does."""
        with self._changing(pin, stamp_us) as net:
            if value != UNCHANGED:
                net.out = value
            if pull != UNCHANGED:
                net.pull = {PULL_UP: 1, PULL_DOWN: 0}.get(pull)
            if mode != UNCHANGED:
                net.mode = mode

    def board_set(self, pin: int, level: int, stamp_us: int = 0) -> None:
        """`Pin.value(level)` of the board."""
        with self._changing(pin, stamp_us) as net:
            net.out = level

    def drive(self, pin: int, level: int | None, stamp_us: int) -> None:
        """Set what the outside drives (None: lets go), with the time of the edge."""
        with self._changing(pin, stamp_us) as net:
            net.outside = level

    def listen(self, pin: int, trigger: int) -> None:
        """Which edges of a pin the board wants as interrupts."""
        self.net(pin).trigger = trigger

    def watch(self, pin: int, callback: Callable[[int], None]) -> None:
        """Call back with the new level whenever a pin changes."""
        self.net(pin).watchers.append(callback)

    def refresh(self, pin: int) -> None:
        """Show the board the level that a pin has now."""
        if self.registers is not None:
            net = self.net(pin)
            self.registers.show(pin, ASK if net.source is not None and not net.told else net.level())

    def refresh_all(self) -> None:
        """Show the board the levels of all pins that anything was done to."""
        for pin in self.nets:
            self.refresh(pin)

    def reset(self, stamp_us: int = 0) -> None:
        """All pins as after a chip reset; watchers see what that changes."""
        for pin in list(self.nets):
            with self._changing(pin, stamp_us) as net:
                net.reset()

    @contextmanager
    def _changing(self, pin: int, stamp_us: int) -> Iterator[Net]:
        """Give the net to change it; both ends of its wire are told what that changed."""
        ends: list[tuple[PinBank, int]] = [(self, pin)]
        if pin in self._wires:
            ends.append(self._wires[pin])
        before = [bank.level(number) for bank, number in ends]
        yield self.net(pin)
        for (bank, number), was in zip(ends, before, strict=True):
            bank._tell(number, was, stamp_us)

    def _tell(self, pin: int, before: int, stamp_us: int) -> None:
        net = self.net(pin)
        after = net.level()
        self.refresh(pin)
        if after == before:
            return
        for callback in net.watchers:
            callback(after)
        edge = RISING if after else FALLING
        if net.trigger & edge and self.on_edge is not None:
            self.on_edge(pin, after, edge, stamp_us)


def pin_number(name: str | int) -> int:
    """GPIO number of "GP4", "4" or 4. Raises: ValueError."""
    text = str(name)
    return int(text.removeprefix("GP"))
