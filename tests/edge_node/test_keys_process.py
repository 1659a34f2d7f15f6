"""Keys of a real city: who is refused is counted, audited and shown; revocation, enrolment, rotation, kill -9."""

import base64
import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from zmq.utils import z85

from aggregator.link.router_socket import MAX_ON_WIRE
from protocol import city_link as cl
from protocol.enrol import TokenText, read_token, token_text
from tests.waiting import until

from .key_town import Town, a_town

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A city that runs, with nobody in it yet."""
    with a_town(tmp_path_factory.mktemp("t")) as made:
        made.start("aggregator")
        yield made


def hello(edge: str) -> cl.EdgeHello:
    return cl.EdgeHello(cl.PROTO, edge, f"{edge}-boot", 1)


def told(town: Town, reason: str, who: str) -> None:
    """A refusal is counted, in the audit log, and on both faces of `city status`."""
    row = town.refusal(reason)
    assert (row["count"] >= 1, row["who"]) == (True, who) and row["age_s"] >= 0 and row["text"]
    line = town.audited(reason)
    assert (line["event"], line["who"]) == ("refused", who) and line["n"] >= 1 and line["utc_us"] > 0
    assert f"refused {reason} at city: " in town.status_text()


def test_what_init_made_is_for_its_owner_alone(town: Town) -> None:
    keys = town.folder / "keys"
    for name in ("city.secret", "sign.secret", "edge-1.secret"):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    before = {path: path.read_bytes() for path in keys.iterdir() if path.is_file()}
    assert "nothing was made" in town.city("keys", "init", "--config", "aggregator.toml")
    assert {path: path.read_bytes() for path in before} == before


def test_an_unknown_key_is_refused_counted_audited_and_shown(town: Town) -> None:
    link = town.link()
    link.say(hello("edge-1"))
    until(lambda: link.saw(zmq.EVENT_HANDSHAKE_FAILED_AUTH), "the handshake is refused")
    assert not link.heard()
    told(town, "unknown_key", "local")


def test_a_revoked_key_is_out_within_a_second_on_a_living_link(town: Town) -> None:
    pair = town.enrol("edge-2")
    link = town.link(pair)
    link.say(hello("edge-2"))
    link.hear(cl.CityHello)
    link.hear(cl.CityHeartbeat)
    done = town.city("keys", "revoke", "edge-2", "--yes", "--json", "--config", "aggregator.toml")
    (name,) = json.loads(done)["revoked"]
    end = time.monotonic() + 1.0
    until(lambda: link.saw(zmq.EVENT_HANDSHAKE_FAILED_AUTH) and time.monotonic() > end, "cut and refused")
    link.heard()
    sessions = lambda: {row["edge"]: row for row in town.get("status")["edges"]}  # noqa: E731
    until(lambda: not sessions()["edge-2"]["online"], "the city knows that it is gone")
    beats, end = [], time.monotonic() + 1.2  # two heartbeats of the city
    while time.monotonic() < end:
        link.socket.poll(100)
        beats += link.heard()
    assert not beats
    told(town, "revoked_key", "edge-2")
    found = json.loads(town.city("keys", "list", "--json", "--config", "aggregator.toml"))
    assert [row["reason"] for row in found["dead"] if row["fingerprint"] == name] == ["revoked"]
    assert "revoked" in town.city("keys", "list", "--config", "aggregator.toml")
    again = town.link(pair)
    until(lambda: again.saw(zmq.EVENT_HANDSHAKE_FAILED_AUTH), "a revoked key never comes back")
    town.city("keys", "revoke", "edge-2", "--yes", "--config", "aggregator.toml", code=4)


def test_an_oversized_message_is_refused_by_name_or_cut_before_it_costs_memory(town: Town) -> None:
    link = town.link(town.enrol("edge-3"))
    link.say(hello("edge-3"))
    link.hear(cl.CityHello)
    link.socket.send_multipart([b"x" * (cl.MAX_MESSAGE + 1), b""])
    told(town, "oversize", "edge-3")
    link.say(hello("edge-3"))
    link.hear(cl.CityHello)
    link.socket.send_multipart([b"x" * (MAX_ON_WIRE + 1000), b""])
    until(lambda: link.saw(zmq.EVENT_DISCONNECTED), "libzmq closes the connection")
    assert town.get("health")["reasons"] == []


def test_an_impostor_is_refused_under_the_name_of_its_key(town: Town) -> None:
    link = town.link(town.enrol("edge-4"))
    link.say(hello("edge-1"))
    told(town, "impostor", "edge-4")


def test_a_token_works_once_for_one_node_and_not_for_another(town: Town) -> None:
    opened = json.loads(town.city("keys", "enroll", "edge-5", "--for", "30m", "--json", "--config", "aggregator.toml"))
    config = town.edge("edge-5")
    config["city"] |= {"secret_file": "keys/five/secret", "server_public_file": "keys/five/server"}
    config["city"]["verify_key_file"] = "keys/five/verify"
    town._write("five.toml", config)
    file = town.folder / "token"
    file.write_text(opened["token"])
    other = town.city("keys", "enroll", "--token", "@token", "--config", "edge.toml", code=7)
    assert "for edge-5, this configuration is of edge-1" in other
    first = json.loads(town.city("keys", "enroll", "--token", "@token", "--json", "--config", "five.toml"))
    assert stat.S_IMODE((town.folder / "keys/five/secret").stat().st_mode) == 0o600
    assert (town.folder / "keys/five/server").read_bytes() == (town.folder / "keys/city.public").read_bytes()
    assert (town.folder / "keys/five/verify").read_text() == (town.folder / "keys/sign.public").read_text()
    assert first["fingerprint"] in town.city("keys", "list", "--config", "aggregator.toml")
    assert "used by another key" in town.city("keys", "enroll", "--token", "@token", "--config", "five.toml", code=7)
    assert not (town.folder / "keys/five/secret.next").exists(), "a node would rotate to it"
    told(town, "token_used", "enrolment")


def test_a_wrong_or_garbled_token_enrols_nobody(town: Town) -> None:
    text = json.loads(town.city("keys", "enroll", "edge-6", "--json", "--config", "aggregator.toml"))["token"]
    assert "not whole" in town.city("keys", "enroll", "--token", text[:-4], "--config", "edge.toml", code=2)
    config = town.edge("edge-6")
    config["city"] |= {"secret_file": "keys/six/secret", "server_public_file": "keys/six/server"}
    config["city"]["verify_key_file"] = "keys/six/verify"
    town._write("six.toml", config)
    token = read_token(text)
    forged = token_text(TokenText(token.edge, token.endpoint, token.server, token.token_id, bytes(16), 1))
    assert "wrong secret" in town.city("keys", "enroll", "--token", "-", "--config", "six.toml", code=7, given=forged)
    told(town, "token_wrong", "enrolment")
    assert not list((town.folder / "keys/six").glob("secret*")), "a key that nobody let in is gone"
    town.city("keys", "enroll", "--token", "-", "--config", "six.toml", given=text)


def test_the_door_understands_nothing_but_enrolment(town: Town) -> None:
    text = json.loads(town.city("keys", "enroll", "edge-8", "--json", "--config", "aggregator.toml"))["token"]
    link = town.link()
    link.socket.connect(read_token(text).endpoint)
    link.socket.send_multipart([b"hello", b"there"])
    link.socket.send(b"hello")
    until(lambda: link.socket.poll(0), "an answer")
    told(town, "malformed", "enrolment")
    town.city("keys", "revoke", "edge-8", "--yes", "--config", "aggregator.toml")


def secrets_of(folder: Path) -> dict[str, bytes]:
    """Every secret of a town by file, and tokens, as they must never appear anywhere."""
    return {str(path): path.read_bytes() for path in (folder / "keys").rglob("*secret*") if path.is_file()}


def written_forms(secret: bytes) -> list[bytes]:
    """How a secret could leak: as it is in its file, raw, in hex, in base64, as Python shows bytes."""
    raw = bytes.fromhex(secret.decode()) if len(secret) == 64 else z85.decode(secret) if len(secret) == 40 else secret
    forms = [secret, raw, raw.hex().encode(), base64.b64encode(raw), base64.urlsafe_b64encode(raw).rstrip(b"=")]
    return [*forms, repr(raw)[2:-1].encode(), z85.encode(raw)]


def test_no_secret_is_in_any_log_audit_line_page_or_argument(town: Town) -> None:
    token = town.city("keys", "enroll", "edge-9", "--config", "aggregator.toml")
    secrets = secrets_of(town.folder)
    assert len(secrets) >= 5
    token_secret = read_token(token).secret
    places = [*(town.folder / "logs").iterdir(), *(town.folder / "city").glob("*.json*")]
    seen: dict[str, bytes] = {str(path): path.read_bytes() for path in places}
    process = town.running["aggregator"]
    seen["arguments"] = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    for page in ("status", "keys", "health"):
        seen[page] = json.dumps(town.get(page)).encode()
    seen["list"] = town.city("keys", "list", "--config", "aggregator.toml").encode()
    assert len(seen["arguments"]) > 10 and len(seen[str(town.folder / "logs" / "aggregator.log")]) > 100
    forms = [form for secret in [*secrets.values(), token_secret] for form in written_forms(secret)]
    leaks = [(where, form) for where, text in seen.items() for form in forms if form in text]
    assert not leaks and token.strip().encode() not in b"".join(seen.values())


def test_a_node_is_told_that_its_key_is_not_enrolled_and_city_status_says_so(town: Town, tmp_path: Path) -> None:
    with a_town(tmp_path) as lonely:
        lonely.endpoint = town.endpoint
        config = lonely.edge("edge-1")
        config["city"] |= {"server_public_file": str(town.folder / "keys/city.public"),
                           "verify_key_file": str(town.folder / "keys/sign.public")}  # fmt: skip
        lonely._write("edge.toml", config)
        lonely.start("edge")
        until(lambda: lonely.get("health", "edge")["uplink"]["problem"], "the node learns why nobody answers")
        text = lonely.status_text()
        assert "! edge-1: the city refused this key" in text and "city keys enroll" in text
        assert "the city does not let this node in" in (lonely.folder / "logs/edge.log").read_text()
        assert "not enrolled" in " ".join(lonely.city("keys", "list", "--config", "edge.toml").split())


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A city with one real edge node that was enrolled by a token, and a board that samples."""
    with a_town(tmp_path_factory.mktemp("l")) as made:
        made.start("aggregator")
        made.enrol_edge()
        made.start("edge")
        until(lambda: stored(made) > 50, "samples arrive")
        yield made


