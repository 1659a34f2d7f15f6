"""What a node makes of the quality of samples: defaults from declarations, own bounds, words, what processes get."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers import pms5003
from edge_node.clocks.lines import Line
from edge_node.config import FusionSection
from edge_node.fuse import Fusion
from edge_node.quality import defaults
from edge_node.quality.declared import Declared, declared
from edge_node.quality.section import ChannelRule, QualitySection
from edge_node.quality.watch import QualityWatch
from processes.feed import Feed
from protocol.city_clock import CityClock
from protocol.manifest import ChannelInfo, Manifest, SensorInfo
from service.host_clock import HostClock

from .scripted_board import records_of

S = 1_000_000
UTC = 1_790_000_000_000_000
LINE = Line(0, 0.0, 1.0, 100.0)
AIR = ChannelInfo(0, "air_temperature", 0, "air_temperature", "Cel", -40.0, 125.0, 0.2)
WET = ChannelInfo(1, "air_humidity", 0, "relative_humidity", "%", 0.0, 100.0, 1.8)
DOOR = ChannelInfo(2, "door", 1, "closed", "1", 0.0, 1.0, 0.0)
SENSORS = [SensorInfo(0, "air", "sht4x", "i2c0", "0x44", 1000), SensorInfo(1, "door", "contact", "", "GP2", 1000)]


def mast(thing: str = "mast-1", **changes: Any) -> Manifest:
    return Manifest(thing, "mast", SENSORS, [replace(AIR, **changes), WET, DOOR], [])


def watching(section: dict[str, Any], *manifests: Manifest, speed: float = 1.0) -> QualityWatch:
    host = HostClock(CityClock(speed, 0, UTC))
    watch = QualityWatch(["mast-1", "mast-2"], QualitySection.model_validate(section), host)
    for manifest in manifests or (mast(),):
        watch.learn(manifest)
    return watch


def flags(
    watch: QualityWatch, values: list[float], thing: str = "mast-1", channel: int = 0, first_s: int = 0
) -> list[int]:
    """The verdicts on one sample a second."""
    rows = [(channel, 9 if np.isnan(v) else 1, (first_s + n) * S, v) for n, v in enumerate(values)]
    found = watch.check(thing, LINE, records_of(rows), (first_s + len(values)) * S)
    assert found is not None
    return [int(flag) for flag in found]


def rows(watch: QualityWatch, now_s: float, up_s: dict[str, float] | None = None) -> list[dict[str, Any]]:
    up = {thing: round(s * S) for thing, s in (up_s or {}).items()}
    found = watch.health(round(now_s * S), up)
    assert json.dumps(found)
    return list(found["rows"])


def test_bounds_follow_from_what_the_driver_declares() -> None:
    """SHT4x: -40 to 125 Cel in 2 s, resolution 0.01, sigma 0.2: 82.5 Cel/s and 6 sigma and a step."""
    known = declared("sht4x", AIR)
    assert known == Declared(-40, 125, 0.01, 2)
    rule = defaults.rule_of(AIR, known, QualitySection(), ChannelRule())
    assert (rule.rate_per_s, rule.noise, rule.step) == (82.5, pytest.approx(1.21), 0.005)
    assert (rule.flat_s, rule.fail_s, rule.flat_n) == (21_600.0, 0.0, 100)
    assert rule.lower == -np.inf and rule.upper == np.inf, "the board holds against the range"


@pytest.mark.parametrize(
    ("chip", "channel"),
    [
        ("sht4x", replace(AIR, property="water_temperature")),  # scaled by its board file into something else
        ("sht4x", replace(AIR, unit="K")),
        ("no_such_chip", AIR),
        ("../sht4x", AIR),
        ("errors", AIR),
        ("pms5003", ChannelInfo(0, "many", 0, pms5003.CHANNELS[3][1], "1/cm3", 0, 1, 1)),  # several that count
    ],
)
def test_what_is_not_declared_for_sure_is_not_tested(chip: str, channel: ChannelInfo) -> None:
    assert declared(chip, channel) is None
    rule = defaults.rule_of(channel, None, QualitySection(), ChannelRule())
    assert rule.rate_per_s == np.inf and rule.flat_s == 0.0


def test_a_contact_may_stay_as_it_is_for_ever() -> None:
    watch = watching({"flat_s": 10.0})
    assert set(flags(watch, [1.0] * 500, channel=2)) == {1}


def test_a_noisy_channel_that_stays_for_hours_is_stuck_and_says_so() -> None:
    watch = watching({"flat_s": 200.0})
    said = flags(watch, [21.5] * 300)
    assert said == [1] * 200 + [3] * 100
    (row,) = rows(watch, 300)
    assert (row["datastream"], row["sensor"]) == ("mast-1/air_temperature", "air")
    assert (row["flag"], row["test"]) == (3, "flat_line")
    assert row["what"] == "21.5 Cel without change for 5 min, though its noise shows in the last digit"
    assert row["since"] == UTC + 299 * S, "the batch in which it was noticed"
    assert flags(watch, [21.6], first_s=300) == [1] and rows(watch, 301) == []


def test_event_time_is_what_counts_for_what_stays() -> None:
    watch = watching({"flat_s": 7200.0}, speed=60.0)
    assert flags(watch, [21.5] * 125) == [1] * 120 + [3] * 5
    assert rows(watch, 130)[0]["what"].startswith("21.5 Cel without change for 2.1 h")


def test_own_bounds_go_first_and_tests_can_be_left_out() -> None:
    bounds = {"lower": -10.0, "upper": 45.0, "rate_per_s": 0.1, "noise": 0.5, "flat_s": 4.0, "flat_fail_s": 6.0}
    watch = watching({"channels": {"mast-1/air_temperature": bounds}})
    assert flags(watch, [20.0, 30.0, 20.1, 20.1, 20.1, 20.1, 20.1, 20.1, 20.1]) == [1, 3, 1, 1, 1, 1, 3, 3, 4]
    assert flags(watch, [45.1, 44.9], first_s=1000) == [3, 1]
    off = {"off": ["gross_range", "rate_of_change", "flat_line", "gap"]}
    quiet = watching({"flat_s": 1.0, "channels": {"mast-1/air_temperature": off}})
    assert set(flags(quiet, [20.0, 120.0] + [20.0] * 200)) == {1}


def test_a_spike_is_counted_and_gone() -> None:
    watch = watching({"channels": {"mast-1/air_temperature": {"rate_per_s": 0.1, "noise": 0.5}}})
    flags(watch, [20.0, 30.0])
    (row,) = rows(watch, 2)
    assert row["test"] == "rate_of_change"
    assert row["what"] == "30 Cel came faster than it can (0.1 Cel/s and 0.5 Cel of noise)"
    flags(watch, [20.0], first_s=2)
    assert rows(watch, 3) == [] and watch.health(3 * S, {})["flagged"]["rate_of_change"] == 1


def test_two_that_should_agree_are_both_named_with_the_other() -> None:
    pair = {"of": ["mast-1/air_temperature", "mast-2/air_temperature"], "most": 1.0, "for_s": 3.0}
    watch = watching({"pairs": [pair]}, mast(), mast("mast-2"))
    for second in range(10):
        last = flags(watch, [20.0], "mast-1", first_s=second), flags(watch, [25.0], "mast-2", first_s=second)
        assert (max(last) == [3]) == (second >= 3), second
    first, other = rows(watch, 10)
    assert first["what"] == "20 Cel disagrees with mast-2/air_temperature (25 Cel)"
    assert other["datastream"] == "mast-2/air_temperature" and other["test"] == "neighbor"
    watch.learn(mast("mast-2"))
    assert flags(watch, [25.0], "mast-2", first_s=10) == [3], "how long they differ outlives a restart of a board"


def test_a_pair_by_default_may_differ_by_four_sigma_and_be_two_periods_apart() -> None:
    watch = watching({"pairs": [{"of": ["mast-1/air_temperature", "mast-2/air_temperature"]}]}, mast(), mast("mast-2"))
    (pair,) = watch._bank.pairs
    assert pair["most"] == pytest.approx(4 * 0.2 * 2**0.5) and (pair["within_us"], pair["for_us"]) == (2 * S, 60 * S)


def test_names_that_boards_have_not_and_pairs_that_are_none_are_told() -> None:
    section = {
        "channels": {"mast-1/air_temprature": {"upper": 40.0}},
        "pairs": [{"of": ["mast-1/air_temperature", "mast-2/air_humidity"]}],
    }
    watch = watching(section, mast(), mast("mast-2"))
    assert watch.health(0, {})["problems"] == [
        "[quality] names 'mast-1/air_temprature'; expected one of mast-1/air_humidity, mast-1/air_temperature,"
        " mast-1/door",
        "[[quality.pairs]] compares mast-1/air_temperature (air_temperature, Cel) and mast-2/air_humidity"
        " (relative_humidity, %); expected the same property and unit",
    ]
    assert watching(section, mast("mast-2")).problems() == [], "mast-1 was not heard yet"


def test_a_silent_channel_of_a_linked_board_is_stale_and_nobody_elses() -> None:
    watch = watching({"stale_periods": 3.0})
    flags(watch, [20.0] * 10)
    never = ["mast-1/air_humidity", "mast-1/door"]
    assert [row["datastream"] for row in rows(watch, 17.0, {"mast-1": 0.0})] == never, "3 periods and 5 s after 9 s"
    first = rows(watch, 18.0, {"mast-1": 0.0})[1]
    assert (first["datastream"], first["flag"], first["test"]) == ("mast-1/air_temperature", 9, "gap")
    assert first["what"] == "no sample for 9 s" and first["since"] == UTC + 9 * S
    assert rows(watch, 1000.0) == [], "a board that is not linked is told by its link"
    assert [row["test"] for row in rows(watch, 1000.0, {"mast-1": 995.0})] == []


def test_what_the_board_says_itself_is_no_verdict_of_this_node() -> None:
    watch = watching({})
    assert flags(watch, [20.0, float("nan")]) == [1, 9]
    found = watch.health(3 * S, {})
    assert found["rows"] == [] and (found["channels"], found["good"], found["missing"]) == (3, 0, 3)
    assert watch.check("river-9", LINE, records_of([(0, 1, 0, 1.0)]), S) is None


def seen(fusion: Fusion, watch: QualityWatch, values: list[float]) -> Any:
    """What processes get of these samples, one a second."""
    records = records_of([(0, 1, n * S, v) for n, v in enumerate(values)])
    batch = fusion.fuse("mast-1", LINE, records, 5, watch.check("mast-1", LINE, records, len(values) * S))
    assert batch is not None
    (series,) = Feed().from_records("edge-1", fusion.manifest, batch.clock, batch.records)
    return series


RATE = {"rate_per_s": 0.1, "noise": 0.5}
BOUNDS = {"channels": {"mast-1/air_temperature": RATE}}


def sending(watch: QualityWatch) -> Fusion:
    host = HostClock(CityClock(1.0, 0, UTC))
    return Fusion("edge-1", "own-1", FusionSection(), host, watch.section.published())


def test_a_channel_that_is_named_is_sent_as_it_is_with_the_verdict() -> None:
    watch = watching(BOUNDS)
    fusion = sending(watch)
    assert fusion.learn(mast())
    series = seen(fusion, watch, [20.0, 30.0, 20.1])
    assert series.datastream == "edge-1/mast-1.air_temperature"
    assert np.allclose(series.value, [20.0, 30.0, 20.1]) and series.quality.tolist() == [1, 3, 1]
    assert np.allclose(series.sigma, 0.2) and series.t_utc_us.tolist() == [UTC, UTC + S, UTC + 2 * S]
    assert fusion.manifest.sensors[0].chip == "quality" and fusion.used == 0


def test_a_channel_that_shall_not_be_sent_is_not() -> None:
    quiet = watching({"channels": {"mast-1/air_temperature": {**RATE, "publish": False}}})
    assert not sending(quiet).learn(mast())
    pair = {"of": ["mast-1/air_temperature", "mast-1/air_humidity"]}
    assert quiet.section.model_validate({"pairs": [pair]}).published() == set(pair["of"])


def test_what_is_fused_is_fused_without_the_doubtful() -> None:
    watch = watching(BOUNDS, mast(fuse=True))
    fusion = sending(watch)
    fusion.learn(mast(fuse=True))
    series = seen(fusion, watch, [20.0, 20.0, 20.5, 21.3, 20.0])
    assert series.quality.tolist() == [1, 1, 1, 3, 1] and series.value[3] < 20.7
    assert (fusion.used, fusion.unused) == (4, 1)


def test_the_example_of_the_page_is_right() -> None:
    page = Path(__file__).parents[2] / "docs" / "quality.md"
    (text,) = re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.M | re.S)
    section = QualitySection.model_validate(tomllib.loads(text)["quality"])
    assert section.published() == {"river-1/water_level", "mast-1/air_temperature", "mast-2/air_temperature"}


def test_more_channels_than_a_node_sends_are_named() -> None:
    channels = [replace(AIR, index=n, name=f"t{n}") for n in range(66)]
    names = {f"mast-1/t{n}" for n in range(66)}
    fusion = Fusion("edge-1", "own-1", FusionSection(), HostClock(), names)
    assert fusion.learn(Manifest("mast-1", "mast", SENSORS, channels, []))
    assert fusion.left_out == {"mast-1/t64", "mast-1/t65"}


def test_a_sample_of_the_future_fails_and_blinds_no_channel() -> None:
    watch = watching({})
    assert flags(watch, [20.0, 20.1]) == [1, 1]
    far = records_of([(0, 1, 1 << 47, 20.2)])
    found = watch.check("mast-1", LINE, far, 3 * S)
    assert found is not None and found.tolist() == [4]
    assert flags(watch, [20.1, 120.0], first_s=3) == [1, 3]
    (row,) = [r for r in rows(watch, 1000, {"mast-1": 0.0}) if r["datastream"] == "mast-1/air_temperature"]
    assert row["test"] == "gap"


def test_no_board_can_declare_bounds_that_end_the_node() -> None:
    watch = watching({"pairs": [{"of": ["mast-1/air_temperature", "mast-2/air_temperature"]}]}, mast(sigma=-1.0))
    watch.learn(mast("mast-2", sigma=-1e300))
    assert flags(watch, [20.0]) == [1]


@pytest.mark.parametrize(
    "bad",
    [
        {"lower": np.nan}, {"lower": -np.inf}, {"upper": np.inf}, {"flat_s": np.inf}, {"flat_fail_s": 1e14},
        {"noise": np.nan}, {"rate_per_s": np.inf}, {"stale_s": np.inf},
    ],
)  # fmt: skip
def test_bounds_that_are_no_numbers_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        QualitySection.model_validate({"channels": {"mast-1/air_temperature": bad}})


def test_what_lasts_is_told_before_what_passes() -> None:
    names = [f"c{n:02}" for n in range(60)]
    channels = [replace(AIR, index=n, name=name) for n, name in enumerate(names)]
    section = {"channels": {f"mast-1/{name}": {"upper": 30.0} for name in names[20:]}}
    watch = watching(section, Manifest("mast-1", "mast", SENSORS, channels, []))
    for n in range(60):
        flags(watch, [20.0, 115.0] if n < 20 else [25.0, 35.0], channel=n)
    told = rows(watch, 2, {"mast-1": 0.0})
    assert [row["datastream"] for row in told] == [f"mast-1/{name}" for name in names[20:52]]
