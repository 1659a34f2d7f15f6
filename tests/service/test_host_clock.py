"""What a host knows of UTC: 1970 at boot, weeks off, steps both ways, holdover, wrong claims."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.city_clock import CityClock
from service import host_time
from service.host_clock import DRIFT, MAX_SIGMA_US, RELEASED_UTC_US, SETTLE_US, HostClock, Look

US = 1_000_000
BOOT = 40 * US
UTC = RELEASED_UTC_US + 86_400 * US * 100
WEEKS = 14 * 86_400 * US


def true_utc(boottime_us: int) -> int:
    return UTC + boottime_us - BOOT


def looks(clock: HostClock, first_s: int, end_s: int, off_us: int = 0, synced: bool = True) -> None:
    """Look each second; the host's UTC is off by so much."""
    for s in range(first_s, end_s):
        at = BOOT + s * US
        clock.look(Look(at, true_utc(at) + off_us, synced))


def error_us(clock: HostClock, s: float) -> int:
    at = BOOT + round(s * US)
    return clock.at(at).event_utc_us(at) - true_utc(at)


def test_1970_is_a_guess_until_a_time_server_is_found_and_then_all_of_this_boot_is_known() -> None:
    clock = HostClock()
    looks(clock, 0, 100, off_us=-UTC, synced=False)
    assert not clock.synced(BOOT + 99 * US) and clock.history == 0
    looks(clock, 100, 102)
    assert clock.history == clock.jumps == 1
    for s in (0, 50, 101):
        piece = clock.at(BOOT + s * US)
        assert piece.synced and abs(error_us(clock, s)) <= piece.sigma_us
    assert clock.at(BOOT).sigma_us == pytest.approx(10_000 + 100 * US * DRIFT)


def test_a_time_before_the_release_is_no_time_whatever_the_host_says() -> None:
    clock = HostClock()
    looks(clock, 0, 5, off_us=RELEASED_UTC_US - UTC - 60 * US, synced=True)
    assert not clock.synced(BOOT + 4 * US) and clock.implausible == 5


@pytest.mark.parametrize("off_us", [-WEEKS, WEEKS])
def test_two_weeks_off_and_jumping_back(off_us: int) -> None:
    """Off while unsynchronised: flagged, then right. Off while it claims to be synchronised: mended when it jumps."""
    for claims in (False, True):
        clock = HostClock()
        looks(clock, 0, 60, off_us, synced=claims)
        assert clock.synced(BOOT + 59 * US) == claims
        looks(clock, 60, 65)
        assert clock.synced(BOOT + 64 * US) != claims, "what contradicts itself has to stand for a while"
        looks(clock, 65, 75)
        assert clock.synced(BOOT + 74 * US) and clock.jumps == 1
        assert max(abs(error_us(clock, s)) for s in (0, 30, 62, 74)) <= 10_000


def test_a_short_wrong_jump_is_never_believed() -> None:
    clock = HostClock()
    looks(clock, 0, 60)
    looks(clock, 60, 60 + SETTLE_US // US - 1, off_us=WEEKS)
    looks(clock, 70, 80)
    assert clock.jumps == 0 and clock.history == 1 and clock.synced(BOOT + 79 * US)
    assert error_us(clock, 65) == 0


@pytest.mark.parametrize("step_us", [-1_000_000, -50_000, 50_000, 1_000_000])
def test_a_small_step_counts_from_then_on(step_us: int) -> None:
    clock = HostClock()
    looks(clock, 0, 60)
    looks(clock, 60, 120, off_us=step_us)
    assert (error_us(clock, 30), error_us(clock, 90)) == (0, step_us)
    assert clock.synced(BOOT + 119 * US) and clock.history == 1 and clock.jumps == 0


def test_without_servers_the_last_offset_is_held_and_gets_unsure() -> None:
    clock = HostClock()
    looks(clock, 0, 60)
    looks(clock, 60, 70, off_us=3600 * US, synced=False)
    assert clock.synced(BOOT + 69 * US) and error_us(clock, 69) == 0, "a clock set by hand is no news"
    held_s = round((MAX_SIGMA_US - 10_000) / DRIFT / US)
    assert clock.synced(BOOT + (59 + held_s - 1) * US) and not clock.synced(BOOT + (59 + held_s + 1) * US)


def test_what_is_left_to_slew_is_part_of_the_uncertainty() -> None:
    clock = HostClock()
    for s in range(60):
        at = BOOT + s * US
        clock.look(Look(at, true_utc(at) - 300_000 + s * 5000, True, error_us=300_000 - s * 5000))
    for s in range(60):
        piece = clock.at(BOOT + s * US)
        assert abs(error_us(clock, s)) <= 3 * piece.sigma_us


def test_the_clock_of_a_demonstration_is_right_by_definition() -> None:
    clock = HostClock(CityClock(480.0, BOOT, UTC))
    looks(clock, 0, 5, off_us=-UTC, synced=False)
    assert clock.synced(BOOT) and clock.event_utc_us(BOOT + US) == UTC + 480 * US and clock.jumps == 0
    assert clock.boottime_us(UTC + 960 * US) == BOOT + 2 * US


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_whatever_the_host_did_once_it_stands_right_all_of_this_boot_is_right(seed: int) -> None:
    """Property: 12 spells of claims, steps and losses; after a last honest one every moment is right or flagged."""
    chance, clock, at = random.Random(seed), HostClock(), 0
    for _ in range(12):
        off = chance.choice([0, 0, -UTC, -WEEKS, WEEKS, 3600 * US, -500_000])
        n = chance.randrange(1, 30)
        looks(clock, at, at + n, off, synced=chance.random() < 0.6)
        at += n
    looks(clock, at, at + 15)
    assert clock.synced(BOOT + (at + 14) * US)
    for s in range(at + 15):
        piece = clock.at(BOOT + s * US)
        assert not piece.synced or abs(error_us(clock, s)) <= 3 * piece.sigma_us or abs(error_us(clock, s)) <= 500_000


def test_this_host_can_be_looked_at() -> None:
    before = host_time.boottime_us()
    seen = host_time.look(trusted=True)
    assert before <= seen.boottime_us <= host_time.boottime_us() and seen.synced
    told = host_time.look(kernel=lambda: (False, 0.0))
    assert not told.synced
    assert isinstance(host_time.kernel_says()[0], bool)
