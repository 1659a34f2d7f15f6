"""A02YYUW ultrasonic distance sensor (DYP / DFRobot SEN0311), UART with automatic output.

Datasheet: DYP-A02YYUW output interface manual V1.0 (section 3, UART automatic output).

| channel  | property | unit | range      | sigma |
|----------|----------|------|------------|-------|
| distance | distance | mm   | 30 .. 4500 | 5     |

    sensor = make(io, {"bus": "uart1"})
    wait_ms = sensor.start()
    sensor.read_into(values)        # values[0]: mm from the sensor's face to the water

Below 500 ms: the interrupt of the UART takes every byte; a reading is the newest of its frames.
Board file keys: `bus`; `baud` (9600); `max_age_ms` (150): a frame older than this is no reading.
Limits: blind zone of 30 mm; a narrow beam of about 60 degrees sees walls and weeds; speed of sound is
compensated inside the sensor for its own temperature only. The sensor sends a frame every 100 ms in its own
time, so a reading is the newest frame that arrived at most `max_age_ms` ago.
"""

from .errors import BAD_CHECKSUM, OUT_OF_RANGE, SILENT, DriverError

CHANNELS = (("distance", "distance", "mm", 30, 4500, 5, 1, 10, 0.3),)
PERIOD_MIN_MS = 100

_HEADER = 0xFF
_FRAME_BYTES = 4
_RANGE_MIN_MM = 30
_RANGE_MAX_MM = 4500
_MAX_READS = 16
_FIFO_MS = 500  # a UART with 32 bytes is full after 800 ms; then it keeps the oldest frames, not the newest


def frame_ok(frame) -> bool:
    """Whether four bytes are a frame: header, high, low, and the sum of the three modulo 256."""
    return frame[0] == _HEADER and (frame[0] + frame[1] + frame[2]) & 0xFF == frame[3]


def compensate_distance(high: int, low: int) -> int:
    """Distance in mm from the frame's two data bytes."""
    return (high << 8) | low


class A02YYUW:
    """The sensor at the end of a UART."""

    def __init__(self, uart, millis, max_age_ms: int = 150, name: str = "uart") -> None:
        self._uart = uart
        self._millis = millis
        self._max_age_ms = max_age_ms
        self._name = name
        self._chunk = bytearray(32)
        self._frame = bytearray(_FRAME_BYTES)
        self._fill = 0
        self._distance_mm = -1
        self._arrived_ms = 0
        self._bytes_ms = self._drained_ms = -1000000
        self.bad_frames = 0

    def start(self) -> int:
        """Wait in ms before `read_into`: none, unless what waits in the UART may be old and was thrown away."""
        now = self._millis()
        if now - self._drained_ms <= _FIFO_MS:
            return 0
        self._drain(now)
        self._fill = 0
        self._distance_mm = -1
        return self._max_age_ms

    def read_into(self, values) -> None:
        """Put the distance in mm in `values[0]`. Raises: DriverError."""
        now = self._millis()
        self._drain(now)
        if self._distance_mm < 0 or now - self._arrived_ms > self._max_age_ms:
            self._raise_nothing(now)
        if not _RANGE_MIN_MM <= self._distance_mm <= _RANGE_MAX_MM:
            self._raise_range()
        values[0] = self._distance_mm

    def _drain(self, now: int) -> None:
        self._drained_ms = now
        for _ in range(_MAX_READS):
            if not self._uart.any():
                return
            count = self._uart.readinto(self._chunk, len(self._chunk)) or 0
            for index in range(count):
                self._take(self._chunk[index], now)
            self._bytes_ms = now

    def _take(self, byte: int, now: int) -> None:
        self._frame[self._fill] = byte
        self._fill += 1
        if self._frame[0] != _HEADER:
            self._fill = 0
        elif self._fill == _FRAME_BYTES:
            self._complete(now)

    def _complete(self, now: int) -> None:
        frame = self._frame
        if frame_ok(frame):
            self._distance_mm = compensate_distance(frame[1], frame[2])
            self._arrived_ms = now
            self._fill = 0
            return
        self.bad_frames += 1
        self._resynchronise()

    def _resynchronise(self) -> None:
        """Start again at the next header inside the bytes of a bad frame."""
        frame = self._frame
        self._fill = 0
        for start in range(1, _FRAME_BYTES):
            if frame[start] == _HEADER:
                self._fill = _FRAME_BYTES - start
                for index in range(self._fill):
                    frame[index] = frame[start + index]
                return

    def _raise_nothing(self, now: int) -> None:
        if now - self._bytes_ms <= self._max_age_ms:
            raise DriverError(BAD_CHECKSUM, f"A02YYUW on {self._name}: bytes but no valid frame")
        raise DriverError(SILENT, f"A02YYUW on {self._name}: nothing for {self._max_age_ms} ms")

    def _raise_range(self) -> None:
        text = f"A02YYUW on {self._name}: {self._distance_mm} mm, outside 30 to 4500"
        raise DriverError(OUT_OF_RANGE, text)


def make(io, cfg) -> A02YYUW:
    """The sensor that a board file's entry describes."""
    uart = io.uart(cfg["bus"], cfg.get("baud", 9600))
    return A02YYUW(uart, io.millis, cfg.get("max_age_ms", 150), cfg["bus"])
