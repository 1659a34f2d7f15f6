"""Makes a run directory: keys, configuration, sites and board folders for one scenario on one machine.

An integrator starts from such a directory and then changes the `port` of a board in edge.toml to
`/dev/serial/by-id/...`: nothing else differs between the simulator and the real thing.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
import zmq

import processes
from cityreflex.exits import CONFIG, CityError
from firmware.kit import board_file, bundle
from protocol import tasks
from service.files import write_once
from simulator.runtime import BoardSpec, boottime_us
from simulator.scenario import Scenario

TEMPLATES = Path(processes.__file__).parent
EDGE = "edge-1"
KEY_BYTES = 32
UNIX_PATH_LIMIT = 107  # sun_path has 108 bytes with its closing zero (unix(7))
GATE_TRAVEL_REAL_S = 4.0
LATE_REAL_S = 60.0
STALE_REAL_S = 2.0


@dataclass(frozen=True)
class Prepared:
    """What a run needs: the boards and the epoch of the city clock."""

    folder: Path
    boards: tuple[BoardSpec, ...]
    epoch_boottime_us: int
    epoch_utc_us: int


def prepare(
    folder: Path, scenario: Scenario, *, speed: float, epoch_utc_us: int, mode: str = "act", start_in_s: float = 2.0
) -> Prepared:
    """Return the run directory `folder`, made or brought up to date for `scenario`.

    Keys, board state and stores that are there stay; configuration is written anew. The city clock shows
    `epoch_utc_us` in `start_in_s` real seconds. Raises: CityError; firmware.kit errors for a wrong board.
    """
    _check_socket_paths(folder)
    for name in ("keys", "dev", "boards", "logs", "edge", "city", "sites"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "keys").chmod(0o700)
    _make_keys(folder / "keys", list(scenario.places))
    boards = tuple(_make_boards(folder, scenario))
    epoch = boottime_us() + round(start_in_s * 1e6)
    clock = {"speed": speed, "epoch_boottime_us": epoch, "epoch_utc_us": epoch_utc_us}
    sites = [str(path.relative_to(folder)) for path in _make_sites(folder / "sites", scenario, speed, mode)]
    endpoint = _endpoint(folder)
    _write(folder / "edge.toml", _edge(scenario, clock, sites, endpoint))
    _write(folder / "aggregator.toml", _aggregator(clock, sites, endpoint))
    return Prepared(folder, boards, epoch, epoch_utc_us)


def _check_socket_paths(folder: Path) -> None:
    longest = str((folder / "city" / "api.sock").absolute())
    if len(os.fsencode(longest)) > UNIX_PATH_LIMIT:
        raise CityError(
            CONFIG,
            f"{folder}: path too long for a unix socket ({len(longest)} bytes, at most {UNIX_PATH_LIMIT})",
            "give a shorter --dir",
        )


def _make_keys(folder: Path, things: list[str]) -> None:
    for thing in things:
        _secret(folder / f"{thing}.key", lambda: secrets.token_bytes(KEY_BYTES))
    for name in (EDGE, "city"):
        if not (folder / f"{name}.secret").exists():
            public, secret = zmq.curve_keypair()
            _secret(folder / f"{name}.secret", lambda value=secret: value)
            (folder / f"{name}.public").write_bytes(public)
    if not (folder / "sign.secret").exists():
        private, verify = tasks.new_keys()
        _secret(folder / "sign.secret", lambda: private.hex().encode())
        (folder / "sign.public").write_text(verify.hex())


def _secret(path: Path, make: Any) -> None:
    """Write a secret once."""
    if not path.exists():
        write_once(path, make())


def _make_boards(folder: Path, scenario: Scenario) -> Iterator[BoardSpec]:
    for place in scenario.places.values():
        fs_dir = folder / "boards" / place.thing
        bundle.build(
            board_file.board_path(place.board),
            fs_dir,
            thing=place.thing,
            overrides=dict(place.overrides),
            key=(folder / "keys" / f"{place.thing}.key").read_bytes(),
        )
        yield BoardSpec(place.thing, fs_dir)


def _make_sites(folder: Path, scenario: Scenario, speed: float, mode: str) -> Iterator[Path]:
    """Write the example site of every template whose datastreams this scenario has; yield the files."""
    things = {*scenario.places, EDGE}
    for example in sorted(TEMPLATES.glob("*/site.toml")):
        site = tomlkit.parse(example.read_text())
        if not {stream.split("/")[0] for stream in _streams(site.unwrap())} <= things:
            continue
        site["mode"] = mode
        _scale(site, speed)
        path = folder / f"{example.parent.name}.toml"
        path.write_text(tomlkit.dumps(site))
        yield path


def _streams(site: dict[str, Any]) -> Iterator[str]:
    for value in site["senses"].values():
        yield from [value] if isinstance(value, str) else value


def _scale(site: Any, speed: float) -> None:
    """Real durations that a process counts in event time: gate travel, lateness, staleness."""
    site["lateness_s"] = max(float(site["lateness_s"]), LATE_REAL_S * speed)
    for key, real_s in (("gate_travel_s", GATE_TRAVEL_REAL_S), ("stale_s", STALE_REAL_S)):
        if key in site["site"]:
            site["site"][key] = max(float(site["site"][key]), real_s * speed)


def _endpoint(folder: Path) -> str:
    """The city's endpoint of before, so that a running edge still finds it, or one on a free port."""
    path = folder / "aggregator.toml"
    if path.exists():
        return str(tomlkit.parse(path.read_text()).unwrap()["listen"]["endpoint"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


def _edge(scenario: Scenario, clock: dict[str, Any], sites: list[str], endpoint: str) -> dict[str, Any]:
    return {
        "edge": {"id": EDGE, "data_dir": "edge", "api": "unix:edge/api.sock"},
        "clock": clock,
        "boards": [
            {
                "thing": place.thing,
                "port": f"dev/{place.thing}",
                "baud": place.baud,
                "key_file": f"keys/{place.thing}.key",
            }
            for place in scenario.places.values()
        ],
        "city": {
            "endpoint": endpoint,
            "server_public_file": "keys/city.public",
            "public_file": f"keys/{EDGE}.public",
            "secret_file": f"keys/{EDGE}.secret",
            "verify_key_file": "keys/sign.public",
        },
        "processes": {"files": sites},
    }


def _aggregator(clock: dict[str, Any], sites: list[str], endpoint: str) -> dict[str, Any]:
    return {
        "city": {"id": "city", "data_dir": "city", "api": "unix:city/api.sock"},
        "clock": clock,
        "listen": {"endpoint": endpoint, "public_file": "keys/city.public", "secret_file": "keys/city.secret"},
        "edges": [{"id": EDGE, "public_file": f"keys/{EDGE}.public"}],
        "signing": {"secret_file": "keys/sign.secret"},
        "processes": {"files": sites},
    }


def _write(path: Path, data: dict[str, Any]) -> None:
    """Replace a file in one step, so that whoever waits for it never reads half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(tomlkit.dumps(data))
    fresh.replace(path)
