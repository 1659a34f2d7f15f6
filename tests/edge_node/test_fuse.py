import numpy as np

from edge_node.config import FusionSection
from edge_node.fuse import Fusion
from processes.feed import Feed
from protocol import manifest
from protocol.city_link import Clock

from .scripted_board import records_of, river_manifest

UTC = 1_790_000_000_000_000
CLOCK = Clock(0, UTC, 480.0, 100.0, True)


def fusion() -> Fusion:
    made = Fusion("edge-1", "own-1", FusionSection(), UTC)
    assert made.learn(river_manifest()) and not made.learn(river_manifest())
    return made


def level(fused: Fusion, values: list[tuple[int, int, float]], clock: Clock = CLOCK):
    """Fuse (t_us, quality, value) of the level; return what the processes get to see."""
    records = records_of([(0, quality, t_us, value) for t_us, quality, value in values])
    batch = fused.fuse("river-1", clock, records, 5)
    if batch is None:
        return None
    (series,) = Feed().from_records("edge-1", fused.manifest, batch.clock, batch.records)
    assert batch.n == 2 * len(values) and series.datastream == "edge-1/river-1.water_level"
    return series


def test_mean_and_sigma_come_with_the_event_time_of_the_sample() -> None:
    fused = fusion()
    series = level(fused, [(t, 1, 1.0) for t in range(0, 2_000_000, 100_000)])
    assert series.t_utc_us.tolist() == [UTC + 480 * t for t in range(0, 2_000_000, 100_000)]
    assert np.allclose(series.value, 1.0) and (series.quality == 1).all()
    assert series.sigma[-1] < series.sigma[0] <= 0.005 + 1e-9


def test_a_dead_sensor_never_looks_alive() -> None:
    fused = fusion()
    before = level(fused, [(100_000, 9, float("nan"))])
    assert np.isnan(before.value[0]) and before.quality[0] == 9
    level(fused, [(200_000, 1, 1.0)])
    dead = level(fused, [(300_000, 9, float("nan")), (400_000, 4, 3.9)])
    assert dead.quality.tolist() == [9, 4] and np.allclose(dead.value, 1.0, atol=0.1)


def test_an_outlier_is_suspect() -> None:
    fused = fusion()
    level(fused, [(t, 1, 1.0) for t in range(0, 3_000_000, 100_000)])
    assert level(fused, [(3_000_000, 1, 3.5)]).quality.tolist() == [3]


def test_backlog_older_than_the_filter_passes_as_it_is() -> None:
    fused = fusion()
    level(fused, [(5_000_000, 1, 1.5)])
    old = level(fused, [(1_000_000, 1, 0.5)])
    assert np.allclose(old.value, 0.5) and np.allclose(old.sigma, 0.005) and old.quality.tolist() == [1]


def test_without_a_clock_or_a_fused_channel_there_is_nothing() -> None:
    fused = fusion()
    assert level(fused, [(0, 1, 1.0)], Clock(0, UTC, 1.0, 1.0, False)) is None
    assert fused.fuse("river-1", CLOCK, records_of([(1, 1, 5, 0.5)]), 5) is None
    assert fused.fuse("mast-1", CLOCK, records_of([(0, 1, 5, 0.5)]), 5) is None


def test_the_own_manifest_is_a_valid_one() -> None:
    made = fusion().manifest
    assert manifest.from_bytes(manifest.to_bytes(made)) == made
    assert [c.name for c in made.channels] == ["river-1.water_level", "river-1.water_level.sigma"]
    assert made.channels[1].sigma_of == "river-1.water_level"
