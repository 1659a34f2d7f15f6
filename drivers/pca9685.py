"""NXP PCA9685: one of its 16 outputs, as pulses for a servo or as a duty cycle for a dimmer or a valve.

NXP PCA9685 revision 4. I2C 0x40 to 0x6F (pins A5 to A0; 0x70 to 0x77 are left out, as all of these chips answer there).

| command  | meaning                                                        | unit | range  |
|----------|----------------------------------------------------------------|------|--------|
| setpoint | from `pulse_at_0_us` to `pulse_at_1_us`, or the duty cycle     | 1    | 0 .. 1 |

    flap = make(io, {"bus": "i2c0", "address": 0x40, "channel": 3, "pulse_at_0_us": 1000, "pulse_at_1_us": 2000})
    flap.command(0.6)
    flap.step(now_ms)               # every 20 to 50 ms

Board file keys: `bus`; `address`; `channel` (0): 0 to 15; `frequency_hz` (50): 24 to 1526, the whole chip's;
`oscillator_hz` (25000000), the whole chip's: what its oscillator really does; `pulse_at_0_us`, `pulse_at_1_us`: the end
stops of a servo, no pulse is ever beyond; `pulse_least_us` (500), `pulse_most_us` (2500): what they must be within;
`after_loss` ("setpoint"): what a chip is told that lost its power; "safe" is the safe setpoint, and FAULT with TRIPPED
until the next command; `position_at_closed` (0.0), `position_at_open` (1.0), `deadband` (0.02): of a feedback.
Limits: the oscillator is off by some percent, and pulses with it: measure one, then set `oscillator_hz`. A step is
4.9 us at 50 Hz. A chip whose mode or frequency is wrong is shut down and set up anew, all 16 outputs. No id.
"""

from . import motion
from .errors import NOT_READY, DriverError
from .remote import Remote

ADDRESSES = (0x40, 0x6F)
PLACE = "channel"
SHARED = ("frequency_hz", "oscillator_hz")

_REG_MODE1 = 0x00  # 7.3.1
_REG_MODE2 = 0x01  # 7.3.2
_REG_LED0 = 0x06  # 7.3.3: ON and OFF, low and high byte each
_REG_ALL_OFF_H = 0xFD  # 7.3.4
_REG_PRE_SCALE = 0xFE  # 7.3.5: only while asleep
_SLEEP = 0x10
_MODE1 = 0x20  # auto-increment, awake, own oscillator, no further addresses
_MODE2 = 0x04  # totem pole, not inverted, outputs change at STOP
_FULL = 0x10  # 7.3.3: bit 4 of a high byte; off wins over on
_COUNTS = 4096


def prescale_of(frequency_hz: float, oscillator_hz: float) -> int:
    """The chip's divider less one (7.3.5). Raises: ValueError for a frequency it cannot make."""
    found = int(oscillator_hz / (_COUNTS * frequency_hz) + 0.5) - 1
    if not 3 <= found <= 255:
        raise ValueError("frequency_hz: found %g; expected 24 to 1526" % frequency_hz)
    return found


class PCA9685(Remote):
    """The output. See `remote.Remote` for what it does when the bus or the chip fails."""

    def __init__(self, bus, cfg, feedback=None) -> None:
        """Raises: ValueError for a wrong option."""
        channel = cfg.get("channel", 0)
        if channel not in range(16):
            raise ValueError("channel: found %s; expected 0 to 15" % channel)
        oscillator_hz = cfg.get("oscillator_hz", 25000000)
        self._register = _REG_LED0 + 4 * channel
        self._prescale = prescale_of(cfg.get("frequency_hz", 50), oscillator_hz)
        self._counts_per_us = oscillator_hz / 1000000 / (self._prescale + 1)
        self._ends_us = self._end_stops(cfg)
        self._setting_up = False
        self._order_bytes = bytearray(5)
        self._order_bytes[0] = self._register
        self._modes = bytearray(2)
        self._one = bytearray(1)
        self._answer = bytearray(4)
        super().__init__(bus, cfg, feedback)

    def _end_stops(self, cfg):
        """The pulses at setpoints 0 and 1, None for a duty cycle. Raises: ValueError beyond the limits."""
        if "pulse_at_0_us" not in cfg and "pulse_at_1_us" not in cfg:
            return None
        ends = (cfg.get("pulse_at_0_us", 1000), cfg.get("pulse_at_1_us", 2000))
        least, most = cfg.get("pulse_least_us", 500), cfg.get("pulse_most_us", 2500)
        for end in ends:
            if not least <= end <= most or end * self._counts_per_us > _COUNTS - 1:
                raise ValueError("pulse_at_0_us and pulse_at_1_us: found %g; expected %g to %g" % (end, least, most))
        return ends

    def _encode(self, level: float) -> None:
        """Put the four registers of this level behind the first byte of the order."""
        out = self._order_bytes
        out[1] = out[2] = out[3] = out[4] = 0
        if self._ends_us:
            count = self._pulse_count(level)
        else:
            count = int(level * _COUNTS + 0.5)
            if count <= 0:
                out[4] = _FULL
                return
            if count >= _COUNTS:
                out[2] = _FULL
                return
        out[3] = count & 0xFF
        out[4] = count >> 8

    def _pulse_count(self, level: float) -> int:
        """The counts of a servo's pulse, rounded away from its end stops."""
        at_0, at_1 = self._ends_us
        count = int((at_0 + (at_1 - at_0) * level) * self._counts_per_us + 0.5)
        lowest = -int(-min(at_0, at_1) * self._counts_per_us // 1)
        return max(lowest, min(int(max(at_0, at_1) * self._counts_per_us), count))

    def _set_up(self) -> None:
        """Shut all outputs down in order, so that nothing is left to restart (7.3.1.1), then set divider and modes."""
        bus, address = self.bus, self._address
        bus.write_register(address, _REG_ALL_OFF_H, _FULL)
        bus.write_register(address, _REG_MODE1, _MODE1 | _SLEEP)
        bus.write_register(address, _REG_PRE_SCALE, self._prescale)
        bus.write_register(address, _REG_MODE2, _MODE2)
        bus.write_register(address, _REG_MODE1, _MODE1)

    def _is_set_up(self) -> bool:
        """Whether modes and divider are as wanted; a restart that waits (bit 7) is not."""
        self.bus.read_register_into(self._address, _REG_MODE1, self._modes)
        if self._modes[0] != _MODE1 or self._modes[1] != _MODE2:
            return False
        self.bus.read_register_into(self._address, _REG_PRE_SCALE, self._one)
        return self._one[0] == self._prescale

    def _tell(self, level: float) -> bool:
        """Set the output; a chip that must be set up first has until the next step to start its oscillator (0.5 ms)."""
        if not self._is_set_up():
            self._set_up()
            if self._setting_up:
                raise DriverError(NOT_READY, "PCA9685 at 0x%02x does not take its mode" % self._address)
            self._setting_up = True
            return False
        self._setting_up = False
        self._encode(level)
        self.bus.write(self._address, self._order_bytes)
        return True

    def _holds(self, level: float) -> bool:
        """Whether modes, divider and the four registers are those of this level."""
        if not self._is_set_up():
            return False
        self._encode(level)
        self.bus.read_register_into(self._address, self._register, self._answer)
        for place in range(4):
            if self._answer[place] != self._order_bytes[place + 1]:
                return False
        return True


def make(io, cfg) -> PCA9685:
    """The output that a board file's entry describes."""
    feedback = motion.scaled(io, cfg) if "position" in cfg else None
    return PCA9685(io.i2c(cfg["bus"]), cfg, feedback)
