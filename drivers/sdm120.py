"""SDM120 single-phase energy meter (Eastron), Modbus RTU over RS-485, function 4.

Manual: Eastron SDM120-Modbus user manual and protocol implementation V2.4 (input registers, IEEE 754, high word first).

| channel       | property              | unit | range              | sigma |
|---------------|-----------------------|------|--------------------|-------|
| voltage       | voltage               | V    | 0 .. 300           | 0.6   |
| current       | electric_current      | A    | 0 .. 60            | 0.1   |
| power         | active_power          | W    | -15000 .. 15000    | 10    |
| apparent      | apparent_power        | V.A  | 0 .. 15000         | 10    |
| reactive      | reactive_power        | var  | -15000 .. 15000    | 20    |
| power_factor  | power_factor          | 1    | -1 .. 1            | 0.01  |
| frequency     | frequency             | Hz   | 40 .. 70           | 0.05  |
| imported      | imported_active_energy | kW.h | 0 .. 999999.99    | 0.01  |
| exported      | exported_active_energy | kW.h | 0 .. 999999.99    | 0.01  |

    meter = make(io, {"bus": "uart1"})
    wait_ms = meter.start()
    while wait_ms := meter.read_into(values):
        ...                         # come back after wait_ms: it answers in its own time, and is asked twice

Board file keys: `bus`; `baud` (2400, as delivered; set it on the meter); `unit` (1): its Modbus address;
`patience_ms` (1000): how long an answer may take. The DE pin of the transceiver and its turnaround belong to the
board file's [uarts]: docs/firmware.md.
Limits: one meter a UART. Two questions a reading, as a meter refuses more than 30 parameters at once. At 2400 baud a
reading takes 0.6 s. Accuracy class 1 (active energy) holds from 0.25 A on; sigma of power is that of a 2 kW load.
"""

import struct

from .errors import BAD_CHECKSUM, NOT_READY, SILENT, TIMEOUT, DriverError, check_range
from .modbus import OVERHEAD_BYTES, answer_ends, check_answer, frame_ms, gap_ms, read_request

CHANNELS = (
    ("voltage", "voltage", "V", 0, 300, 0.6, 0.1, 1.2, 1),
    ("current", "electric_current", "A", 0, 60, 0.1, 0.001, 0.25, 1),
    ("power", "active_power", "W", -15000, 15000, 10, 1, 20, 1),
    ("apparent", "apparent_power", "V.A", 0, 15000, 10, 1, 20, 1),
    ("reactive", "reactive_power", "var", -15000, 15000, 20, 1, 40, 1),
    ("power_factor", "power_factor", "1", -1, 1, 0.01, 0.001, 0.01, 1),
    ("frequency", "frequency", "Hz", 40, 70, 0.05, 0.01, 0.1, 1),
    ("imported", "imported_active_energy", "kW.h", 0, 999999.99, 0.01, 0.01, 0, 1),
    ("exported", "exported_active_energy", "kW.h", 0, 999999.99, 0.01, 0.01, 0, 1),
)
PERIOD_MIN_MS = 1000

_REG_VOLTAGE = 0x0000  # then 6: current, 12: active, 18: apparent, 24: reactive power, 30: power factor
_REG_FREQUENCY = 0x0046  # then 72: imported, 74: exported energy
_LIVE_REGISTERS, _LIVE_STEP = 32, 6
_SLOW_REGISTERS, _SLOW_STEP = 6, 2
_LIVE_VALUES, _SLOW_VALUES = 6, 3
_PATTERNS = (">6f", ">3f")
_LOOK_MS = 30
_MAX_READS = 16


def compensate_floats(pattern: str, packed) -> tuple:
    """Values in their units from four bytes each: IEEE 754, high word and high byte first (`pattern` as ">6f")."""
    return struct.unpack(pattern, packed)


