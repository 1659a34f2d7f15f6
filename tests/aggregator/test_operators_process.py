"""Operators of a city that runs: the first one over the socket, logins by command, what a role is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from city_process import CityFolder

pytestmark = pytest.mark.system
SECRET = "correct horse battery"


def test_people_log_in_and_a_role_limits_what_they_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    city = CityFolder(tmp_path, zones={"riverside": ["river-*"]})
    password = tmp_path / "password"
    password.write_text(SECRET)
    password.chmod(0o600)
    typed = ("--password-file", "password")

    def tell(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "cityreflex", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=city.environment()
        )
        return done.returncode, done.stderr

    with city.running():
        add = ("operator", "add", "ben", "--role", "operator", "--zone", "riverside", *typed, "--dir", ".")
        assert tell(*add)[0] == 0
        code, row, err = city.ask("login", "ben", *typed)
        assert (code, row["name"]) == (0, "ben"), err
        assert city.ask("whoami")[1]["rights"]["riverside"] == ["acknowledge", "operate", "view"]
        code, err = tell("keys", "revoke", "edge-1", "--yes", "--config", "aggregator.toml")
        assert code == 7 and "ben has not the right 'administer'" in err
        assert city.ask("operator", "list")[0] == 7
        assert tell("logout", "--dir", ".")[0] == 0
        assert city.ask("whoami")[1]["name"] == "local", "the owner of the socket"
        assert city.ask("operator", "list")[1][0]["logins"] == 0
        password.write_text("wrong wrong wrong")
        assert city.ask("login", "ben", *typed)[0] == 7
    audit = (tmp_path / "city" / "audit.jsonl").read_text()
    assert '"not_allowed","who":"ben"' in audit and SECRET not in audit
