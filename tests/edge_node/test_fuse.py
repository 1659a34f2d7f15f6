from dataclasses import replace

import numpy as np

from edge_node.clocks.lines import Line
from edge_node.config import FusionSection
from edge_node.fuse import HISTORY_US, Fusion
from processes.feed import Feed
from protocol import columns, manifest
from protocol.city_clock import CityClock
from service.host_clock import HostClock

from .scripted_board import records_of, river_manifest

UTC = 1_790_000_000_000_000
LINE = Line(0, 0.0, 1.0, 100.0)
HOST = HostClock(CityClock(480.0, 0, UTC))


def fusion() -> Fusion:
    made = Fusion("edge-1", "own-1", FusionSection(), HOST)
    assert made.learn(river_manifest()) and not made.learn(river_manifest())
    return made


def level(fused: Fusion, values: list[tuple[int, int, float]], line: Line = LINE):
    """Fuse (t_us, quality, value) of the level; return what the processes get to see."""
    records = records_of([(0, quality, t_us, value) for t_us, quality, value in values])
    batch = fused.fuse("river-1", line, records, 5)
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


def test_without_utc_own_samples_are_made_and_flagged() -> None:
    fused = Fusion("edge-1", "own-1", FusionSection(), HostClock())
    fused.learn(river_manifest())
    records = records_of([(0, 1, t, 1.0) for t in (1_000_000, 1_100_000)])
    batch = fused.fuse("river-1", LINE, records, 5)
    assert batch is not None and not batch.clock.synced
    stamps = columns.stamp_us(columns.decode(batch.records))
    assert (stamps - HISTORY_US).tolist() == [1_000_000] * 2 + [1_100_000] * 2


def test_without_a_fused_channel_there_is_nothing() -> None:
    fused = fusion()
    assert fused.fuse("river-1", LINE, records_of([(1, 1, 5, 0.5)]), 5) is None
    assert fused.fuse("mast-1", LINE, records_of([(0, 1, 5, 0.5)]), 5) is None


def test_a_calibration_at_the_board_changes_the_sigma_of_what_is_fused_and_told() -> None:
    fused = fusion()
    told = river_manifest()
    channels = [replace(c, sigma=4 * c.sigma) if c.fuse else c for c in told.channels]
    wide = replace(told, channels=channels)
    before = level(fused, [(100_000, 1, 1.0)])
    assert fused.learn(wide) and not fused.learn(wide)
    assert fused.manifest.channels[0].sigma == 4 * told.channels[0].sigma
    fresh = fusion()
    fresh.learn(wide)
    assert level(fresh, [(100_000, 1, 1.0)]).sigma[0] > 2 * before.sigma[0]


def test_the_own_manifest_is_a_valid_one() -> None:
    made = fusion().manifest
    assert manifest.from_bytes(manifest.to_bytes(made)) == made
    assert [c.name for c in made.channels] == ["river-1.water_level", "river-1.water_level.sigma"]
    assert made.channels[1].sigma_of == "river-1.water_level"