class SDM120:
    """The meter at the far end of a UART with an RS-485 transceiver."""

    def __init__(self, uart, millis, cfg) -> None:
        unit, baud = cfg.get("unit", 1), cfg.get("baud", 2400)
        self._uart = uart
        self._millis = millis
        self._name = cfg["bus"]
        self._unit = unit
        self._patience_ms = cfg.get("patience_ms", 1000)
        self._gap_ms = gap_ms(baud)
        self._requests = (
            read_request(unit, _REG_VOLTAGE, _LIVE_REGISTERS),
            read_request(unit, _REG_FREQUENCY, _SLOW_REGISTERS),
        )
        self._wait_ms = tuple(
            [frame_ms(8 + 2 * count + OVERHEAD_BYTES, baud) for count in (_LIVE_REGISTERS, _SLOW_REGISTERS)]
        )
        self._answer = bytearray(2 * _LIVE_REGISTERS + OVERHEAD_BYTES)
        self._packed = (bytearray(4 * _LIVE_VALUES), bytearray(4 * _SLOW_VALUES))
        self._chunk = bytearray(32)
        self._fill = self._part = self._deadline_ms = 0
        self._heard_ms = -self._gap_ms - 1
        self._started = self._resting = False
        self._too_long = False

    def start(self) -> int:
        """Ask for voltage to power factor; wait in ms before `read_into`. Raises: DriverError."""
        self._started = False
        self._part = 0
        self._resting = self._millis() - self._heard_ms <= self._gap_ms
        wait_ms = self._gap_ms if self._resting else self._ask()
        self._started = True
        return wait_ms

    def read_into(self, values) -> int:
        """Put the nine values in `values`, or only some yet: ms to wait before the next call. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started, resting, self._resting = False, self._resting, False
        wait_ms = self._ask() if resting else self._listen(values)
        self._started = wait_ms > 0
        return wait_ms

    def where(self) -> str:
        """The meter, its address and its UART, for people."""
        return f"SDM120 unit {self._unit} on {self._name}"

    def _ask(self) -> int:
        """Throw away what came unasked, and ask for the present part."""
        self._receive()
        self._fill, self._too_long = 0, False
        request = self._requests[self._part]
        if self._uart.write(request) != len(request):
            raise DriverError(TIMEOUT, self.where() + ": the UART takes no bytes")
        self._deadline_ms = self._millis() + self._wait_ms[self._part] + self._patience_ms
        return self._wait_ms[self._part]

    def _listen(self, values) -> int:
        """Take the answer when it is whole; 0 after the last part."""
        self._receive()
        ends = answer_ends(self._answer, self._fill)
        if self._too_long or (ends and self._fill > ends):
            raise DriverError(BAD_CHECKSUM, self.where() + ": more bytes than an answer has")
        if not ends or self._fill < ends:
            return self._later()
        check_answer(self._answer, self._fill, self._requests[self._part], self)
        self._convert(values)
        if self._part:
            check_range(CHANNELS, values, self)
            return 0
        self._part, self._resting = 1, True
        return self._gap_ms

    def _later(self) -> int:
        if self._millis() < self._deadline_ms:
            return _LOOK_MS
        if self._fill:
            raise DriverError(BAD_CHECKSUM, self.where() + f": {self._fill} bytes, but no whole answer")
        raise DriverError(SILENT, self.where() + f": no answer within {self._patience_ms} ms")

    def _convert(self, values) -> None:
        packed, step = self._packed[self._part], _SLOW_STEP if self._part else _LIVE_STEP
        for index in range(len(packed)):
            packed[index] = self._answer[3 + 2 * step * (index // 4) + index % 4]
        found, first = compensate_floats(_PATTERNS[self._part], packed), _LIVE_VALUES * self._part
        for index in range(len(found)):
            values[first + index] = found[index]

    def _receive(self) -> None:
        for _ in range(_MAX_READS):
            if not self._uart.any():
                return
            count = self._uart.readinto(self._chunk, len(self._chunk)) or 0
            self._heard_ms = self._millis()
            for index in range(count):
                if self._fill == len(self._answer):
                    self._too_long = True
                    return
                self._answer[self._fill] = self._chunk[index]
                self._fill += 1


def make(io, cfg) -> SDM120:
    """The meter that a board file's entry describes."""
    return SDM120(io.uart(cfg["bus"], cfg.get("baud", 2400)), io.millis, cfg)