def reflex_of(town: Town) -> str:
    """The fingerprint of the key under which edge-1 signs what it does by itself, as the city knows it."""
    rows = town.get("keys")["keys"]
    return next((row["reflex"] for row in rows if (row["edge"], row["slot"]) == ("edge-1", "current")), "")


def test_a_rotation_under_load_with_kills_at_its_steps_loses_nothing(living: Town) -> None:
    town, first = living, own_key(living)
    until(lambda: reflex_of(town), "the node named its key for reflexes")
    reflex = reflex_of(town)
    rows = json.loads(town.city("keys", "rotate", "--config", "edge.toml", "--json"))
    second = rows["keys"][0]["fingerprint"]
    assert rows["state"] == "steady" and second != first
    slots = {row["fingerprint"]: row["slot"] for row in town.get("keys")["keys"]}
    assert slots == {first: "current", second: "next"}, "the old key has its grace"
    until(lambda: town.get("keys", "edge")["connected"], "admitted again, perhaps after a moment's wait")
    rows = json.loads(town.city("keys", "rotate", "--config", "edge.toml", "--wait", "0s", "--json"))
    third = rows["keys"][-1]["fingerprint"]
    assert rows["state"] == "offering" and third not in (first, second)
    for name in ("edge", "aggregator", "edge"):  # in the midst of an offer that is not taken yet
        town.stop(name, 9)
        town.start(name)
    assert own_key(town) in (second, third)
    already = stored(town)
    until(lambda: stored(town) > already + 50, "samples arrive after the kills")
    until(lambda: own_key(town) == third and town.get("keys", "edge")["state"] == "steady", "the rotation ends")
    balanced(town)
    until(lambda: reflex_of(town) not in ("", reflex), "a key for reflexes goes with the link key")
    assert [row["reason"] for row in town.get("keys")["dead"] if row["fingerprint"] == first] == ["retired"]
    book = town.folder / "city" / "audit" / "edges" / "edge-1.jsonl"
    until(book.exists, "the city keeps the head of the node's audit log")
    until(lambda: town.get("audit/heads"), "the node keeps the head of the city's")
    for part in ("city", "edge"):
        found = json.loads(town.city("audit", "verify", "--part", part, "--dir", str(town.folder), "--json"))
        assert found["ok"] and found["witnessed"], "whole after the kills"


