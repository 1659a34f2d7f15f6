"""A technician pulls a wire: the reading says so, nobody decides on it, and the status says where to look."""

from typing import Any

import pytest
from running_city import RunningCity

pytestmark = pytest.mark.system

BAD = (4, 9)
GOOD, SUSPECT = 1, 3
QUALITY = """
[quality.channels."gate-1/opening_feedback"]
flat_s = 60
"""

# fault, where, datastream that must carry the flag, words of the status
WIRES: list[tuple[str, dict[str, str], str, tuple[str, ...]]] = [
    ("silent", {"thing": "river-1", "sensor": "level"}, "river-1/water_level", ("a02yyuw", "uart1")),
    ("nack", {"thing": "mast-1", "sensor": "air"}, "mast-1/air_temperature", ("bme280", "i2c0")),
    ("sda_low", {"thing": "gate-1", "bus": "i2c0"}, "gate-1/opening_feedback", ("ads1115", "i2c0")),
]


def doubt(city: RunningCity, datastream: str) -> dict[str, Any] | None:
    rows = [row for edge in city.status()["edges"] for row in edge["health"].get("quality", {}).get("rows", ())]
    return next((dict(row) for row in rows if row["datastream"] == datastream), None)


def fault_of(city: RunningCity, thing: str) -> dict[str, Any] | None:
    return next((dict(row) for row in city.status()["faults"] if row["thing"] == thing), None)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("wires") / "run"
    with RunningCity(folder, "--speed", "60", "--seed", "7", "--start-in", "8") as running:
        yield running.up(QUALITY)


def test_a_value_that_stays_too_long_is_suspect_in_the_city_and_says_why(city: RunningCity) -> None:
    """The gate stands still before the storm; the board finds its feedback good, the edge node does not."""
    name = "gate-1/opening_feedback"
    row = city.until(lambda: doubt(city, name), "the status names what the edge node doubts")
    assert row["test"] == "flat_line" and "without change" in row["what"] and row["check"]
    city.until(lambda: city.latest("edge-1/gate-1.opening_feedback")["quality"] == SUSPECT, "the city has the verdict")
    assert city.latest(name)["quality"] == GOOD
    own = ("edge-1/gate-1.opening_feedback", "edge-1/river-1.water_level")
    sources = [city.latest(one)["source"] for one in (name, *own)]
    assert sources == ["measured", "checked", "fused"]
    assert city.ask("status")[0] == 1


@pytest.mark.parametrize(("kind", "where", "datastream", "words"), WIRES, ids=[row[0] for row in WIRES])
def test_a_pulled_wire_is_flagged_and_explained(
    city: RunningCity, kind: str, where: dict[str, str], datastream: str, words: tuple[str, ...]
) -> None:
    city.until(lambda: city.latest(datastream)["quality"] == GOOD, f"{datastream} is good")
    city.fault(kind, **where)
    city.until(lambda: city.latest(datastream)["quality"] in BAD, f"{datastream} is flagged")
    fault = city.until(lambda: fault_of(city, where["thing"]), "the status names the fault")
    assert fault["chip"] == words[0]
    assert fault["bus"] == words[1]
    assert fault["what"] and fault["check"]
    code, _ = city.ask("status")
    assert code == 1
    city.fault("clear", thing=where["thing"])
    city.until(lambda: city.latest(datastream)["quality"] == GOOD, f"{datastream} is good again")
    city.until(lambda: fault_of(city, where["thing"]) is None, "the status is clear again")


def test_decisions_do_not_use_a_silent_level(city: RunningCity) -> None:
    """The fused level stops, the process says so and its own uncertainty grows."""

    def level() -> dict[str, Any]:
        rows = city.page("estimates")[0]
        return {row["name"]: row for row in rows["estimates"]} | {"alarms": rows["standing_alarms"]}

    city.until(lambda: city.latest("river-1/water_level")["quality"] == GOOD, "level is good")
    before = city.until(lambda: level() if "level" in level() else None, "a first estimate")
    city.fault("silent", thing="river-1", sensor="level")
    city.until(lambda: "level_stale" in str(level()["alarms"]), "alarm level_stale")
    after = level()
    assert after["level"]["sigma"] > before["level"]["sigma"]
    assert city.latest("river-1/water_level")["quality"] in BAD
    city.fault("clear", thing="river-1")
