"""Event time from the board's crystal to the city's store: right, or flagged that it is not.

The real firmware core, edge core and city; what is wrong are crystals, the edge's host clock, and links.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aggregator.store import reader

from .whole_river import US, UTC_US, WRAP, River, in_1970, right, true_utc

WEEKS_US = 14 * 86_400 * US


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[River] = []

    def new(**kinds: Any) -> River:
        made.append(River(tmp_path, **kinds))
        return made[-1]

    yield new
    for one in made:
        one.close()


def samples(world: River, thing: str = "river-1") -> list[tuple[int, int | None]]:
    """Return (stamp, event time) of what the city has of a Thing."""
    with reader.samples(world.store.folder) as query:
        rows = query.execute("SELECT stamp_us, t_utc_us FROM samples WHERE thing = ? ORDER BY stamp_us", [thing])
        return rows.fetchall()


def errors_us(world: River) -> list[int | None]:
    """Return how far the event time of each sample is from the truth; None: flagged."""
    found = [(None if t is None else t - true_utc(world.board.moment(stamp))) for stamp, t in samples(world)]
    assert found
    return found


def worst_us(world: River) -> int:
    """Return the largest error of all samples, none of which may be flagged."""
    found = errors_us(world)
    return 10**12 if None in found else max(abs(error) for error in found if error is not None)


@pytest.mark.parametrize("ppm", [-500.0, 500.0])
def test_a_crystal_500_ppm_off_whose_ticks_wrap(make: Any, ppm: float) -> None:
    world = make(ppm=ppm, first_stamp_us=WRAP - 5 * US)
    world.run(20)
    assert worst_us(world) < 10_000
    assert {stamp // WRAP for stamp, _ in samples(world)} == {0, 1}, "the ticks did wrap"
    own = [t for _, t in samples(world, "edge-1")]
    assert own and None not in own


def test_1970_at_boot_is_flagged_and_right_once_a_time_server_is_found(make: Any) -> None:
    world = make(ppm=100.0, utc=in_1970)
    world.run(8)
    assert set(errors_us(world)) == {None}
    (shown,) = [row for row in latest(world) if row["datastream"] == "river-1/water_level"]
    assert shown["synced"] is False and shown["t_utc_us"] is None and shown["age_s"] < 2
    world.utc = right
    world.run(10)
    assert worst_us(world) < 12_000
    assert all(t is not None for _, t in samples(world, "edge-1")), "what the node made itself, too"
    (shown,) = [row for row in latest(world) if row["datastream"] == "river-1/water_level"]
    assert shown["synced"] is True
    assert not world.core.clocks.log.unacked, "the city has every record"


def latest(world: River) -> list[dict[str, Any]]:
    now = world.city.now(world.now_us)
    return world.city.host.latest.rows(world.city.registry, now.utc_us, 1.0, now.us)


@pytest.mark.parametrize("off_us", [-WEEKS_US, WEEKS_US])
def test_a_clock_two_weeks_off_that_claims_to_be_right_and_jumps(make: Any, off_us: int) -> None:
    """While it lies nobody can know; from the jump on it is flagged, then all of it is mended."""
    world = make(ppm=-50.0, utc=lambda now_us: (true_utc(now_us) + off_us, True))
    world.run(10)
    before = len(samples(world))
    world.utc = right
    world.run(6)
    assert None in errors_us(world)[before:], "a clock that contradicts itself is no time"
    world.run(12)
    assert worst_us(world) < 12_000


def test_a_restart_of_the_node_before_it_knew_the_time_loses_no_times(make: Any) -> None:
    """The board ran on: what the first start stored without event time gets it from the second."""
    world = make(ppm=300.0, utc=in_1970)
    world.run(10)
    world.start_edge()
    world.run(5)
    assert set(errors_us(world)) == {None}
    world.utc = right
    world.run(25)
    assert worst_us(world) < 30_000


def test_a_board_alone_for_an_hour_is_placed_between_what_is_known(make: Any) -> None:
    world = make(ppm=250.0)
    world.run(10)
    world.wired = False
    for _ in range(60):
        world.now_us += 59 * US
        world.run(1)
    world.wired = True
    world.run(30)
    found = [error for error in errors_us(world) if error is not None]
    assert len(found) > 50 and max(abs(error) for error in found) < 100_000
    assert max(t for _, t in samples(world) if t is not None) - UTC_US > 3600 * US


def test_records_wait_for_a_city_that_is_away_and_for_a_restart(make: Any) -> None:
    world = make(utc=in_1970)
    world.run(10)
    world.linked = False
    world.utc = right
    world.run(15)
    assert None in errors_us(world) and world.core.clocks.log.unacked
    world.start_edge()
    world.linked = True
    world.run(15)
    assert worst_us(world) < 12_000 and not world.core.clocks.log.unacked
