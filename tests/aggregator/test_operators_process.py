"""Operators of a city that runs, over TLS: the first one entered while it is down, logins, what a role is refused."""

import json
import socket
from pathlib import Path

import pytest
from city_process import CityFolder

from tests.cityreflex.test_cli import Run, run  # noqa: F401 (a fixture)
from tests.service.test_http_interface import pair

pytestmark = pytest.mark.system
SECRET = "correct horse battery"
HERE = ("--dir", ".")


def test_people_log_in_and_a_role_limits_what_they_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        api = f"127.0.0.1:{free.getsockname()[1]}"
    city = CityFolder(tmp_path, zones={"riverside": ["river-*"]}, city={"api": api, **pair(tmp_path, "city.example")})
    password = tmp_path / "password"
    password.write_text(SECRET)
    password.chmod(0o600)
    typed = ("--password-file", "password", *HERE)
    code, _, err = run("operator", "add", "ben", "--role", "operator", "--zone", "riverside", *typed)
    assert code == 0, err
    with city.running():
        revoke = ("keys", "revoke", "edge-1", "--yes", "--config", "aggregator.toml")
        code, _, err = run(*revoke)
        assert code == 7 and "you are not logged in" in err and "city login" in err
        assert run("login", "ben", *typed)[0] == 0
        rights = json.loads(run("whoami", "--json", *HERE)[1])["rights"]
        assert rights == {"riverside": ["acknowledge", "operate", "view"]}
        code, _, err = run(*revoke)
        assert code == 7 and "ben has not the right 'administer'" in err
        assert run("logout", *HERE)[0] == 0 and run("whoami", *HERE)[0] == 7
        password.write_text("wrong wrong wrong")
        assert run("login", "ben", *typed)[0] == 7
    audit = (tmp_path / "city" / "audit.jsonl").read_text()
    assert '"login","who":"ben"' in audit and SECRET not in audit
    assert run("audit", "verify", *HERE)[0] == 0, "whole, though the city was killed"
