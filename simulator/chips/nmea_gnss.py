"""Virtual satellite receiver that speaks NMEA 0183, written from the standard.

Source: NMEA 0183 version 4.10 (sentences GGA, GSA, RMC, VTG; checksum 5.3.1), u-blox M8 protocol description
UBX-13003221 R27 chapter 31 (what a receiver leaves empty without a fix) and its data sheet (burst once a second, pulse
at the top of the second). The physical side: `latitude_deg`, `longitude_deg`, `altitude_m`, `speed_m_s`, `satellites`,
`hdop`, `fix`, and `utc`, the time at which it was switched on. `weeks_behind` = 1024 is a receiver whose week number
has rolled over.
"""

from datetime import UTC, datetime, timedelta

from .base import Clock, Range

SECOND_NS = 1_000_000_000
BURST_NS = 80_000_000  # from the pulse to the first byte
KNOT_M_S = 1852 / 3600


class NmeaGnss:
    """The receiver. `silent`: the wire is cut; `corrupt`: each checksum is wrong."""

    baud = 9600

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.latitude_deg, self.longitude_deg, self.altitude_m = 52.5, 13.25, 40.0
        self.speed_m_s, self.satellites, self.hdop = 0.0, 9.0, 0.9
        self.utc = datetime(2026, 11, 28, 23, 59, 30, tzinfo=UTC)
        self.weeks_behind = 0
        self.fix = True
        self.silent = self.corrupt = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """The whole earth, and what the sentences' digits show: 1/100000 minute, 0.1 m, 0.01 knot."""
        return {
            "latitude_deg": Range(-90.0, 90.0, 1e-7),
            "longitude_deg": Range(-180.0, 180.0, 1e-7),
            "altitude_m": Range(-400.0, 9000.0, 0.0501),
            "speed_m_s": Range(0.0, 100.0, 0.0026),
            "satellites": Range(4.0, 32.0, 0.5),
            "hdop": Range(0.5, 20.0, 0.00501),
        }

    def power_on(self) -> None:
        """The first second begins now."""
        self._began_ns = self._clock()
        self._sent = 0

    def receive(self, data: bytes) -> None:
        """Settings that the board sends are not modelled."""

    def tick(self, now_ns: int) -> bytes:
        """The burst of the newest second if it is due; late ticks skip those before."""
        second = (now_ns - BURST_NS - self._began_ns) // SECOND_NS
        if second <= self._sent:
            return b""
        self._sent = second
        return b"" if self.silent else self.burst(second)

    def next_ns(self) -> int:
        """When the next burst is due."""
        return self._began_ns + BURST_NS + (self._sent + 1) * SECOND_NS

    def pulses_ns(self, start_ns: int, end_ns: int) -> list[int]:
        """Times of the pulses after start up to end; none without a fix."""
        first = (start_ns - self._began_ns) // SECOND_NS + 1
        last = (end_ns - self._began_ns) // SECOND_NS
        return [self._began_ns + number * SECOND_NS for number in range(first, last + 1)] if self.fix else []

    def burst(self, second: int) -> bytes:
        """All sentences of the second that began `second` seconds after it was switched on."""
        at = self.utc + timedelta(seconds=second, weeks=-self.weeks_behind)
        sentences = (self._rmc(at), self._vtg(), self._gga(at), self._gsa())
        return b"".join(self._framed(text) for text in sentences)

    def _gga(self, at: datetime) -> str:
        if not self.fix:
            return f"GNGGA,{at:%H%M%S}.00,,,,,0,00,99.99,,,,,,"
        place = f"{self._place()},1,{round(self.satellites):02d},{self.hdop:.2f}"
        return f"GNGGA,{at:%H%M%S}.00,{place},{self.altitude_m:.1f},M,44.7,M,,"

    def _rmc(self, at: datetime) -> str:
        if not self.fix:
            return f"GNRMC,{at:%H%M%S}.00,V,,,,,,,{at:%d%m%y},,,N"
        return f"GNRMC,{at:%H%M%S}.00,A,{self._place()},{self.speed_m_s / KNOT_M_S:.2f},,{at:%d%m%y},,,A"

    def _vtg(self) -> str:
        speed = f"{self.speed_m_s / KNOT_M_S:.3f},N,{self.speed_m_s * 3.6:.3f},K,A"
        return f"GNVTG,,T,,M,{speed}" if self.fix else "GNVTG,,,,,,,,,N"

    def _gsa(self) -> str:
        return f"GNGSA,A,{3 if self.fix else 1},{',' * 11},1.60,{self.hdop:.2f},1.30"

    def _place(self) -> str:
        north, east = self.latitude_deg >= 0, self.longitude_deg >= 0
        return f"{_ddmm(self.latitude_deg, 2)},{'NS'[not north]},{_ddmm(self.longitude_deg, 3)},{'EW'[not east]}"

    def _framed(self, text: str) -> bytes:
        total = 0
        for character in text.encode():
            total ^= character
        return f"${text}*{total ^ (0x11 if self.corrupt else 0):02X}\r\n".encode()


def _ddmm(degrees: float, digits: int) -> str:
    """Whole degrees and minutes with five decimals, without a sign."""
    whole, rest = divmod(round(abs(degrees) * 60 * 100_000), 60 * 100_000)
    return f"{whole:0{digits}d}{rest / 100_000:08.5f}"


def make(clock: Clock) -> NmeaGnss:
    """A receiver that was switched on just now."""
    return NmeaGnss(clock)
