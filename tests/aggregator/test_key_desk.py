"""The keyring of a running city over real CURVE sockets, in this process: living links, full disks, the door."""

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from aggregator import app
from aggregator.config import parse
from aggregator.keys import store as key_store
from aggregator.keys.store import KeyStore, read_keyring
from protocol import city_link
from protocol.city_link import Ack, CityHello, EdgeHello, KeyOffer, KeyTaken, Refusal, Wait
from service import audit
from service.errors import KeyFileError
from service.fingerprint import fingerprint, raw_key

from .test_link import ScriptedEdge, Site, run

ONE_SECOND = 1.0


@pytest.fixture
def site(tmp_path: Path, kit: Any) -> Site:
    return Site(tmp_path, kit.templates)


def name_of(site: Site, key: str) -> str:
    return fingerprint(raw_key(site.keys[key][0]))


async def nothing(*_: Any) -> None:
    """In place of cutting links: the judgement of each message has to do alone."""


async def greeted_again(link: ScriptedEdge, edge: str) -> None:
    """Say hello until the city has time for it, as a node does that is told to wait."""
    async with asyncio.timeout(20):
        while True:
            await link.say(EdgeHello(2, edge, "eb-1", 1))
            message = city_link.decode(await link.socket.recv_multipart())
            if isinstance(message, CityHello):
                return
            if isinstance(message, Wait):
                await asyncio.sleep(message.after_ms / 1000)


