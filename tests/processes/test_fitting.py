"""Which datastreams fit a port, and why the others do not."""

from processes.contract import Port
from processes.fitting import UNSEEN, Stream, as_rows, fit, from_rows

LEVEL = Port("water_level", "m", "sense", False)
GATE = Port("gate_opening_fraction", "1", "respond", False)
ROWS = [
    {"datastream": "river-1/level", "property": "water_level", "unit": "m", "sigma_of": None},
    {"datastream": "edge-1/river-1.level", "property": "water_level", "unit": "m", "sigma_of": None},
    {"datastream": "edge-1/river-1.level.sigma", "property": "water_level standard_error", "unit": "m",
     "sigma_of": "river-1.level"},
    {"datastream": "river-2/level", "property": "water_level", "unit": "mm", "sigma_of": None},
    {"datastream": "mast-1/rain", "property": "rainfall", "unit": "mm", "sigma_of": None},
    {"datastream": "gate-1/feedback", "property": "gate_opening_fraction", "unit": "1", "sigma_of": None},
]  # fmt: skip
THINGS = [{"responds": [
    {"actuator": "gate-1/opening", "observe": "gate-1/feedback"}, {"actuator": "lamp-1/on", "observe": None},
]}]  # fmt: skip


def test_property_and_unit_decide_and_near_ones_say_why() -> None:
    found = fit({"level": LEVEL, "gate": GATE}, *from_rows(ROWS, THINGS))
    level, gate = found["level"], found["gate"]
    assert [stream.name for stream in level.fits] == ["river-1/level", "edge-1/river-1.level"]
    assert [(stream.name, why) for stream, why in level.near] == [
        ("edge-1/river-1.level.sigma", "it tells how uncertain river-1.level is"),
        ("river-2/level", "it is in mm, not in m"),
    ]
    assert level.others == 2
    assert [(stream.name, stream.observe) for stream in gate.fits] == [("gate-1/opening", "gate-1/feedback")]


def test_what_a_file_binds_is_judged() -> None:
    found = fit({"level": LEVEL}, *from_rows(ROWS, THINGS))
    (row,) = as_rows(found, {"level": ["river-1/level", "river-2/level", "gone/level"]})
    assert [(one["fits"], one["why"]) for one in row["bound"]] == [
        (True, ""), (False, "it is in mm, not in m"), (False, ""),
    ]  # fmt: skip


def test_a_fused_stream_belongs_to_its_board_and_to_its_node() -> None:
    fused = Stream("edge-1/river-2.level", "water_level", "m")
    assert fused.of(["river-2"]) and fused.of(["edge-*"]) and not fused.of(["river-1"])
    assert Stream("mast-1/rain", "rainfall", "mm").of(["mast-?"])


def test_an_actuator_without_feedback_may_fit_and_only_people_know() -> None:
    found = fit({"gate": GATE}, *from_rows(ROWS, THINGS))
    assert [(stream.name, why) for stream, why in found["gate"].near] == [("lamp-1/on", UNSEEN)]
    (row,) = as_rows(found, {"gate": ["lamp-1/on", "gone/on"]})
    assert [(one["fits"], one["why"]) for one in row["bound"]] == [(True, UNSEEN), (False, "")]
