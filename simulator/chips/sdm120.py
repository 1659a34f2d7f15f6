"""Virtual SDM120 energy meter on its RS-485 line, written from its manual.

Source: Eastron SDM120-Modbus user manual and protocol implementation V2.4: input registers 0x0000 to 0x0158 (IEEE 754,
high word first, two registers a parameter; unused ones are 0), holding registers, at most 30 parameters a question;
Modbus over serial line V1.02 (silence of 3.5 characters between frames, checksum) and application protocol V1.1b3
(exceptions). The physical side: `voltage_v`, `current_a` (what flows in), `phase_rad`, `frequency_hz`,
`imported_kwh`, `exported_kwh`. Negative power is exported.
"""

import math
import struct

from .base import Clock, Range

READ_HOLDING, READ_INPUT = 3, 4
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY = 1, 2, 3, 6
MOST_PARAMETERS = 30
LAST_REGISTER = 0x0159
ANSWER_NS = 25_000_000
BITS_PER_CHARACTER = 10


class SDM120:
    """The meter. `silent`: the line is cut; `corrupt`: each checksum is wrong; `busy`: it answers with exception 6."""

    def __init__(self, clock: Clock, unit: int = 1, baud: int = 2400) -> None:
        self._clock = clock
        self.unit = unit
        self.baud = baud
        self.voltage_v = 230.0
        self.current_a = 4.0
        self.phase_rad = 0.3
        self.frequency_hz = 50.0
        self.imported_kwh = 1234.5
        self.exported_kwh = 6.25
        self.silent = self.corrupt = self.busy = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """What the type plate allows, and what is lost in a 32-bit float."""
        return {
            "voltage_v": Range(176.0, 276.0, 1e-4),
            "current_a": Range(0.25, 45.0, 1e-5),
            "frequency_hz": Range(45.0, 65.0, 1e-5),
            "imported_kwh": Range(0.0, 900_000.0, 0.04),
            "exported_kwh": Range(0.0, 900_000.0, 0.04),
        }

    def power_on(self) -> None:
        """Nothing heard, nothing to say."""
        self._heard = b""
        self._heard_ns = 0
        self._answers: list[tuple[int, bytes]] = []

    def receive(self, data: bytes) -> None:
        """Take bytes from the line. A pause of 3.5 characters before them begins a frame."""
        now = self._clock()
        gap_ns = 3.5 * BITS_PER_CHARACTER * 1e9 / self.baud
        too_soon = now - self._heard_ns < gap_ns
        if self._answers or (too_soon and not self._heard):
            self._heard_ns = now  # it talks, or nobody left it the silence that ends a frame: not for it
            return
        if not too_soon:
            self._heard = b""
        self._heard += data
        self._heard_ns = now + round(len(data) * BITS_PER_CHARACTER * 1e9 / self.baud)
        if len(self._heard) >= 8:
            frame, self._heard = self._heard, b""
            self._answer(frame)

    def tick(self, now_ns: int) -> bytes:
        """What the meter sends by this time."""
        due = b"".join(data for at_ns, data in self._answers if at_ns <= now_ns)
        if due:
            self._answers = [(at_ns, data) for at_ns, data in self._answers if at_ns > now_ns]
            self._heard_ns = now_ns + round(len(due) * BITS_PER_CHARACTER * 1e9 / self.baud)
        return b"" if self.silent else due

    def next_ns(self) -> int:
        """When there is something to send next."""
        return min((at_ns for at_ns, _ in self._answers), default=self._clock() + 1_000_000_000)

    def _answer(self, frame: bytes) -> None:
        """Answer a frame that is sound and for this unit, keep silent otherwise."""
        if len(frame) != 8 or checksum(frame) or frame[0] != self.unit:
            return
        function, first, count = struct.unpack(">xBHH", frame[:6])
        body = self._registers(function, first, count)
        sent = bytes((self.unit,)) + body
        crc = checksum(sent) ^ (0x0F0F if self.corrupt else 0)
        at_ns = self._heard_ns + ANSWER_NS
        self._answers.append((at_ns, sent + crc.to_bytes(2, "little")))

    def _registers(self, function: int, first: int, count: int) -> bytes:
        problem = self._refusal(function, first, count)
        if problem:
            return bytes((function | 0x80, problem))
        values = self._holding() if function == READ_HOLDING else self._input()
        words = b"".join(struct.pack(">f", values.get(first + at, 0.0)) for at in range(0, count, 2))
        return bytes((function, len(words))) + words

    def _refusal(self, function: int, first: int, count: int) -> int:
        if function not in (READ_HOLDING, READ_INPUT):
            return ILLEGAL_FUNCTION
        if count == 0 or count > 2 * MOST_PARAMETERS:
            return ILLEGAL_VALUE
        if first % 2 or count % 2 or first + count - 1 > LAST_REGISTER:
            return ILLEGAL_ADDRESS
        return BUSY if self.busy else 0

    def _input(self) -> dict[int, float]:
        apparent = self.voltage_v * abs(self.current_a)
        active = apparent * math.cos(self.phase_rad) * (1 if self.current_a >= 0 else -1)
        return {
            0x00: self.voltage_v,
            0x06: abs(self.current_a),
            0x0C: active,
            0x12: apparent,
            0x18: apparent * math.sin(self.phase_rad),
            0x1E: active / apparent if apparent else 1.0,
            0x46: self.frequency_hz,
            0x48: self.imported_kwh,
            0x4A: self.exported_kwh,
            0x156: self.imported_kwh + self.exported_kwh,
        }

    def _holding(self) -> dict[int, float]:
        """Meter id and baud rate number, as far as anyone asks."""
        return {0x14: float(self.unit), 0x1C: float({2400: 0, 4800: 1, 9600: 2, 1200: 5}.get(self.baud, 0))}


def checksum(data: bytes) -> int:
    """CRC-16 with the generator x^16 + x^15 + x^2 + 1, low bit first, start 0xFFFF; 0 over a sound frame."""
    crc = 0xFFFF
    for byte in data:
        for bit in range(8):
            mixed = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ 0xA001 * mixed
    return crc


def make(clock: Clock, unit: int = 1, baud: int = 2400) -> SDM120:
    """A meter as it is delivered: unit 1, 2400 baud."""
    return SDM120(clock, unit, baud)