async def turns(parts: app.Aggregator, condition: Any) -> None:
    """Let the city work until the condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


def test_the_user_id_names_edge_and_key(site: Site, kit: Any) -> None:
    async def script(parts: app.Aggregator) -> None:
        context = zmq.asyncio.Context()
        edge = ScriptedEdge(context, site)
        await edge.say(EdgeHello(1, "edge-1", "eb-1", 1))
        await edge.hear(CityHello)
        assert parts.city.sessions.by_edge["edge-1"].key == name_of(site, "edge-1")
        context.destroy(0)

    run(site, script)


def test_a_revocation_counts_on_a_link_that_stays(site: Site, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(parts: app.Aggregator) -> None:
        monkeypatch.setattr(parts.router, "rebind", nothing)
        sent: list[bytes] = []
        send = parts.router.send
        monkeypatch.setattr(parts.router, "send", lambda to, data: (sent.append(to), send(to, data))[1])
        context = zmq.asyncio.Context()
        edge = ScriptedEdge(context, site)
        await edge.say(EdgeHello(1, "edge-1", "eb-1", 1), kit.info(), kit.batch(0, 10))
        await edge.hear(Ack)
        stored = parts.city.ingest.samples
        assert await parts.desk.revoke("edge-1", "") == [name_of(site, "edge-1")]
        done = asyncio.get_running_loop().time()
        sent.clear()
        refused = parts.city.refused["revoked_key"]
        while asyncio.get_running_loop().time() < done + ONE_SECOND:  # under load all the while
            before = parts.city.refused["revoked_key"]
            await edge.say(kit.batch(10, 10), kit.heartbeat(5, 20))
            await turns(parts, lambda before=before: parts.city.refused["revoked_key"] > before)
        assert parts.city.refused["revoked_key"] > refused + 1
        assert parts.city.ingest.samples == stored and not parts.city.ingest.stored[kit.thing, kit.boot].covers(10, 11)
        assert not sent, "not a frame for a revoked key"
        context.destroy(0)

    run(site, script)


def test_a_revocation_ends_the_connection_and_others_come_back(site: Site, kit: Any) -> None:
    site.data["edges"].append({"id": "edge-2", "public_file": "stranger.public"})

    async def script(parts: app.Aggregator) -> None:
        context = zmq.asyncio.Context()
        edge, other = ScriptedEdge(context, site), ScriptedEdge(context, site, "stranger")
        monitor = edge.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        for who, link in (("edge-1", edge), ("edge-2", other)):
            await link.say(EdgeHello(1, who, "eb-1", 1))
            await link.hear(CityHello)
        await parts.desk.revoke("edge-1", "")
        async with asyncio.timeout(20):
            await monitor.recv_multipart()
        await greeted_again(other, "edge-2")
        context.destroy(0)

    run(site, script)


def test_a_revocation_of_a_key_that_nobody_uses_disturbs_nobody(
    site: Site, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.data["edges"].append({"id": "edge-2", "public_file": "stranger.public"})

    async def script(parts: app.Aggregator) -> None:
        cuts: list[int] = []

        async def cutting() -> None:
            cuts.append(1)

        monkeypatch.setattr(parts.router, "rebind", cutting)
        await parts.desk.revoke("edge-2", "")
        assert not cuts
        context = zmq.asyncio.Context()
        edge = ScriptedEdge(context, site)
        await edge.say(EdgeHello(1, "edge-1", "eb-1", 1))
        await edge.hear(CityHello)
        await parts.desk.revoke("edge-1", "")
        assert cuts
        context.destroy(0)

    run(site, script)


def test_an_offer_is_answered_once_it_is_durable(site: Site, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    public = bytes(zmq.curve_keypair()[0])

    def no_room(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def script(parts: app.Aggregator) -> None:
        context = zmq.asyncio.Context()
        edge = ScriptedEdge(context, site)
        await edge.say(EdgeHello(2, "edge-1", "eb-1", 1))
        await edge.hear(CityHello)
        with monkeypatch.context() as full:
            full.setattr(key_store, "replace_summed", no_room)
            await edge.say(KeyOffer(public))
            await turns(parts, lambda: parts.desk.reasons())
            assert "the keyring cannot be saved" in parts.desk.reasons()[0]
            assert fingerprint(raw_key(public)) not in read_keyring(site.folder / "city" / key_store.FILE).keys
        await edge.say(KeyOffer(public))
        assert (await edge.hear(KeyTaken)).public == public
        assert read_keyring(site.folder / "city" / key_store.FILE).keys[fingerprint(raw_key(public))].slot == "next"
        await edge.say(KeyOffer(site.keys["edge-1"][0]), KeyOffer(b"0" * 40))
        assert (await edge.hear(Refusal)).code == "bad_key"
        assert parts.city.refused["bad_key"] == 1 and not parts.desk.reasons()
        context.destroy(0)

    run(site, script)


def test_a_revocation_counts_though_it_cannot_be_saved(
    site: Site, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(parts: app.Aggregator) -> None:
        with monkeypatch.context() as full:
            full.setattr(key_store, "replace_summed", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
            with pytest.raises(OSError, match="full"):
                await parts.desk.revoke("edge-1", "")
            assert parts.city.ring.reason("edge-1", name_of(site, "edge-1")) == "revoked_key"
        await turns(parts, lambda: not parts.desk.reasons())
        assert name_of(site, "edge-1") in read_keyring(site.folder / "city" / key_store.FILE).dead

    run(site, script)


def test_the_keyring_on_disk_is_for_its_owner_and_survives(site: Site) -> None:
    config = parse(site.data, site.folder)
    store = KeyStore(config)
    store.revoke("edge-1")
    store.settle(must=True)
    store.close()
    path = site.folder / "city" / key_store.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert site.keys["edge-1"][1].decode() not in path.read_text()
    again = KeyStore(config)
    assert again.ring.reason("edge-1", name_of(site, "edge-1")) == "revoked_key", "though the file still names it"
    again.close()
    events = [row["event"] for row in audit.read(site.folder / "city")]
    assert events == ["key_added", "key_revoked"]


@pytest.mark.parametrize("how", ["put back", "deleted"])
def test_an_older_keyring_revives_no_key_that_died_since(site: Site, how: str) -> None:
    config, path = parse(site.data, site.folder), site.folder / "city" / key_store.FILE
    store = KeyStore(config)
    before = path.read_bytes()
    store.revoke("edge-1")
    store.settle(must=True)
    store.close()
    path.unlink() if how == "deleted" else path.write_bytes(before)
    again = KeyStore(config)
    assert again.ring.reason("edge-1", name_of(site, "edge-1")) == "revoked_key"
    assert "keyring.json is older than audit.jsonl" in again.older and "1 keys of edge-1" in again.older
    again.close()
    later = KeyStore(config)
    assert not later.older and later.ring.reason("edge-1", name_of(site, "edge-1")) == "revoked_key"
    later.close()
    events = [row["event"] for row in audit.read(site.folder / "city")]
    assert events == ["key_added", "key_revoked", "key_buried"]


def test_a_keyring_of_before_a_rotation_does_not_let_the_old_key_in(site: Site) -> None:
    config, path = parse(site.data, site.folder), site.folder / "city" / key_store.FILE
    store = KeyStore(config)
    before, name = path.read_bytes(), name_of(site, "edge-1")
    public = bytes(zmq.curve_keypair()[0])
    store.ring.offer("edge-1", name, public)
    store.ring.heard(fingerprint(raw_key(public)))
    store.ring.tick(store.ring.now_us + store.ring.grace_us)
    store.settle(must=True)
    store.close()
    path.write_bytes(before)
    again = KeyStore(config)
    assert again.ring.reason("edge-1", name) == "retired_key" and again.older
    assert not again.ring.keys, "the next key's public half is in no log: enroll anew"
    again.close()


def test_the_running_city_tells_that_its_keyring_was_older(site: Site) -> None:
    config, path = parse(site.data, site.folder), site.folder / "city" / key_store.FILE
    store = KeyStore(config)
    store.revoke("edge-1")
    store.settle(must=True)
    store.close()
    path.unlink()

    async def script(parts: app.Aggregator) -> None:
        assert any("enroll each node anew that is refused" in text for text in parts.desk.reasons())

    run(site, script)


@pytest.mark.parametrize("text", ["", "{}", '{"version": 9}', "nonsense"])
def test_a_damaged_keyring_stops_the_city_and_says_what_to_do(site: Site, text: str) -> None:
    folder = site.folder / "city"
    folder.mkdir()
    (folder / key_store.FILE).write_text(text)
    with pytest.raises(KeyFileError, match="backup"):
        KeyStore(parse(site.data, site.folder))


def test_one_changed_digit_of_a_dead_key_is_damage_and_revives_nobody(site: Site) -> None:
    store = KeyStore(parse(site.data, site.folder))
    store.revoke("edge-1")
    store.settle(must=True)
    store.close()
    path, name = site.folder / "city" / key_store.FILE, name_of(site, "edge-1")
    flipped = ("0" if name[0] != "0" else "1") + name[1:]
    path.write_text(path.read_text().replace(name, flipped))
    with pytest.raises(KeyFileError, match="checksum"):
        KeyStore(parse(site.data, site.folder))


def test_a_token_lapses_though_the_wall_clock_was_ahead_and_is_set_right(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.data["enrol"] = {"endpoint": "tcp://127.0.0.1:*", "public": "tcp://127.0.0.1:5571"}
    store = KeyStore(parse(site.data, site.folder))
    wall, real = key_store.wall_us(), key_store.boottime_us()
    times = {"wall_us": wall + 14 * 86_400_000_000, "boottime_us": real}
    monkeypatch.setattr(key_store, "wall_us", lambda: times["wall_us"])
    monkeypatch.setattr(key_store, "boottime_us", lambda: times["boottime_us"])
    store.tick()
    times["wall_us"] = wall
    store.open_token("edge-1", 60)
    for _ in range(6):
        assert store.ring.tokens.is_open
        times["boottime_us"] += 10_000_000
        times["wall_us"] += 10_000_000
        store.tick()
    assert not store.ring.tokens.is_open
    store.close()


def test_a_public_file_that_is_no_key_is_told(site: Site) -> None:
    (site.folder / "edge-1.public").write_text("0" * 40)
    with pytest.raises(KeyFileError, match=r"edge-1\.public"):
        KeyStore(parse(site.data, site.folder))


def test_a_torn_save_leaves_the_old_keyring(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    store = KeyStore(parse(site.data, site.folder))
    path = site.folder / "city" / key_store.FILE
    before = json.loads(path.read_text())

    def torn(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", torn)
        store.revoke("edge-1")
        with pytest.raises(OSError, match="Input"):
            store.settle(must=True)
        assert json.loads(path.read_text()) == before and store.unsaved
    store.close()
    assert name_of(site, "edge-1") in read_keyring(path).dead


def test_the_door_is_shut_unless_a_token_is_open(site: Site, kit: Any) -> None:
    door = site.folder / "door"
    site.data["enrol"] = {"endpoint": f"ipc://{door}"}

    async def script(parts: app.Aggregator) -> None:
        assert not door.exists()
        parts.keys.open_token("edge-9", 60.0)
        await turns(parts, door.exists)
        parts.keys.revoke("edge-9")
        await turns(parts, lambda: parts.desk._socket._socket is None)

    run(site, script)


def test_a_city_without_a_door_opens_no_token(site: Site) -> None:
    store = KeyStore(parse(site.data, site.folder))
    with pytest.raises(key_store.KeyringError, match=r"\[enrol\]"):
        store.open_token("edge-9", 60.0)
    store.close()
