from functools import partial
from pathlib import Path

import pytest
from pydantic import ValidationError

from edge_node import config
from edge_node.latency import Hops
from service import keys
from service.errors import KeyFileError

CITY = {"endpoint": "tcp://127.0.0.1:1", "server_public_file": "a", "public_file": "b", "secret_file": "c",
        "verify_key_file": "d"}  # fmt: skip


def data(**changes) -> dict:
    made = {
        "edge": {"id": "edge-1", "data_dir": "edge"},
        "boards": [{"thing": "river-1", "port": "dev/river-1", "key_file": "keys/river-1.key"}],
        "city": dict(CITY),
    }
    return {**made, **changes}


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    made = config.parse(data(), tmp_path)
    assert made.edge.data_dir == tmp_path / "edge"
    assert made.edge.api == f"unix:{tmp_path / 'api.sock'}"
    assert made.boards[0].port == str(tmp_path / "dev/river-1")
    assert made.boards[0].key_file == tmp_path / "keys/river-1.key"


@pytest.mark.parametrize("port", ["/dev/serial/by-id/x", "socket://10.0.0.1:4000"])
def test_absolute_ports_and_urls_stay(tmp_path: Path, port: str) -> None:
    boards = [{"thing": "river-1", "port": port, "key_file": "k"}]
    assert config.parse(data(boards=boards), tmp_path).boards[0].port == port


@pytest.mark.parametrize(
    "wrong",
    [
        {"boards": []},
        {"boards": [{"thing": "edge-1", "port": "p", "key_file": "k"}]},
        {"clock": {"speed": 480.0}},
        {"clock": {"speed": 0}},
        {"guard": {"city_lease": 3}},
        {"guard": {"interlocks": [["river-1/opening", "river-2/opening"]]}},
        {"guard": {"interlocks": [["river-1/opening"]]}},
        {"guard": {"interlocks": [["river-1/opening", "river-1/opening"]]}},
        {"guard": {"actuators": {"river-1": {"risk": "high"}}}},
        {"guard": {"actuators": {"rivr-1/opening": {"risk": "high"}}}},
        {"city": {**CITY, "endpoint": "127.0.0.1:1"}},
        {"quality": {"stale_periods": 0.5}},
        {"quality": {"channels": {"river-1/level": {"rate": 1.0}}}},
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(ValidationError):
        config.parse(data(**wrong), tmp_path)


LEVEL, OTHER = "river-1/water_level", "river-1/other_level"


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        ({"channels": {"rivr-1/water_level": {}}},
         "[quality] names 'rivr-1/water_level'; expected THING/CHANNEL of a board here: river-1"),
        ({"pairs": [{"of": [LEVEL, "river-1"]}]}, "[quality] names 'river-1'; expected THING/CHANNEL"),
        ({"pairs": [{"of": [LEVEL, LEVEL]}]}, "found 'river-1/water_level' twice; expected two channels"),
        ({"channels": {LEVEL: {"lower": 2, "upper": 1}}}, "found lower 2, upper 1; expected lower below upper"),
        ({"channels": {LEVEL: {"flat_s": 60, "flat_fail_s": 30}}},
         "found flat_fail_s 30, flat_s 60; expected the former to be the longer: a value is suspect first"),
        ({"channels": {LEVEL: {"rate_per_s": 1, "off": ["rate_of_change"]}}},
         "found a bound for rate_of_change and off = ['rate_of_change']; expected one of both"),
        ({"channels": {LEVEL: {"off": ["spike"]}}}, "expected 'gross_range', 'rate_of_change', 'flat_line' or 'gap'"),
    ],
)  # fmt: skip
def test_mistakes_in_quality_say_what_is_expected(tmp_path: Path, quality: dict, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config.parse(data(quality=quality), tmp_path)
    assert said in str(caught.value).replace("Input should be", "expected")
    channels = {LEVEL: {"lower": 0, "off": ["gap"]}, OTHER: {"publish": False}}
    good = {"channels": channels, "pairs": [{"of": [LEVEL, OTHER]}]}
    assert config.parse(data(quality=good), tmp_path).quality.published() == {LEVEL}


def test_key_files_are_checked_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "k"
    with pytest.raises(KeyFileError):
        keys.read_board_key(path)
    path.touch(0o600)
    path.write_bytes(b"secretsecret")
    for read in (keys.read_board_key, keys.read_curve_key, keys.read_ed25519_key):
        with pytest.raises(KeyFileError) as caught:
            read(path)
        assert "secret" not in str(caught.value)
    path.write_bytes(bytes(32))
    assert keys.read_board_key(path) == bytes(32)
    path.write_text("ab" * 32 + "\n")
    assert keys.read_ed25519_key(path) == b"\xab" * 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "k"
    path.write_text("ab" * 20)
    path.chmod(mode)
    secret_curve, secret_sign = partial(keys.read_curve_key, secret=True), partial(keys.read_ed25519_key, secret=True)
    for read in (keys.read_board_key, secret_curve, secret_sign):
        with pytest.raises(KeyFileError, match=f"mode {mode:o}.*; chmod 600 {path}"):
            read(path)
    assert keys.read_curve_key(path) == b"ab" * 20
    path.chmod(0o600)
    assert keys.read_curve_key(path, secret=True) == b"ab" * 20


def test_latency_quantiles_are_right_within_a_bin() -> None:
    hops = Hops()
    for span_ms in range(1, 101):
        hops.add("hop", 1_000_000, 1_000_000 + span_ms * 1000)
    hops.add("hop", 0, 5)
    hops.add("hop", 10_000_000_000, 5)
    row = hops.summary()["hop"]
    assert row["n"] == 100
    assert 50 <= row["p50_ms"] <= 57 and 99 <= row["p99_ms"] <= 113


def test_whether_a_channel_is_published_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="publish"):
        config.parse(data(quality={"channels": {"mast-1/air_temperature": {"publish": "no"}}}), tmp_path)
