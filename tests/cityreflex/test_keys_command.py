"""`city keys` on the files of a city and a node that do not run: what it makes, says, and which code it ends with."""

import json
import stat
from pathlib import Path

import pytest
import tomlkit
import zmq

from aggregator.keys.store import FILE
from cityreflex import exits
from cityreflex.commands import keys_text
from cityreflex.key_admin import NOT_RUNNING
from protocol.enrol import read_token
from service.lock import hold

from .test_cli import Run, run  # noqa: F401 (a fixture)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with aggregator.toml and edge.toml and no key yet."""
    monkeypatch.chdir(tmp_path)
    city = {
        "city": {"data_dir": "city", "api": "unix:city/api.sock"},
        "listen": {"endpoint": "ipc://link", "public_file": "keys/city.public", "secret_file": "keys/city.secret"},
        "enrol": {"endpoint": "ipc://door"},
        "signing": {"secret_file": "keys/sign.secret"},
    }
    node = {
        "edge": {"id": "edge-1", "data_dir": "edge", "api": "unix:edge/api.sock"},
        "boards": [{"thing": name, "port": "p", "key_file": f"keys/{name}.key"} for name in ("river-1", "mast-1")],
        "city": {
            "endpoint": "ipc://link", "server_public_file": "known/city.public", "public_file": "keys/edge-1.public",
            "secret_file": "keys/edge-1.secret", "verify_key_file": "known/sign.public",
        },
    }  # fmt: skip
    (tmp_path / "aggregator.toml").write_text(tomlkit.dumps(city))
    (tmp_path / "edge.toml").write_text(tomlkit.dumps(node))
    return tmp_path


CITY, NODE = ("--config", "aggregator.toml"), ("--config", "edge.toml")


def test_init_makes_what_is_missing_with_the_right_modes_and_nothing_twice(run: Run, folder: Path) -> None:  # noqa: F811
    code, out, _ = run("keys", "init", *CITY, "--json")
    made = {Path(row["file"]).name for row in json.loads(out)["made"]}
    assert (code, made) == (exits.OK, {"city.secret", "city.public", "sign.secret", "sign.public"})
    code, out, _ = run("keys", "init", *NODE, "--json")
    made = {Path(row["file"]).name for row in json.loads(out)["made"]}
    assert (code, made) == (exits.OK, {"edge-1.secret", "edge-1.public", "river-1.key", "mast-1.key"})
    for path in (folder / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o644 if path.suffix == ".public" else 0o600), path
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o700
    before = {path: path.read_bytes() for path in (folder / "keys").iterdir()}
    assert run("keys", "init", *CITY)[1].startswith("every key file is there")
    assert {path: path.read_bytes() for path in before} == before
    secret = (folder / "keys/city.secret").read_bytes()
    assert bytes(zmq.curve_public(secret)) == (folder / "keys/city.public").read_bytes()


def test_init_of_one_board_makes_its_key_alone(run: Run, folder: Path) -> None:  # noqa: F811
    assert run("keys", "init", *NODE, "--board", "mast-1")[0] == exits.OK
    assert [path.name for path in (folder / "keys").iterdir()] == ["mast-1.key"]
    assert len((folder / "keys/mast-1.key").read_bytes()) == 32
    code, _, err = run("keys", "init", *NODE, "--board", "moon-1")
    assert code == exits.NOT_FOUND and "expected one of mast-1, river-1" in err
    assert run("keys", "init", *CITY, "--board", "mast-1")[0] == exits.CONFIG


def test_init_does_not_hide_a_public_file_of_another_key(run: Run, folder: Path) -> None:  # noqa: F811
    run("keys", "init", *CITY)
    (folder / "keys/city.public").write_bytes(zmq.curve_keypair()[0])
    code, _, err = run("keys", "init", *CITY)
    assert code == exits.CONFIG and "not the public half" in err


