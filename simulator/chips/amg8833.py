"""Virtual AMG8833 thermal array, written from its specifications.

Source: Panasonic ADI8000C66, Grid-EYE: operating modes, register map, output of thermistor (sign and amount) and pixels
(two's complement). The physical side is `scene_cel`, what all pixels see, `pixels_cel` (pixel, 0 to 63: temperature)
for those that see something else, and `thermistor_cel`.
"""

from .base import Clock, Nack, Range, RegisterChip

POWER, RESET, RATE, INTERRUPT, STATUS, CLEAR, AVERAGE = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x07
LEVELS, THERMISTOR, TABLE, UNLOCK, PIXELS, END = range(0x08, 0x0E), 0x0E, 0x10, 0x1F, 0x80, 0x100
NORMAL, SLEEP, STANDBY_60_S, STANDBY_10_S = 0x00, 0x10, 0x20, 0x21
FLAG_RESET, INITIAL_RESET = 0x30, 0x3F
WRITABLE = {RATE: 0x01, INTERRUPT: 0x03, **{level: 0xFF if level % 2 == 0 else 0x0F for level in LEVELS}}
UNLOCKING = (0x50, 0x45, 0x57)
MOVING_AVERAGE = 0x20
PERIOD_NS = {NORMAL: 0, STANDBY_60_S: 60_000_000_000, STANDBY_10_S: 10_000_000_000}
FRAME_NS = (100_000_000, 1_000_000_000)
WAKE_NS = 50_000_000
FULL_CEL = (-20.0, 100.0)


class AMG8833(RegisterChip):
    """The sensor; AD_SELECT at GND gives 0x68, at VDD 0x69."""

    def __init__(self, clock: Clock, address: int = 0x69) -> None:
        super().__init__(address, clock)
        self.scene_cel, self.thermistor_cel = 18.0, 25.0
        self.pixels_cel: dict[int, float] = {}
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """What the high-gain type may see, in quarters of a Cel; its thermistor, in sixteenths."""
        return {"scene_cel": Range(0.0, 80.0, 0.126), "thermistor_cel": Range(-20.0, 80.0, 0.032)}

    def power_on(self) -> None:
        """Normal mode, ten frames a second, and 50 ms until it hears."""
        self._reset()
        self._mode = NORMAL
        self._pointer = 0
        self._hears_ns = self._clock() + WAKE_NS
        self._begin()

    def _reset(self) -> None:
        self._memory = bytearray(END)
        self._unlocked = 0

    def _begin(self) -> None:
        self._next_ns = self._clock() + self._period_ns()

    def _load(self, register: int) -> int:
        if register in (RESET, CLEAR):  # write only
            return 0
        return self._mode if register == POWER else self._memory[register]

    def _store(self, register: int, value: int) -> None:
        if register == POWER:
            self._change_mode(value)
        elif self._mode == SLEEP:
            return  # nothing but waking it
        elif register == RESET and value in (FLAG_RESET, INITIAL_RESET):
            if value == INITIAL_RESET:
                self._reset()
                self._begin()
            self._memory[STATUS] = 0
        elif register == CLEAR:
            self._memory[STATUS] &= ~value
        elif register == UNLOCK:
            self._unlocked = self._unlocked + 1 if value == UNLOCKING[self._unlocked % 3] else 0
        elif register == AVERAGE and self._unlocked == len(UNLOCKING):
            self._memory[AVERAGE] = value & MOVING_AVERAGE
        elif register in WRITABLE:
            was, self._memory[register] = self._memory[register], value & WRITABLE[register]
            if register == RATE and was != self._memory[RATE]:
                self._begin()

    def _change_mode(self, mode: int) -> None:
        """Sleep and both stand-bys are entered from normal mode only, and left to it."""
        if mode in (NORMAL, SLEEP, STANDBY_60_S, STANDBY_10_S) and NORMAL in (mode, self._mode) and mode != self._mode:
            self._mode = mode
            self._begin()

    def _period_ns(self) -> int:
        return PERIOD_NS.get(self._mode, 0) or FRAME_NS[self._memory[RATE] & 1]

    def _advance(self) -> None:
        """Take the frame that was due since the last look. Raises: Nack in the first 50 ms."""
        now = self._clock()
        if now < self._hears_ns:
            raise Nack("AMG8833 has not started up")
        if self._mode == SLEEP or now < self._next_ns:
            return
        self._next_ns += ((now - self._next_ns) // self._period_ns() + 1) * self._period_ns()
        for pixel in range(64):
            code = self._seen(self.pixels_cel.get(pixel, self.scene_cel))
            self._memory[PIXELS + 2 * pixel : PIXELS + 2 * pixel + 2] = code.to_bytes(2, "little")
        amount = min(0x7FF, round(abs(self.thermistor_cel) * 16))
        self._memory[THERMISTOR : THERMISTOR + 2] = (amount | (self.thermistor_cel < 0) << 11).to_bytes(2, "little")

    @staticmethod
    def _seen(temperature_cel: float) -> int:
        low, high = FULL_CEL
        return round(max(low, min(high, temperature_cel)) * 4) & 0xFFF


def make(clock: Clock, address: int = 0x69) -> AMG8833:
    """A sensor that looks at a wall."""
    return AMG8833(clock, address)
