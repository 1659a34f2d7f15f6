"""GNSS receiver: sentences of the standard, dates that roll over, no fix, and the pulse per second."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import errors, nmea_gnss
from simulator.chips import nmea_gnss as chip_nmea_gnss

SERIAL = {
    "cfg": {"bus": "uart1"},
    "shows": {0: "latitude_deg", 1: "longitude_deg", 2: "altitude_m", 3: "speed_m_s", 4: "satellites", 5: "hdop"},
    "width": 6,
    "heap": 256,
}
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# NMEA 0183 as every description of it has it; the checksums are the published ones.
GGA = b"$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76\r\n"
RMC = b"$GPRMC,092750.000,A,5321.6802,N,00630.3372,W,0.02,31.66,280511,,,A*43\r\n"


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any, Any]:
    uart = bench.uart("uart1", 9600)
    uart.plug(chip_nmea_gnss.make(bench.clock.ns))
    return nmea_gnss.make(bench, {"bus": "uart1", **cfg}), uart.chip, uart


def fed(data: bytes, **cfg: Any) -> Any:
    """A driver that was started and has heard these bytes."""
    driver = nmea_gnss.NmeaGnss(Bytes(data), lambda: 0, None, {"bus": "uart1", **cfg})
    driver._started = True
    return driver


class Bytes:
    """A UART with bytes in it."""

    def __init__(self, data: bytes) -> None:
        self.left = bytearray(data)

    def any(self) -> int:
        return len(self.left)

    def readinto(self, buf: bytearray, count: int) -> int:
        count = min(count, len(self.left))
        buf[:count] = self.left[:count]
        del self.left[:count]
        return count


@pytest.mark.parametrize("sentence", [GGA, RMC])
def test_checksums_of_the_standard(sentence: bytes) -> None:
    end = sentence.index(b"*")
    assert nmea_gnss.checksum(sentence, 1, end) == int(sentence[end + 1 : end + 3], 16)


def test_sentences_of_the_standard() -> None:
    """53 deg 21.6802' N, 6 deg 30.3372' W, 61.7 m, 0.02 knots, eight satellites."""
    values = [0.0] * 6
    driver = fed(GGA + RMC, not_before=2011)
    assert driver.read_into(values) == 0
    assert values == pytest.approx([53.361337, -6.505620, 61.7, 0.0102889, 8, 1.03], abs=1e-6)
    assert EPOCH + timedelta(seconds=driver.utc_s) == datetime(2011, 5, 28, 9, 27, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("degrees", "minutes", "negative", "expected"),
    [(0, 0, False, 0.0), (48, 704_000, False, 48.11733333), (179, 5_999_999, True, -179.99999983)],
)
def test_degrees(degrees: int, minutes: int, negative: bool, expected: float) -> None:
    assert nmea_gnss.compensate_degrees(degrees, minutes, negative) == pytest.approx(expected, abs=1e-8)


def test_a_knot_is_1852_metres_an_hour() -> None:
    assert nmea_gnss.compensate_speed(100) == pytest.approx(0.514444, abs=1e-6)


@pytest.mark.parametrize(
    ("ticks_us", "pulses", "ppm"),
    [(1_000_000, 1, 0), (999_950, 1, -50), (10_000_300, 10, 30), ((2000 * 1_000_020) % (1 << 30), 2000, 20)],
)
def test_how_much_a_clock_gains(ticks_us: int, pulses: int, ppm: float) -> None:
    assert nmea_gnss.compensate_clock(ticks_us, pulses) == pytest.approx(ppm)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)))
def test_dates_count_as_the_calendar_does(at: datetime) -> None:
    found = nmea_gnss.utc_seconds(int(f"{at:%d%m%y}"), int(f"{at:%H%M%S}"), 2000)
    assert timedelta(seconds=found) == at.replace(microsecond=0) - datetime(2000, 1, 1)


@given(st.datetimes(datetime(2024, 1, 1), datetime(2043, 8, 1)), st.integers(0, 2))
def test_a_receiver_that_lost_weeks_gets_them_back(at: datetime, rolled: int) -> None:
    """Week numbers have ten bits: they began anew in 1999 and 2019, and will in 2038."""
    at = at.replace(microsecond=0)
    told = at - timedelta(weeks=1024 * rolled)
    if told.year < 2000:
        return
    found = nmea_gnss.utc_seconds(int(f"{told:%d%m%y}"), int(f"{told:%H%M%S}"), 2024)
    assert timedelta(seconds=found) == at - datetime(2000, 1, 1)


@pytest.mark.parametrize("weeks_behind", [0, 1024])
def test_midnight_and_rolled_over_weeks(bench: Any, weeks_behind: int) -> None:
    driver, chip, _ = wired(bench)
    chip.weeks_behind = weeks_behind
    began = None
    for _ in range(40):
        bench.acquire(driver, 6)
        began = began or driver.utc_s
        bench.clock.advance_ms(100)
    assert EPOCH + timedelta(seconds=driver.utc_s) > datetime(2026, 11, 29, tzinfo=UTC)
    assert 30 < driver.utc_s - began < 120


def test_no_fix_is_no_reading_and_never_a_zero(bench: Any) -> None:
    driver, chip, _ = wired(bench)
    bench.acquire(driver, 6)
    chip.fix = False
    bench.clock.advance_ms(1500)
    values = [7.0] * 6
    with pytest.raises(errors.DriverError, match="no fix") as caught:
        for _ in range(99):
            driver.start()
            while wait_ms := driver.read_into(values):
                bench.clock.advance_ms(wait_ms)
    assert caught.value.code == errors.NOT_READY
    assert errors.quality_of(caught.value.code) == 4
    assert values != [0.0] * 6
    chip.fix = True
    bench.clock.advance_ms(1500)
    assert bench.acquire(driver, 6)[0] == pytest.approx(52.5)


def test_a_position_that_is_marked_void_is_none() -> None:
    """GGA may still have a place when RMC says V already."""
    void = RMC.replace(b",A,53", b",V,53")
    end = void.index(b"*")
    void = void[: end + 1] + f"{nmea_gnss.checksum(void, 1, end):02X}\r\n".encode()
    with pytest.raises(errors.DriverError, match="no fix"):
        fed(GGA + void).read_into([0.0] * 6)


def test_sentences_of_two_seconds_are_not_mixed() -> None:
    driver = fed(GGA + RMC.replace(b"092750", b"092751").replace(b"*43", b"*42"))
    driver._deadline_ms = 1
    assert driver.read_into([0.0] * 6) > 0


def pulse(bench: Any, chip: Any, ppm: float, start_ns: int) -> int:
    """Let the pulses since then reach the counter of a board whose clock gains so much; the time now."""
    counter = bench.pulse_counts["GP6"]
    now_ns = bench.clock.now_ns
    for at_ns in chip.pulses_ns(start_ns, now_ns):
        counter.count += 1
        counter.ticks_us = int(at_ns / 1000 * (1 + ppm / 1e6)) % (1 << 30)
    return int(now_ns)


@pytest.mark.parametrize("ppm", [-120.0, 0.0, 37.0])
def test_the_pulse_measures_the_boards_clock(bench: Any, ppm: float) -> None:
    driver, chip, _ = wired(bench, pps_pin="GP6")
    values, seen_ns = [0.0] * 7, bench.clock.now_ns
    for _ in range(3):
        bench.clock.advance_ms(5000)
        seen_ns = pulse(bench, chip, ppm, seen_ns)
        wait_ms = driver.start()
        while wait_ms:
            bench.clock.advance_ms(wait_ms)
            seen_ns = pulse(bench, chip, ppm, seen_ns)
            wait_ms = driver.read_into(values)
        assert values[6] == pytest.approx(ppm, abs=1.1)


def test_a_pulse_that_is_wired_and_missing_is_named(bench: Any) -> None:
    driver, _, _ = wired(bench, pps_pin="GP6")
    with pytest.raises(errors.DriverError, match="no pulse per second") as caught:
        bench.acquire(driver, 7)
    assert caught.value.code == errors.NOT_READY


def test_channels_follow_the_pulse() -> None:
    assert len(nmea_gnss.channels({})) == 6
    assert nmea_gnss.channels({"pps_pin": "GP6"})[-1][0] == "clock_error"


@given(noise=st.binary(max_size=300))
def test_garbage_before_sentences_does_no_harm(noise: bytes) -> None:
    driver = fed(noise + b"\r\n" + GGA + RMC, not_before=2011)
    values = [0.0] * 6
    driver._deadline_ms = 1
    while driver.read_into(values):
        pass
    assert values[0] == pytest.approx(53.361337, abs=1e-6)


@given(text=st.text("0123456789.,NSEWAV-", min_size=1, max_size=70), kind=st.sampled_from(["GGA,", "RMC,", "GGA"]))
def test_sound_sentences_of_nonsense_do_no_harm(text: str, kind: str) -> None:
    """A right checksum makes no number of an empty field, and no field of an end."""
    body = ("GP" + kind + text).encode()
    sentence = b"$" + body + f"*{nmea_gnss.checksum(body, 0, len(body)):02X}\r\n".encode()
    driver = fed(sentence * 2)
    driver._drain()
    assert driver._sound
