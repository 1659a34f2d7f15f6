"""aggregator.toml: what is accepted, what is refused, and where its paths point."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aggregator.config import parse
from service.errors import KeyFileError
from service.keys import read_curve_key, read_ed25519_key


def good(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "city": {"data_dir": "city", "api": "unix:city/api.sock"},
        "listen": {
            "endpoint": "tcp://*:5555",
            "public_file": "keys/c.public",
            "secret_file": "keys/c.secret",
        },
        "edges": [{"id": "edge-1", "public_file": "keys/e.public"}],
        "signing": {"secret_file": "/etc/city/sign.secret"},
        "processes": {"files": ["sites/flood.toml"], "templates": ["templates"]},
    }
    return {**data, **changes}


def test_paths_are_relative_to_the_file() -> None:
    config = parse(good(), Path("/run/x"))
    assert config.city.data_dir == Path("/run/x/city")
    assert config.city.api == "unix:/run/x/city/api.sock"
    assert config.edges[0].public_file == Path("/run/x/keys/e.public")
    assert config.signing.secret_file == Path("/etc/city/sign.secret")
    assert config.processes.files == [Path("/run/x/sites/flood.toml")]
    assert config.processes.templates == [Path("/run/x/templates")]
    assert parse(good(city={"data_dir": "d", "api": "127.0.0.1:80"}), Path("/run")).city.api == "127.0.0.1:80"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"edges": []}, "edges"),
        ({"edges": good()["edges"] * 2}, "edge-1"),
        ({"clock": {"speed": 480}}, "epoch"),
        ({"clock": {"epoch_utc_us": 1}}, "epoch"),
        ({"citi": {}}, "citi"),
        ({"city": {"id": "A b", "data_dir": "x"}}, "city.id"),
        ({"listen": {**good()["listen"], "endpoint": "udp://x"}}, "listen.endpoint"),
    ],
)
def test_what_can_not_work_is_refused_with_its_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        parse(good(**changes), Path("/run"))


def test_the_clock_is_the_configured_one() -> None:
    clock = {"speed": 480.0, "epoch_boottime_us": 1_000_000, "epoch_utc_us": 5}
    made = parse(good(clock=clock), Path("/run")).clock.host_clock()
    assert made.event_utc_us(2_000_000) == 5 + 480_000_000


def test_key_files_teach(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with pytest.raises(KeyFileError, match="cannot read"):
        read_curve_key(file)
    file.write_text("abc")
    with pytest.raises(KeyFileError, match="40 characters"):
        read_curve_key(file)
    with pytest.raises(KeyFileError, match="64 hex digits"):
        read_ed25519_key(file)
    file.write_text("ab" * 32 + "\n")
    assert read_ed25519_key(file) == b"\xab" * 32