def test_the_citys_own_keys_change_while_the_node_goes_on(living: Town) -> None:
    town, known = living, living.folder / "keys" / "known"
    for which, option, file in (("curve", "--server", "city.public"), ("signing", "--verify", "sign.public")):
        told = json.loads(town.city("keys", "rotate", "--config", "aggregator.toml", "--which", which, "--json"))
        town.city("keys", "trust", "--config", "edge.toml", option, told["public"])
        before = (known / file).read_text()
        town.city("keys", "rotate", "--config", "aggregator.toml", "--which", which, "--switch")
        assert (known / file).read_text() == before != told["public"]
    town.stop("aggregator")
    town.start("aggregator")
    already = stored(town)
    until(lambda: stored(town) > already + 50, "the node is back under the city's next key")
    until(lambda: (known / "city.public").read_text() == (town.folder / "keys/city.public").read_text(), "and keeps it")
    assert not (known / "city.public.next").exists()
    assert (known / "sign.public.next").exists(), "no task was signed yet"
    balanced(town)


def test_no_secret_of_a_node_is_in_its_logs_pages_or_arguments(living: Town) -> None:
    town = living
    secrets = secrets_of(town.folder) | {"board": (town.folder / "keys" / "river-1.key").read_bytes()}
    places = [*(town.folder / "logs").iterdir(), town.folder / "edge" / "audit.jsonl"]
    seen = {path.name: path.read_bytes() for path in places}
    seen["arguments"] = Path(f"/proc/{town.running['edge'].pid}/cmdline").read_bytes()
    for page in ("health", "keys", "ledger"):
        seen[page] = json.dumps(town.get(page, "edge")).encode()
    assert len(seen["edge.log"]) > 100 and b"key_current" in seen["audit.jsonl"]
    forms = [form for secret in secrets.values() for form in written_forms(secret)]
    assert not [(where, form) for where, text in seen.items() for form in forms if form in text]


def own_key(town: Town) -> str:
    return str(town.get("keys", "edge")["keys"][0]["fingerprint"])


def stored(town: Town) -> int:
    return int(town.get("ledger")["totals"]["stored"])


def balanced(town: Town) -> None:
    """Nothing went missing."""
    until(lambda: town.get("ledger")["totals"]["unexplained"] == 0, "the ledger balances")
    assert town.get("ledger")["totals"]["declared_lost"] == 0
