"""`city operator`, `login`, `logout`, `whoami` on files and against a served gate; what ends with which code."""

import json
import stat
from pathlib import Path

import pytest
import tomlkit

from aggregator.operators.store import FILE
from cityreflex import address, exits, token_file
from cityreflex.client import Client
from cityreflex.exits import CityError
from service.lock import hold

from .test_cli import Run, run  # noqa: F401 (a fixture)

SECRET = "correct horse battery"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory of a city that does not run, a password file, and a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(token_file.ENVIRONMENT, raising=False)
    city = {
        "city": {"data_dir": "city", "api": "unix:city/api.sock"},
        "listen": {"endpoint": "ipc://link", "public_file": "c.public", "secret_file": "c.secret"},
        "enrol": {"endpoint": "ipc://door"}, "signing": {"secret_file": "sign.secret"},
        "zones": {"riverside": ["gate-*"]},
    }  # fmt: skip
    (tmp_path / "aggregator.toml").write_text(tomlkit.dumps(city))
    (tmp_path / "password").write_text(SECRET + "\n")
    (tmp_path / "password").chmod(0o600)
    return tmp_path


HERE, TYPED = ("--dir", "."), ("--password-file", "password")


def test_the_first_administrator_is_entered_while_the_city_is_down(run: Run, folder: Path) -> None:  # noqa: F811
    code, _, err = run("operator", "add", "anna", "--role", "administrator", *TYPED, *HERE)
    assert code == exits.OK, err
    assert stat.S_IMODE((folder / "city" / FILE).stat().st_mode) == 0o600
    assert run("operator", "add", "ben", "--role", "operator", "--zone", "riverside", *TYPED, *HERE)[0] == exits.OK
    assert run("operator", "role", "ben", "supervisor", "--zone", "riverside", *HERE)[0] == exits.OK
    assert run("operator", "role", "ben", "viewer", *HERE)[1].strip() == "ben: supervisor riverside, viewer everywhere"
    rows = json.loads(run("operator", "list", "--json", *HERE)[1])
    assert [(row["name"], row["roles"]) for row in rows] == [
        ("anna", {"*": "administrator"}), ("ben", {"riverside": "supervisor", "*": "viewer"})
    ]  # fmt: skip
    assert "supervisor riverside, viewer everywhere; logins 0" in run("operator", "list", *HERE)[1]
    assert run("operator", "passwd", "ben", *TYPED, *HERE)[0] == exits.OK
    assert run("operator", "remove", "ben", *HERE)[0] == exits.OK
    assert len(json.loads(run("operator", "list", "--json", *HERE)[1])) == 1


def test_what_ends_with_which_code(run: Run, folder: Path) -> None:  # noqa: F811
    add = ("operator", "add", "anna", "--role", "operator", *HERE)
    assert run(*add)[0] == exits.USAGE, "nobody is there to type"
    assert run(*add, "--zone", "harbour", *TYPED)[0] == exits.CONFIG
    assert run(*add, *TYPED)[0] == exits.OK
    assert run(*add, *TYPED)[0] == exits.REFUSED
    assert run("operator", "remove", "zoe", *HERE)[0] == exits.NOT_FOUND
    assert run("operator", "role", "anna", "none", *HERE)[0] == exits.REFUSED, "no role is left"
    assert run("login", "anna", *TYPED, *HERE)[0] == exits.NOT_FOUND
    code, _, err = run("login", "anna", *TYPED, "--at", "city.example:8080")
    assert code == exits.REFUSED and "in clear" in err and "https://city.example:8080" in err
    (folder / "password").write_text("short\n")
    assert run("operator", "passwd", "anna", *TYPED, *HERE)[0] == exits.REFUSED
    (folder / "password").chmod(0o644)
    code, _, err = run("operator", "passwd", "anna", *TYPED, *HERE)
    assert code == exits.PERMISSION and "others may read" in err
    with hold(folder / "city"):
        assert run("operator", "list", *HERE)[0] == exits.FAILED


