"""Records to series: channels apart, sigma joined, event time from the clock."""

import numpy as np
import pytest

from processes.feed import Feed
from protocol.city_link import Clock
from protocol.columns import encode
from protocol.manifest import ChannelInfo, Manifest, SensorInfo

CLOCK = Clock(ref_us=1000, ref_utc_us=1_700_000_000_000_000, rate=2.0, sigma_us=50.0, synced=True)
CHANNELS = [
    ChannelInfo(0, "level", 0, "water_level", "m", 0.0, 9.0, 0.01),
    ChannelInfo(1, "level.sigma", 0, "water_level", "m", 0.0, 9.0, 0.0, sigma_of="level"),
    ChannelInfo(2, "temperature", 0, "air_temperature", "Cel", -40.0, 85.0, 0.5),
]
MANIFEST = Manifest("edge-1", "edge", [SensorInfo(0, "s", "chip", "i2c0", "0x10", 100)], CHANNELS, [])


def records(*rows: tuple[int, int, int, float]) -> bytes:
    channel, quality, stamp, value = zip(*rows, strict=True)
    return encode(channel, quality, np.array(stamp, np.int64), value)


def test_channels_come_apart_with_their_sigma() -> None:
    data = records((0, 1, 1000, 1.5), (1, 1, 1000, 0.25), (2, 1, 1500, 20.0), (0, 4, 2000, 1.75))
    level, temperature = Feed().from_records("edge-1", MANIFEST, CLOCK, data)
    assert level.datastream == "edge-1/level"
    assert level.t_utc_us.tolist() == [1_700_000_000_000_000, 1_700_000_000_002_000]
    assert level.value.tolist() == [1.5, 1.75]
    assert level.sigma.tolist() == pytest.approx([0.25, 0.01])
    assert level.quality.tolist() == [1, 4]
    assert temperature.datastream == "edge-1/temperature"
    assert temperature.sigma.tolist() == [0.5]


def test_without_a_synchronised_clock_there_is_no_event_time() -> None:
    feed = Feed()
    clock = Clock(0, 0, 1.0, 1e9, False)
    assert feed.from_records("edge-1", MANIFEST, clock, records((0, 1, 1000, 1.5))) == []
    assert feed.unsynced_batches == 1


def test_samples_of_unknown_channels_are_counted() -> None:
    feed = Feed()
    assert feed.from_records("edge-1", MANIFEST, CLOCK, records((9, 1, 1000, 1.5))) == []
    assert feed.unknown_samples == 1
