"""A run directory: secrets nobody else may read, files that are right, and nothing made twice."""

import stat
import tomllib
from pathlib import Path

import pytest

from cityreflex import config
from cityreflex.exits import CityError
from cityreflex.run_dir import prepare
from service.keys import read_board_key, read_curve_key, read_ed25519_key
from simulator import scenario

EPOCH_UTC_US = 1_700_000_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory for the riverside scenario."""
    path = tmp_path_factory.mktemp("run")
    prepare(path, scenario.load("riverside"), speed=480.0, epoch_utc_us=EPOCH_UTC_US)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_their_owners_alone(folder: Path) -> None:
    assert mode(folder / "keys") == 0o700
    secrets = [*folder.glob("keys/*.key"), *folder.glob("keys/*.secret"), *folder.glob("boards/*/key.bin")]
    assert len(secrets) == 3 + 3 + 3
    assert {mode(path) for path in secrets} == {0o600}


def test_configuration_is_right(folder: Path) -> None:
    edge, city = config.load_edge(folder / "edge.toml"), config.load_aggregator(folder / "aggregator.toml")
    assert [board.thing for board in edge.boards] == ["river-1", "mast-1", "gate-1"]
    assert edge.city.endpoint == city.listen.endpoint
    assert edge.clock.host_clock().event_utc_us(10**9) == city.clock.host_clock().event_utc_us(10**9)
    assert city.clock.speed == edge.clock.speed == 480.0
    assert [path.stem for path in edge.processes.files] == [path.stem for path in city.processes.files] == ["flood"]


def test_keys_fit_together(folder: Path) -> None:
    edge, city = config.load_edge(folder / "edge.toml"), config.load_aggregator(folder / "aggregator.toml")
    assert len({read_board_key(board.key_file) for board in edge.boards}) == 3
    for board in edge.boards:
        assert (folder / "boards" / board.thing / "key.bin").read_bytes() == read_board_key(board.key_file)
    assert read_curve_key(edge.city.server_public_file) == read_curve_key(city.listen.public_file)
    assert read_curve_key(edge.city.public_file) == read_curve_key(city.edges[0].public_file)
    assert read_ed25519_key(edge.city.verify_key_file) != read_ed25519_key(city.signing.secret_file)


def test_real_durations_are_scaled_in_the_site(folder: Path) -> None:
    site = tomllib.loads((folder / "sites" / "flood.toml").read_text())
    assert site["site"]["gate_travel_s"] == 4.0 * 480
    assert site["mode"] == "act"


def test_again_keeps_keys_and_endpoint(folder: Path) -> None:
    names = [*folder.glob("keys/*")]
    before = {path: path.read_bytes() for path in names}
    endpoint = config.load_edge(folder / "edge.toml").city.endpoint
    prepare(folder, scenario.load("riverside"), speed=240.0, epoch_utc_us=EPOCH_UTC_US, mode="advise")
    assert {path: path.read_bytes() for path in names} == before
    edge = config.load_edge(folder / "edge.toml")
    assert (edge.city.endpoint, edge.clock.speed) == (endpoint, 240.0)
    assert tomllib.loads((folder / "sites" / "flood.toml").read_text())["mode"] == "advise"
    prepare(folder, scenario.load("riverside"), speed=480.0, epoch_utc_us=EPOCH_UTC_US)


def test_only_the_processes_that_fit_the_boards(tmp_path: Path) -> None:
    prepare(tmp_path, scenario.load("classroom"), speed=30.0, epoch_utc_us=EPOCH_UTC_US)
    assert [path.name for path in (tmp_path / "sites").iterdir()] == ["classroom_air.toml"]


def test_a_path_too_long_for_sockets_is_told(tmp_path: Path) -> None:
    with pytest.raises(CityError, match="too long for a unix socket"):
        prepare(tmp_path / ("x" * 100), scenario.load("riverside"), speed=1.0, epoch_utc_us=EPOCH_UTC_US)