def test_a_password_is_no_option(run: Run, folder: Path) -> None:  # noqa: F811
    for words in (("login", "anna"), ("operator", "add", "anna", "--role", "viewer"), ("operator", "passwd", "anna")):
        assert run(*words, "--password", SECRET)[0] == exits.USAGE


def test_a_token_is_for_its_city_and_for_its_owner_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = token_file.save("unix:city/api.sock", {"token": "one"})
    token_file.save("https://city.example:8443", {"token": "two"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert token_file.find(f"unix:{folder}/city/api.sock") == "one"
    assert (token_file.find("https://city.example:8443"), token_file.find("127.0.0.1:80")) == ("two", "")
    token_file.forget("unix:city/api.sock")
    assert token_file.find("unix:city/api.sock") == ""
    bare = folder / "bare"
    bare.write_text("three\n")
    bare.chmod(0o600)
    monkeypatch.setenv(token_file.ENVIRONMENT, str(bare))
    with Client("unix:other.sock") as client:
        assert client.token == "three" and client._http.headers["Authorization"] == "Bearer three"
    with pytest.raises(CityError, match="in clear"):
        Client("192.0.2.1:80")
    Client("http://192.0.2.1:80").close()
    bare.chmod(0o640)
    with pytest.raises(CityError, match="others may read this token") as caught:
        Client("unix:other.sock")
    assert caught.value.code == exits.PERMISSION
    with pytest.raises(CityError, match="no such token file"):
        token_file.find("x", folder / "nowhere")


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ('api = "127.0.0.1:80"', "127.0.0.1:80"), ('api = "0.0.0.0:80"', "127.0.0.1:80"), ("", "unix:api.sock"),
        ('api = "0.0.0.0:80"\napi_cert = "c.pem"', "https://127.0.0.1:80"), ('api = "unix:x/y"', "unix:x/y"),
    ],
)  # fmt: skip
def test_where_a_city_of_a_run_directory_is(tmp_path: Path, section: str, text: str) -> None:
    (tmp_path / "aggregator.toml").write_text(f'[city]\ndata_dir = "city"\n{section}\n')
    found, certificate = address.of_run(tmp_path)
    assert found == text.replace("unix:", f"unix:{tmp_path}/")
    assert (certificate == tmp_path / "c.pem") == ("c.pem" in section)
    (tmp_path / "aggregator.toml").unlink()
    assert address.of_run(tmp_path).text == f"unix:{tmp_path}/city/api.sock"


def test_a_city_that_would_listen_to_all_in_clear_does_not_start(run: Run, folder: Path) -> None:  # noqa: F811
    config = tomlkit.parse((folder / "aggregator.toml").read_text())
    config["city"]["api"] = "0.0.0.0:8080"  # type: ignore[index]
    (folder / "aggregator.toml").write_text(tomlkit.dumps(config))
    for words in (("config", "check", "aggregator.toml"), ("aggregator", "run", "--config", "aggregator.toml")):
        code, _, err = run(*words)
        assert code == exits.CONFIG and "aggregator.toml:3: city.api: found '0.0.0.0:8080'" in err
        assert "give api_cert and api_key" in err and "api_without_tls = true" in err


def test_a_login_writes_a_token_file_that_is_not_there_yet_and_shows_no_old_token(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    shown: list[str] = []

    def post(self: Client, page: str, body: dict[str, str]) -> dict[str, str | int]:
        shown.append(self.token)
        return {"name": body["name"], "token": "fresh", "until_utc_us": 1_800_000_000_000_000}

    monkeypatch.setattr(Client, "post", post)
    for _ in range(2):
        code, out, err = run("login", "anna", *TYPED, *HERE, "--token-file", "mine/token.json")
        assert code == exits.OK, err
        assert "mine/token.json" in out
    assert shown == ["", ""]
    assert token_file.find("unix:city/api.sock", folder / "mine/token.json") == "fresh"
