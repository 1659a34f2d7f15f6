"""Virtual PMS5003 particulate matter sensor, written from its manual.

Source: Plantower PMS5003 series data manual V2.3 (2016): frame in appendix I, commands in appendix II, start-up and
output in sections 4 and 5 (active mode after power-on; 200 to 800 ms between frames while the concentration changes,
2.3 s while it does not; useful data 30 s after waking). The physical side: `ambient_ug_m3` and `standard_ug_m3` (PM1,
PM2.5, PM10 in ambient air and for the factory's particles) and `per_cm3` (particles over 0.3, 0.5, 1, 2.5, 5, 10 um).
While the fan gets up to speed the sensor shows less than there is.
"""

from .base import Clock, Range

FAST_NS, STABLE_NS, WARM_NS = 800_000_000, 2_300_000_000, 30_000_000_000
ANSWER_NS = 20_000_000
COMMAND_BYTES = 7
SET_MODE, READ_PASSIVE, SET_SLEEP = 0xE1, 0xE2, 0xE4


class PMS5003:
    """The sensor. `silent`: the wire to the board is cut; `corrupt`: each frame's sum is wrong."""

    baud = 9600

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ambient_ug_m3 = [4.0, 8.0, 11.0]
        self.standard_ug_m3 = [4.0, 8.0, 11.0]
        self.per_cm3 = [9.0, 2.6, 0.5, 0.1, 0.05, 0.02]
        self.silent = False
        self.corrupt = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """Range in which masses mean something (0 to 1000) and what a count's 16 bits hold, half a digit."""
        ranges = {f"ambient_ug_m3[{number}]": Range(0.0, 1000.0, 0.5) for number in range(3)}
        ranges |= {f"standard_ug_m3[{number}]": Range(0.0, 1000.0, 0.5) for number in range(3)}
        return ranges | {f"per_cm3[{number}]": Range(0.0, 655.35, 0.00501) for number in range(6)}

    def power_on(self) -> None:
        """Active mode, fan off to on."""
        self.active = self.awake = True
        self._woken_ns = self._clock()
        self._next_ns = self._woken_ns + FAST_NS
        self._received = b""
        self._answers: list[tuple[int, bytes]] = []
        self._last = b""

    def receive(self, data: bytes) -> None:
        """Take bytes from the board: commands of seven bytes; what is none is passed over."""
        self._received += data
        while len(self._received) >= COMMAND_BYTES:
            command = self._received[:COMMAND_BYTES]
            if command[:2] == b"\x42\x4d" and sum(command[:5]) == int.from_bytes(command[5:], "big"):
                self._received = self._received[COMMAND_BYTES:]
                self._execute(command[2], command[4])
            else:
                self._received = self._received[1:]

    def tick(self, now_ns: int) -> bytes:
        """What the sensor sends by this time; late ticks skip frames."""
        due = [data for at_ns, data in self._answers if at_ns <= now_ns]
        self._answers = [(at_ns, data) for at_ns, data in self._answers if at_ns > now_ns]
        if self.awake and self.active and now_ns >= self._next_ns:
            due.append(self._streamed(now_ns))
        return b"" if self.silent else b"".join(due)

    def next_ns(self) -> int:
        """When there is something to send next."""
        return min([self._next_ns, *(at_ns for at_ns, _ in self._answers)])

    def frame(self, now_ns: int) -> bytes:
        """The 32 bytes for the air at this time."""
        speed = min(1.0, (now_ns - self._woken_ns) / WARM_NS)
        values = [*self.standard_ug_m3, *self.ambient_ug_m3, *(100 * number for number in self.per_cm3)]
        words = [max(0, min(0xFFFF, round(value * speed))) for value in values]
        body = b"\x42\x4d" + b"".join(word.to_bytes(2, "big") for word in (28, *words, 0x9700))
        return body + self._check(body)

    def _streamed(self, now_ns: int) -> bytes:
        data = self.frame(now_ns)
        self._next_ns = now_ns + (STABLE_NS if data == self._last else FAST_NS)
        self._last = data
        return data

    def _execute(self, command: int, data: int) -> None:
        now = self._clock()
        if command == SET_SLEEP:
            if data and not self.awake:
                self._woken_ns, self._next_ns = now, now + FAST_NS
            self.awake = bool(data)
            self._answer(now, command, data)
        elif self.awake and command == SET_MODE:
            self.active, self._next_ns = bool(data), now + FAST_NS
            self._answer(now, command, data)
        elif self.awake and command == READ_PASSIVE and not self.active:
            self._answers.append((now + ANSWER_NS, self.frame(now + ANSWER_NS)))

    def _answer(self, now_ns: int, command: int, data: int) -> None:
        body = bytes((0x42, 0x4D, 0x00, 0x04, command, data))
        self._answers.append((now_ns + ANSWER_NS, body + self._check(body)))

    def _check(self, body: bytes) -> bytes:
        return (sum(body) ^ (0x55 if self.corrupt else 0)).to_bytes(2, "big")


def make(clock: Clock) -> PMS5003:
    """A sensor that was switched on just now."""
    return PMS5003(clock)
