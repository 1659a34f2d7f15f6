"""Manifests: round trip and refusals that name the field."""

import copy

import pytest

from protocol import manifest
from protocol.errors import FrameError
from protocol.manifest import ActuatorInfo, ChannelInfo, Manifest, SensorInfo

GATE = Manifest(
    "gate-1",
    "sluice_gate",
    [SensorInfo(0, "position", "ads1115", "i2c0", "0x48", 100)],
    [
        ChannelInfo(0, "opening_feedback", 0, "gate_opening", "1", 0.0, 1.0, 0.005, fuse=True),
        ChannelInfo(1, "opening_sigma", 0, "gate_opening", "1", 0.0, 1.0, 0.0, sigma_of="opening_feedback"),
    ],
    [ActuatorInfo(0, "opening", "gate_drive", 0.0, 1.0, 0.25, "opening_feedback", 3000, 4000)],
)


def test_goes_round_as_map_and_bytes():
    assert manifest.from_map(manifest.to_map(GATE)) == GATE
    assert manifest.from_bytes(manifest.to_bytes(GATE)) == GATE


def test_ids():
    assert GATE.datastream(0) == "gate-1/opening_feedback"
    assert GATE.actuator_id(0) == "gate-1/opening"


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        (("thing",), "a/b", "manifest.thing: expected a name without slash"),
        (("board",), 5, "manifest.board"),
        (("sensors",), {}, "manifest.sensors: expected an array"),
        (("sensors", 0, "index"), 3, r"sensors\[0\].index: expected 0, found 3"),
        (("sensors", 0, "address"), 0x48, r"sensors\[0\].address: expected text"),
        (("channels", 0, "fuse"), 1, r"channels\[0\].fuse: expected true or false"),
        (("channels", 0, "sensor"), 1, r"channels\[0\].sensor: expected the index of a sensor"),
        (("channels", 0, "upper"), 0.0, r"channels\[0\].lower: expected less than upper"),
        (("channels", 0, "sigma"), float("nan"), r"channels\[0\].sigma: expected a finite number"),
        (("channels", 1, "sigma_of"), "nope", r"channels\[1\].sigma_of"),
        (("channels", 1, "name"), "opening_feedback", "two have the same name"),
        (("actuators", 0, "feedback"), "nope", r"actuators\[0\].feedback"),
        (("actuators", 0, "safe"), 2.0, r"actuators\[0\].safe: expected 0.0 to 1.0, found 2.0"),
        (("extra",), 1, "key 'extra' is unknown"),
        (("actuators", 0, "speed"), 1, "key 'speed' is unknown"),
    ],
)
def test_refusals_name_the_field(path, value, error):
    data = copy.deepcopy(manifest.to_map(GATE))
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(FrameError, match=error):
        manifest.from_map(data)


def test_a_missing_key_is_named():
    data = manifest.to_map(GATE)
    del data["sensors"][0]["chip"]
    with pytest.raises(FrameError, match=r"sensors\[0\]: key 'chip' is missing"):
        manifest.from_map(data)


def test_malformed_bytes_are_refused():
    with pytest.raises(FrameError, match="manifest: expected an array of 5 items"):
        manifest.from_bytes(b"\x80")
    with pytest.raises(FrameError, match="sensors"):
        manifest.from_bytes(b"\x95\xa1a\xa1b\x91\x91\x00\x90\x90")
    good = manifest.to_bytes(GATE)
    for end in range(len(good)):
        with pytest.raises(FrameError):
            manifest.from_bytes(good[:end])


def test_too_long_for_hello():
    many = [SensorInfo(i, f"sensor-{i}", "bme280" * 10, "i2c0", "0x76", 100) for i in range(40)]
    with pytest.raises(FrameError, match="fit in hello"):
        manifest.to_bytes(Manifest("mast-1", "weather_mast", many, [], []))
