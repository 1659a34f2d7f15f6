"""The uncertainty of a sample, by hand, from the driver's declaration to what a process sees, at the city and fused."""

import tomllib
from typing import Any

import pytest

from aggregator.registry import Registry
from drivers import tipping_bucket
from edge_node.clocks.lines import Line
from edge_node.config import FusionSection
from edge_node.fuse import Fusion
from firmware.console import begin
from firmware.kit import board_file, describe
from processes.feed import Arrived, Feed
from protocol import city_link, manifest
from protocol.city_clock import CityClock
from service.host_clock import HostClock

from .scripted_board import records_of

BOOT, UTC = "0badcafe-12", 1_790_000_000_000_000
SYNCED = city_link.Clock(0, UTC, 1.0, 50.0, True)
# Measured 0 and 10 mm against 0 and 11 mm poured: gain 1.1, the worse point 0.02 mm and 1.1 * 0.001 mm.
CAL = {"low": [0.0, 0.001, 0.0, 0.01], "high": [10.0, 0.001, 11.0, 0.02]}


def rain_gauge(channel: str = "") -> bytes:
    """The manifest of a mast with nothing but a gauge of 0.5 mm a tip, as its board sends it."""
    text = board_file.board_path("river_gauge").read_text()
    head = text[: text.index("[[sensors]]")]
    sensor = '[[sensors]]\nname = "rain"\nchip = "tipping_bucket"\npin = "GP15"\nperiod_ms = 1000\n'
    options = "options = { mm_per_tip = 0.5 }\n[[sensors.channels]]\nname = 'amount'\nreads = 'rainfall'\nfuse = true\n"
    board = board_file.check(tomllib.loads(head + sensor + options + channel), "b.toml")
    return manifest.to_bytes(describe.manifest(board, "mast-1"))


def seen_by_process(thing: str, told: manifest.Manifest, records: bytes, clock: city_link.Clock) -> Arrived:
    """What a process of the city sees of samples that an edge node sent over the city link."""
    registry = Registry()
    info = city_link.ThingInfo(thing, BOOT, "vm", "00", manifest.to_map(told), True)
    batch = city_link.Batch(thing, BOOT, 0, len(records) // 12, clock, 10, 20, records)
    arrived_info, arrived = (city_link.decode(city_link.encode(message)) for message in (info, batch))
    registry.introduce("edge-1", arrived_info, UTC)
    (series,) = Feed().from_records(thing, registry.manifest(thing, BOOT), arrived.clock, arrived.records)
    return series


@pytest.mark.parametrize(
    ("channel", "cal", "sigma"),
    [
        ("", {}, 0.3329),  # accuracy 0.12 mm of 0.2 mm a tip: 0.3 of 0.5; sqrt(0.3^2 + 0.5^2 / 12)
        ("", {"amount": CAL}, 0.3667),  # sqrt((1.1 * 0.3329)^2 + 0.02^2 + 0.0011^2)
        ("scale = 0.1\nunit = 'cm'\n", {}, 0.03329),
        ("sigma = 0.4\n", {}, 0.4),  # what the board file says is the whole of it
        ("sigma = 0.4\n", {"amount": CAL}, 0.4405),  # sqrt(0.44^2 + 0.02^2 + 0.0011^2)
    ],
)
def test_accuracy_resolution_and_calibration_reach_a_process(channel: str, cal: dict[str, Any], sigma: float) -> None:
    told = manifest.from_bytes(begin.patched(rain_gauge(channel), {"n": 1, "cal": cal}))
    records = records_of([(0, 1, 1_000_000, 1.5), (0, 1, 2_000_000, 2.0)])
    raw = seen_by_process("mast-1", told, records, SYNCED)
    assert raw.sigma == pytest.approx([sigma] * 2, rel=2e-4)

    fusion = Fusion("edge-1", BOOT, FusionSection(), HostClock(CityClock(1.0, 0, UTC)))
    assert fusion.learn(told)
    batch = fusion.fuse("mast-1", Line(0, 0.0, 1.0, 100.0), records, 5)
    assert batch is not None
    fused = seen_by_process("edge-1", fusion.manifest, batch.records, batch.clock)
    assert fused.sigma[0] == pytest.approx(sigma, rel=2e-4), "one sample says no more than itself"


def test_states_and_counts_are_exact_and_say_so() -> None:
    board = board_file.load(board_file.board_path("classroom"))
    sigmas = {channel.name: channel.sigma for channel in describe.manifest(board, "t").channels}
    assert sigmas["door_open"] == 0 and min(s for name, s in sigmas.items() if name != "door_open") > 0


def test_uncertainty_of_a_gauge_goes_with_its_bucket() -> None:
    ((*_, sigma, resolution, bound, _),) = tipping_bucket.channels({"mm_per_tip": 0.5})
    assert (sigma, resolution, bound) == pytest.approx((0.3, 0.5, 0.5))
    assert tipping_bucket.channels({}) == tipping_bucket.CHANNELS
