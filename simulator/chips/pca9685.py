"""Virtual PCA9685 PWM controller, written from its datasheet.

Source: NXP PCA9685 revision 4: register summary (table 4), MODE1 with RESTART, EXTCLK that stays until power-on, SLEEP
(7.3.1), MODE2 (7.3.2), LEDn_ON and LEDn_OFF with full on and full off (7.3.3), ALL_LED registers that read 0 (7.3.4),
PRE_SCALE that is taken while asleep only, 3 at least (7.3.5), auto-increment from 69 and from 254 to 0. The physical
side is what comes out: `duty` and `pulse_us` of a channel, at `oscillator_hz`.
"""

from .base import Clock, I2CChip, Nack, Range

MODE1, MODE2, ALL_CALL, LED0, LAST_LED, ALL_LED, PRE_SCALE, TEST = 0, 1, 5, 6, 69, 250, 254, 255
RESTART, EXT_CLOCK, AUTO_INCREMENT, SLEEP, ALL_CALLS = 0x80, 0x40, 0x20, 0x10, 0x01
INVERT = 0x10
FULL = 0x10
COUNTS = 4096
START_NS = 500_000


class PCA9685(I2CChip):
    """The controller with its 16 outputs."""

    OUTPUTS = tuple(f"{what}.{channel}" for what in ("duty", "pulse_us") for channel in range(16))

    def __init__(self, clock: Clock, address: int = 0x40) -> None:
        super().__init__(address, clock)
        self.oscillator_hz = 25e6
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Duty cycles, to one of 4096 counts."""
        return {"duty": Range(0.0, 1.0, 1 / COUNTS)}

    def power_on(self) -> None:
        """Asleep, 200 Hz, all outputs off."""
        self.registers = bytearray(256)
        self.registers[MODE1], self.registers[MODE2] = SLEEP | ALL_CALLS, 0x04
        self.registers[2:6] = bytes((0xE2, 0xE4, 0xE8, 0xE0))
        for channel in range(16):
            self.registers[LED0 + 4 * channel + 3] = FULL
        self.registers[PRE_SCALE] = 0x1E
        self._pointer = 0
        self._stable_ns = 0
        self._frozen = False

    @property
    def frequency_hz(self) -> float:
        """Cycles per second of all outputs."""
        return self.oscillator_hz / COUNTS / (self.registers[PRE_SCALE] + 1)

    def duty(self, channel: int) -> float:
        """Part of a cycle that an output is high: 0 without power, asleep, or waiting for a restart."""
        if self.unplugged:
            return 0.0
        on_low, on_high, off_low, off_high = self.registers[LED0 + 4 * channel : LED0 + 4 * channel + 4]
        counting = not (self.registers[MODE1] & (SLEEP | EXT_CLOCK) or self._frozen or self._clock() < self._stable_ns)
        if off_high & FULL or not counting:
            active = 0.0
        elif on_high & FULL:
            active = 1.0
        else:
            active = ((off_low | off_high << 8) - (on_low | on_high << 8)) % COUNTS / COUNTS
        return 1.0 - active if self.registers[MODE2] & INVERT else active

    def pulse_us(self, channel: int) -> float:
        """Length of an output's pulse."""
        return self.duty(channel) * 1e6 / self.frequency_hz

    def write(self, data: bytes) -> None:
        """The control register, then what goes there. Raises: Nack for a reserved one."""
        if not data:
            return
        self._pointer = self._there(data[0])
        touched = False
        for byte in data[1:]:
            touched |= self._store(self._pointer, byte)
            self._advance()
        if touched:
            self.registers[MODE1] &= ~RESTART & 0xFF
            self._frozen = False

    def read(self, count: int) -> bytes:
        """From the control register on."""
        found = bytearray()
        for _ in range(count):
            found.append(0 if ALL_LED <= self._pointer < PRE_SCALE else self.registers[self._pointer])
            self._advance()
        return bytes(found)

    def _there(self, register: int) -> int:
        if LAST_LED < register < ALL_LED:
            raise Nack(f"register {register} is reserved")
        return register

    def _advance(self) -> None:
        if self.registers[MODE1] & AUTO_INCREMENT:
            self._pointer = 0 if self._pointer in (LAST_LED, PRE_SCALE, TEST) else self._pointer + 1

    def _store(self, register: int, byte: int) -> bool:
        """Take one byte; whether it was one of an output."""
        if register == MODE1:
            self._store_mode1(byte)
        elif register == MODE2:
            self.registers[MODE2] = byte & 0x1F
        elif register <= ALL_CALL:
            self.registers[register] = byte & 0xFE
        elif register <= LAST_LED:
            self.registers[register] = byte & (0x1F if (register - LED0) % 2 else 0xFF)
            return True
        elif ALL_LED <= register < PRE_SCALE:
            mask = 0x1F if (register - ALL_LED) % 2 else 0xFF
            for channel in range(16):
                self.registers[LED0 + 4 * channel + register - ALL_LED] = byte & mask
            return True
        elif register == PRE_SCALE and self.registers[MODE1] & SLEEP:
            self.registers[PRE_SCALE] = max(3, byte)
        return False

    def _store_mode1(self, byte: int) -> None:
        was = self.registers[MODE1]
        stays = was & RESTART
        if byte & SLEEP and not was & SLEEP and self._any_running():
            stays, self._frozen = RESTART, True
        if was & SLEEP and not byte & SLEEP:
            self._stable_ns = self._clock() + START_NS
        if byte & RESTART and stays and not byte & SLEEP and self._clock() >= self._stable_ns:
            stays, self._frozen = 0, False
        clock = (was | (byte if was & SLEEP and byte & SLEEP else 0)) & EXT_CLOCK
        self.registers[MODE1] = stays | clock | byte & ~(RESTART | EXT_CLOCK) & 0xFF

    def _any_running(self) -> bool:
        return any(not self.registers[LED0 + 4 * channel + 3] & FULL for channel in range(16))


def make(clock: Clock, address: int = 0x40) -> PCA9685:
    """A controller after power-on."""
    return PCA9685(clock, address)