def test_a_token_of_a_city_that_is_down_waits_in_its_keyring(run: Run, folder: Path) -> None:  # noqa: F811
    run("keys", "init", *CITY)
    code, out, err = run("keys", "enroll", "edge-7", "--for", "2h", *CITY)
    assert code == exits.OK and len(out.split()) == 1 and "once, until" in err
    token = read_token(out)
    assert (token.edge, token.endpoint) == ("edge-7", "ipc://door")
    code, out, _ = run("keys", "list", *CITY, "--json")
    found = json.loads(out)
    (row,) = found["tokens"]
    assert (row["edge"], row["used_by"], row["lapses_utc_us"] // 1_000_000) == ("edge-7", None, token.lapses_utc_s)
    assert "not used yet" in run("keys", "list", *CITY)[1]
    for path in (folder / "city" / FILE, folder / "city" / "audit.jsonl"):
        assert token.secret.hex() not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run("keys", "revoke", "edge-7", "--yes", *CITY)[1].strip() == "the token of edge-7 is void"


def test_what_ends_with_which_code(run: Run, folder: Path) -> None:  # noqa: F811
    assert run("keys", "enroll", "edge-7", *CITY)[0] == exits.CONFIG, "no keys yet"
    run("keys", "init", *CITY)
    run("keys", "init", *NODE)
    assert run("keys", "revoke", "edge-7", "--yes", *CITY)[0] == exits.NOT_FOUND
    code, _, err = run("keys", "revoke", "edge-7", *CITY)
    assert code == exits.USAGE and "--yes" in err, "nobody is there to answer"
    assert run("keys", "enroll", *CITY)[0] == exits.USAGE
    assert run("keys", "enroll", "edge-7", "--token", "x", *CITY)[0] == exits.USAGE
    assert run("keys", "enroll", "edge-7", "--for", "soon", *CITY)[0] == exits.USAGE
    assert run("keys", "enroll", "edge-7", "--for", "9d", *CITY)[0] == exits.REFUSED
    assert run("keys", "enroll", "--token", "@nowhere", *NODE)[0] == exits.USAGE
    assert run("keys", "rotate", *CITY)[0] == exits.USAGE
    assert run("keys", "rotate", *NODE, "--switch")[0] == exits.USAGE
    assert run("keys", "rotate", *CITY, "--which", "curve", "--switch")[0] == exits.REFUSED
    assert run("keys", "trust", *NODE)[0] == exits.USAGE
    assert run("keys", "list", "--config", "nowhere.toml")[0] == exits.NOT_FOUND
    with hold(folder / "city"):
        code, _, err = run("keys", "enroll", "edge-7", *CITY)
        assert code == exits.FAILED and "does not answer" in err


def test_an_answer_that_never_comes_is_told(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    run("keys", "init", *CITY)
    token = run("keys", "enroll", "edge-1", *CITY)[1].strip()
    monkeypatch.setattr("cityreflex.key_admin.ENROL_S", 0.2)
    code, _, err = run("keys", "enroll", "--token", token, *NODE)
    assert code == exits.NOT_FOUND and "has the token lapsed" in err and token not in err
    assert not (folder / "keys/edge-1.secret").exists()


def test_a_city_without_a_door_says_what_to_add(run: Run, folder: Path) -> None:  # noqa: F811
    config = tomlkit.parse((folder / "aggregator.toml").read_text())
    del config["enrol"]
    config["edges"] = [{"id": "edge-1"}]
    (folder / "aggregator.toml").write_text(tomlkit.dumps(config))
    run("keys", "init", *CITY)
    code, _, err = run("keys", "enroll", "edge-1", *CITY)
    assert code == exits.CONFIG and "Traceback" not in err
    assert "aggregator.toml: no [enrol] section" in err and "found [city], [listen], [signing], [edges]" in err
    lines = [line.removeprefix("city: ").strip() for line in err.splitlines()]
    added = "\n".join(lines[lines.index("[enrol]") : lines.index("[enrol]") + 3])
    with (folder / "aggregator.toml").open("a") as file:
        file.write(f"\n{added}\n")
    assert run("keys", "enroll", "edge-1", *CITY)[0] == exits.OK, "what it says is enough"


def test_each_half_of_an_enrolment_knows_on_which_side_it_is(run: Run, folder: Path) -> None:  # noqa: F811
    code, _, err = run("keys", "enroll", "edge-1", *NODE)
    assert code == exits.CONFIG and "edge.toml: found the edge.toml of a node" in err
    assert "city keys enroll --token - --config edge.toml" in err
    code, _, err = run("keys", "enroll", "--token", "x", *CITY)
    assert code == exits.CONFIG and "aggregator.toml: found the aggregator.toml of a city" in err
    assert "city keys enroll EDGE --config aggregator.toml" in err


PYTHON_WORDS = ("fromhex", "non-hexadecimal", "codec", "ValueError", "0x")


@pytest.mark.parametrize("given", ["nonsense", "city1-", "city1-!!!!", "city1-AAAAAAAA", "ü", ""])
def test_a_bad_token_names_the_option_and_never_shows_itself(run: Run, folder: Path, given: str) -> None:  # noqa: F811
    code, _, err = run("keys", "enroll", "--token", given, *NODE)
    assert code == exits.USAGE and "--token" in err and "found" in err
    assert "city keys enroll EDGE" in err and not any(word in err for word in PYTHON_WORDS)
    assert len(given) < 7 or given not in err


@pytest.mark.parametrize("option", ["--server", "--verify"])
@pytest.mark.parametrize("given", ["zz", "00ff", "é" * 40, "0" * 40, "z" * 64])
def test_a_bad_key_names_the_option_and_what_is_expected(run: Run, folder: Path, option: str, given: str) -> None:  # noqa: F811
    code, _, err = run("keys", "trust", *NODE, option, given)
    assert code == exits.USAGE and option in err and f"found '{given}'" in err
    expected = "40 characters of z85" if option == "--server" else "64 hex digits"
    assert expected in err and not any(word in err for word in PYTHON_WORDS)
    assert not list(folder.rglob("*.next"))


def test_a_rotation_that_is_not_over_says_which_key_is_where_and_what_to_do() -> None:
    said = "rotation_under_way: the last rotation is not over: bb is next, aa current until 2026-03-01 14:07:30Z"
    keys = [{"slot": "current", "fingerprint": "bb" * 16}, {"slot": "next", "fingerprint": "cc" * 16}]
    found = {"edge": "edge-1", "state": "offering", "keys": keys, "problem": said}
    text = keys_text.rotated(found)
    assert f"own current: {'bb' * 16}" in text and f"own next: {'cc' * 16}" in text
    assert "until 2026-03-01 14:07:30Z" in text.replace("\n  ", " ") and "nothing to do: the node offers" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "start the node" in keys_text.rotated({**found, "problem": NOT_RUNNING})
    assert "has taken the next key" in keys_text.rotated({**found, "problem": "", "state": "changing"})


@pytest.mark.parametrize("edge", ["edge-1", "e" * 64])
def test_a_list_of_keys_fits_in_80_columns(edge: str) -> None:
    at = 1_772_374_050_000_000
    times = {"since_utc_us": at, "used_utc_us": None}
    name = "ab" * 16
    keys = [{"edge": edge, "slot": "current", "fingerprint": name, "origin": "config", "retire_utc_us": at, **times},
            {"edge": edge, "slot": "next", "fingerprint": name, "origin": "rotation", "retire_utc_us": None, "by": name,
             "reflex": "cd" * 16, **times}]  # fmt: skip
    dead = [{"edge": edge, "reason": "revoked", "fingerprint": name, **times}] * 30
    tokens = [{"edge": edge, "used_by": used, "lapses_utc_us": at} for used in (None, name)]
    text = keys_text.table({"keys": keys, "dead": dead, "tokens": tokens})
    assert max(map(len, text.splitlines())) <= 80
    assert f"  current  {name} from config\n           since 2026-03-01 14:07:30Z, last used never\n" in text
    assert f"           offered under {name}\n           reflexes signed with {'cd' * 16}\n" in text
    assert text.count("reflexes signed") == 1, "the other names none"
    assert "           until 2026-03-01 14:07:30Z\n" in text and "and 10 older dead keys" in text
    slots = [{"slot": slot, "fingerprint": name} for slot in ("current", "next")]
    node = {"edge": edge, "state": "offering", "connected": False, "keys": slots, "city": slots, "verify_keys": 2}
    text = keys_text.table({**node, "problem": "the city does not answer " * 9})
    assert max(map(len, text.splitlines())) <= 80
    assert keys_text.table({"keys": [], "dead": [], "tokens": []}) == "no key is admitted"


@pytest.mark.parametrize("which", ["curve", "signing"])
def test_the_citys_keys_change_in_two_steps(run: Run, folder: Path, which: str) -> None:  # noqa: F811
    run("keys", "init", *CITY)
    secret = folder / "keys" / ("city.secret" if which == "curve" else "sign.secret")
    public = folder / "keys" / ("city.public" if which == "curve" else "sign.public")
    old = secret.read_bytes(), public.read_bytes()
    code, out, _ = run("keys", "rotate", *CITY, "--which", which, "--json")
    told = json.loads(out)["public"]
    assert code == exits.OK and (secret.read_bytes(), public.read_bytes()) == old
    assert json.loads(run("keys", "rotate", *CITY, "--which", which, "--json")[1])["public"] == told, "made once"
    text = run("keys", "rotate", *CITY, "--which", which)[1]
    assert told in text and "city keys trust" in text
    assert f"city keys rotate --config aggregator.toml --which {which} --switch" in text
    assert run("keys", "rotate", *CITY, "--which", which, "--switch")[0] == exits.OK
    assert public.read_text() == told and secret.read_bytes() != old[0]
    names = {"city.secret", "city.public", "sign.secret", "sign.public"}
    assert {path.name for path in (folder / "keys").iterdir()} == names
    assert run("keys", "init", *CITY)[1].startswith("every key file is there")


def test_a_node_that_is_down_prepares_its_rotation(run: Run, folder: Path) -> None:  # noqa: F811
    run("keys", "init", *NODE)
    (folder / "known").mkdir()
    (folder / "known/city.public").write_bytes(zmq.curve_keypair()[0])
    (folder / "known/sign.public").write_text("ab" * 32)
    code, out, _ = run("keys", "rotate", *NODE, "--json")
    found = json.loads(out)
    assert (code, found["state"], len(found["keys"])) == (exits.OK, "offering", 2)
    text = run("keys", "list", *NODE)[1]
    assert "the node is not running" in text and found["keys"][1]["fingerprint"] in text
    run("keys", "trust", *NODE, "--verify", "cd" * 32)
    assert json.loads(run("keys", "list", *NODE, "--json")[1])["verify_keys"] == 2


def test_a_credential_is_never_written(run: Run, folder: Path) -> None:  # noqa: F811
    config = tomlkit.parse((folder / "edge.toml").read_text())
    config["city"]["secret_file"] = "credential:edge-1.secret"  # type: ignore[index]
    (folder / "edge.toml").write_text(tomlkit.dumps(config))
    assert run("keys", "init", *NODE)[0] == exits.OK
    assert not list(folder.rglob("*credential*"))
    code, _, err = run("keys", "rotate", *NODE)
    assert code == exits.CONFIG and "read only" in err
    code, _, err = run("config", "check", "edge.toml")
    assert code == exits.CONFIG and "LoadCredential=edge-1.secret" in err
