"""Virtual AS7341 spectral sensor, written from its datasheet.

Source: ams OSRAM DS000504 version 3-00 (June 2020): integration 8.5, registers 10; the photodiode behind each half byte
of the switch's RAM: application note AN000666. The physical side is what each photodiode pair gives in counts per ms
of integration at gain 1: `bands` (F1 to F8), `clear`, `near_infrared`; the left and the right one give half each. How
long switching takes is not published: 1 ms here.
"""

from .base import Clock, Range, RegisterChip

ENABLE, ATIME, IDENTITY, STATUS, ASTATUS, DATA, STATUS2 = 0x80, 0x81, 0x92, 0x93, 0x94, 0x95, 0xA3
CFG0, CFG1, CFG6, ASTEP_LOW, ASTEP_HIGH, AZ_CONFIG = 0xA9, 0xAA, 0xAF, 0xCA, 0xCB, 0xD6
RESET = {IDENTITY: 0x24, CFG1: 9, CFG6: 0x10, ASTEP_LOW: 0xE7, ASTEP_HIGH: 0x03, AZ_CONFIG: 0xFF}
READ_ONLY = {0x90, 0x91, IDENTITY, *range(ASTATUS, 0xA1), STATUS2}
MASK = {ENABLE: 0x5B, CFG0: 0x34, CFG1: 0x1F, CFG6: 0x18}
POWER, MEASURE, SWITCH = 0x01, 0x02, 0x10
RAM_TO_SWITCH = 2
VALID, DIGITAL_SATURATION, SATURATED = 0x40, 0x10, 0x80
SWITCH_NS = 1_000_000
STEP_NS = 2780
CONVERTERS = 6
CLEAR, NEAR_INFRARED = 8, 9
# Address in the RAM, shift in its byte, photodiode: F1 to F8 are 0 to 7.
LEFT = ((0x01, 0, 0), (0x05, 0, 1), (0x00, 4, 2), (0x05, 4, 3), (0x06, 4, 4), (0x04, 0, 5), (0x07, 0, 6), (0x03, 4, 7))
RIGHT = ((0x10, 0, 0), (0x0C, 4, 1), (0x0F, 4, 2), (0x0D, 0, 3), (0x09, 4, 4), (0x0E, 4, 5), (0x0A, 0, 6), (0x0E, 0, 7))
CLEARS = ((0x08, 4, CLEAR), (0x11, 4, CLEAR))
ALONE = (0x13, 0, NEAR_INFRARED)


class AS7341(RegisterChip):
    """The sensor; its address is fixed."""

    def __init__(self, clock: Clock, address: int = 0x39) -> None:
        super().__init__(address, clock)
        self.bands = [1.0] * 8
        self.clear, self.near_infrared = 4.0, 1.0
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Up to full scale at the lowest gain; half a count at 0.5 and 50 ms is 0.02."""
        span = Range(0.0, 715.0, 0.0205)
        return {f"bands[{place}]": span for place in range(8)} | {"clear": span, "near_infrared": span}

    def power_on(self) -> None:
        """Asleep, nothing connected."""
        self._ram = bytearray(128)
        self._memory = bytearray(256)
        for register, value in RESET.items():
            self._memory[register] = value
        self._pointer = 0
        self._wiring: list[list[tuple[int, float]]] = [[] for _ in range(CONVERTERS)]
        self._switched_ns = self._next_ns = 0
        self._latest = bytes(13)

    def _load(self, register: int) -> int:
        if register < len(self._ram):
            return self._ram[register]
        if register == ASTATUS:  # all of one measurement, however long the reading takes
            self._memory[ASTATUS : ASTATUS + len(self._latest)] = self._latest
        return self._memory[register]

    def _store(self, register: int, value: int) -> None:
        if register < len(self._ram):
            self._ram[register] = value
        elif register == STATUS:
            self._memory[STATUS] &= ~value  # a 1 clears
        elif register not in READ_ONLY:
            was, self._memory[register] = self._memory[register], value & MASK.get(register, 0xFF)
            if register == ENABLE:
                self._enable(was, self._memory[ENABLE])

    def _enable(self, was: int, now: int) -> None:
        if now & SWITCH and not was & SWITCH:
            self._switched_ns = self._clock() + SWITCH_NS
        if now & MEASURE and not was & MEASURE:
            self._memory[STATUS2] = 0
            connected_ns = self._switched_ns if now & SWITCH else 0
            self._next_ns = max(self._clock(), connected_ns) + self._integration_ns()

    def _advance(self) -> None:
        """Finish switching and the measurements that were due since the last look."""
        now = self._clock()
        if not self._memory[ENABLE] & POWER:
            return
        if self._memory[ENABLE] & SWITCH:
            if now < self._switched_ns:
                return
            self._connect()
        if not self._memory[ENABLE] & MEASURE:
            return
        if now >= self._next_ns:
            self._next_ns += ((now - self._next_ns) // self._integration_ns() + 1) * self._integration_ns()
            self._measure()

    def _connect(self) -> None:
        """Take the RAM over into the switch; the bit that asked for it clears itself."""
        self._memory[ENABLE] &= ~SWITCH
        if self._memory[CFG6] >> 3 & 3 != RAM_TO_SWITCH:
            return
        self._wiring = [[] for _ in range(CONVERTERS)]
        for share, diodes in ((0.5, LEFT + RIGHT + CLEARS), (1.0, (ALONE,))):
            for address, shift, diode in diodes:
                converter = self._ram[address] >> shift & 7
                if 0 < converter <= CONVERTERS:
                    self._wiring[converter - 1].append((diode, share))

    def _steps(self) -> int:
        step = self._memory[ASTEP_LOW] | self._memory[ASTEP_HIGH] << 8
        return (self._memory[ATIME] + 1) * (step + 1)

    def _integration_ns(self) -> int:
        return self._steps() * STEP_NS

    def _measure(self) -> None:
        """Convert; no converter counts more than once a step, nor beyond 16 bits (8.5)."""
        full = min(0xFFFF, self._steps())
        light = [*self.bands, self.clear, self.near_infrared]
        gain_ms = 2.0 ** ((self._memory[CFG1] & 0x1F) - 1) * self._integration_ns() / 1e6
        counts = [round(sum(light[d] * share for d, share in wires) * gain_ms) for wires in self._wiring]
        saturated = max(counts) >= full
        data = b"".join(max(0, min(full, count)).to_bytes(2, "little") for count in counts)
        self._memory[STATUS2] = VALID | (DIGITAL_SATURATION if saturated else 0)
        self._memory[STATUS] |= SATURATED if saturated else 0
        self._latest = bytes((self._memory[CFG1] & 0x0F | (SATURATED if saturated else 0),)) + data


def make(clock: Clock, address: int = 0x39) -> AS7341:
    """A sensor in dim light."""
    return AS7341(clock, address)
