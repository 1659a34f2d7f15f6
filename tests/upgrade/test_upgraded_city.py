"""The city's store of an earlier release under the code of today: read in full, migrated, gone on with."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import releases
from inventory import city as city_inventory

from aggregator.city import City
from aggregator.keys.store import KeyStore
from aggregator.link.router_socket import Received
from aggregator.rebuild import restore
from aggregator.store import compactor
from aggregator.store.schema import MIGRATIONS
from aggregator.store.store import Store
from aggregator.turns import Turns
from cityreflex.config import load_aggregator
from durable.migrations import version
from protocol import city_link
from protocol.city_link import Ack, Batch, Clock, GapRecord
from service.fingerprint import fingerprint, raw_key
from service.host_time import boottime_us
from service.keys import read_curve_key

pytestmark = pytest.mark.parametrize("release", releases.RELEASES)
EXACT = ("received", "lost", "quarantined", "conflicts", "samples")
ROWS = ("gaps", "quarantine", "things", "tasks")
CLOCK = Clock(0, 1_700_000_000_000_000, 1.0, 50.0, True)


def start(folder: Path, received: list[Received]) -> tuple[City, list[list[bytes]]]:
    """Start the city of a run directory, let it take messages in one turn, stop; return it and what it sent."""

    async def run() -> tuple[City, list[list[bytes]]]:
        store, sent = Store(folder / "city"), list[list[bytes]]()
        compactor.clean(store)
        config = load_aggregator(folder / "aggregator.toml")
        city = restore(config, store, KeyStore(config).ring)

        def send(_: bytes, parts: list[bytes]) -> bool:
            sent.append(parts)
            return True

        key = fingerprint(raw_key(read_curve_key(folder / "keys" / "edge-1.public")))
        turns = Turns(city, store, send, lambda: city.now(boottime_us()))
        await turns.turn([message._replace(key=key) for message in received])
        await turns.finish()
        store.close()
        return city, sent

    return asyncio.run(run())


def talk(folder: Path, messages: list[Any]) -> tuple[City, list[Any]]:
    """As `start`, with messages instead of bytes: one edge says them."""
    received = [Received(b"id", "edge-1", tuple(city_link.encode(message))) for message in messages]
    city, sent = start(folder, received)
    return city, [city_link.decode(parts) for parts in sent]


@pytest.mark.parametrize("state", releases.STATES)
def test_nothing_is_missing_from_a_migrated_store(release: str, state: str, tmp_path: Path) -> None:
    recorded = releases.inventory(release)[f"{state}/city"]
    found = city_inventory(releases.copy_of(release, f"{state}/city", tmp_path / "city"))
    assert list(releases.missing(recorded, found)) == []
    assert {key: found[key] for key in EXACT} == {key: recorded[key] for key in EXACT}
    assert {key: len(found[key]) for key in ROWS} == {key: len(recorded[key]) for key in ROWS}
    assert city_inventory(tmp_path / "city") == found, "a second start changed something"


def test_the_recorded_store_has_something_of_everything(release: str) -> None:
    for state in releases.STATES:
        recorded = releases.inventory(release)[f"{state}/city"]
        empty = [key for key in (*EXACT, *ROWS, "accounts", "engine", "latest") if not recorded[key]]
        assert empty == ["conflicts"], "a store without conflicts, and everything else in it"


def test_a_migrated_store_is_like_a_new_one(release: str, tmp_path: Path) -> None:
    shapes = []
    for folder in (releases.copy_of(release, "killed/city", tmp_path / "old"), tmp_path / "new"):
        store = Store(folder)
        rows = store.committer.read(lambda c: c.execute(releases.COLUMNS).fetchall())
        shapes.append((rows, store.committer.read(version)))
        store.close()
    assert shapes[0] == shapes[1], "a table was changed without a migration: see docs/upgrade.md"
    assert shapes[0][1] == len(MIGRATIONS)


@pytest.mark.parametrize("state", releases.STATES)
def test_the_city_goes_on_where_it_was(release: str, state: str, tmp_path: Path) -> None:
    folder = releases.run_folder(release, state, tmp_path / "run")
    before = releases.inventory(release)[f"{state}/city"]
    key, spans = next((key, spans) for key, spans in before["received"].items() if key.startswith("river-1 "))
    thing, boot = key.split()
    end = spans[-1][1]
    new = Batch(thing, boot, end, 2, CLOCK, 10, 20, bytes(24))
    city, said = talk(folder, [new, GapRecord(thing, boot, 999, end + 2, end + 5, "overflow", thing)])
    acks = [message for message in said if isinstance(message, Ack)]
    assert [(a.thing, a.boot, a.ranges, a.gaps) for a in acks] == [(thing, boot, [(end, end + 2)], [999])]
    assert city.ingest.conflicts == before["conflicts"]
    after = city_inventory(folder / "city")
    assert after["received"] == {**before["received"], key: [*spans[:-1], [spans[-1][0], end + 2]]}
    assert [row for row in after["gaps"] if row[2] == 999] == [[thing, boot, 999, end + 2, end + 5, "overflow", thing]]
    assert len(after["gaps"]) == len(before["gaps"]) + 1
    assert [row["task_id"] for row, _ in after["tasks"]] == [row["task_id"] for row, _ in before["tasks"]]


def test_what_is_stored_is_not_stored_again(release: str, tmp_path: Path) -> None:
    folder = releases.run_folder(release, "killed", tmp_path / "run")
    store = Store(folder / "city")
    frames = store.frames_after(-1)
    store.close()
    assert frames
    again = [Batch(f.thing, f.boot, f.first, f.n, f.clock, f.rx_us, f.tx_us, f.records) for f in frames]
    other = replace(again[0], records=bytes([again[0].records[0] ^ 1]) + again[0].records[1:])
    city, said = talk(folder, [*again, other])
    assert city.ingest.duplicates >= sum(f.n for f in frames)
    assert city.ingest.conflicts == 1
    acked = sum(end - first for ack in said if isinstance(ack, Ack) for first, end in ack.ranges)
    assert acked == sum(f.n for f in frames)
    before, after = releases.inventory(release)["killed/city"], city_inventory(folder / "city")
    assert after["received"] == before["received"]
    assert after["samples"] == before["samples"]
