"""The edge node's journal of an earlier release under the code of today: read in full, migrated, gone on with."""

from pathlib import Path
from typing import Any

import pytest
import releases
from inventory import edge as edge_inventory
from inventory import plain

from cityreflex.config import load_edge
from durable import Committer
from durable.migrations import version
from edge_node.assembly import assemble, open_journal
from edge_node.city.side import CitySide
from edge_node.core import Core
from edge_node.journal import rows as journal_rows
from edge_node.journal.rows import NewBatch
from protocol import city_link, task_codes
from protocol.city_link import Ack, Batch, CityHello, Clock, GapRecord

pytestmark = pytest.mark.parametrize("release", releases.RELEASES)
ROWS = ("pending", "gaps", "gaps_to_tell", "tasks", "tasks_restored", "quarantine")
CLOCK = Clock(0, 1_700_000_000_000_000, 1.0, 50.0, True)


class Node:
    """An edge node without ports and sockets on a recorded journal; `sent` is what the city would hear."""

    def __init__(self, folder: Path) -> None:
        config = load_edge(folder / "edge.toml")
        self.now_us = 1_000_000
        self.core: Core = assemble(config, open_journal(config, lambda call: call()), [], lambda: self.now_us)
        self.sent: list[list[bytes]] = []
        self.city = CitySide(self.core, self._send, lambda: {})

    def _send(self, parts: list[bytes]) -> bool:
        self.sent.append(parts)
        return True

    def hear(self, *messages: Any) -> None:
        for message in messages:
            self.city.received(city_link.encode(message))

    def tick(self) -> list[Any]:
        """Return what is said in the next tick."""
        self.sent.clear()
        self.now_us += 100_000
        self.city.tick(self.now_us)
        return [city_link.decode(parts) for parts in self.sent]

    def hand_over(self) -> tuple[list[Batch], list[GapRecord]]:
        """Let a city ack all that the node has; return what that was."""
        batches: dict[Any, Batch] = {}
        gaps: dict[Any, GapRecord] = {}
        self.hear(CityHello(1, "a-city"))
        for _ in range(200):
            for message in self.tick():
                if isinstance(message, Batch):
                    batches[message.thing, message.boot, message.first] = message
                    self.hear(Ack(message.thing, message.boot, [(message.first, message.first + message.n)]))
                elif isinstance(message, GapRecord):
                    gaps[message.thing, message.boot, message.gap_id] = message
                    self.hear(Ack(message.thing, message.boot, [], [message.gap_id]))
            self.core.journal.run(lambda c: None)
            if not self.core.journal.pending_batches and not self.core.journal.gaps:
                return list(batches.values()), list(gaps.values())
        raise AssertionError(f"{self.core.journal.pending_batches} batches, {self.core.journal.gaps} are never told")


@pytest.mark.parametrize("state", releases.STATES)
def test_nothing_is_missing_from_a_migrated_journal(release: str, state: str, tmp_path: Path) -> None:
    recorded = releases.inventory(release)[f"{state}/edge"]
    found = edge_inventory(releases.copy_of(release, f"{state}/edge", tmp_path / "edge"))
    assert list(releases.missing(recorded, found)) == []
    assert {key: len(found[key]) for key in ROWS} == {key: len(recorded[key]) for key in ROWS}
    assert found["streams"] == recorded["streams"]
    assert edge_inventory(tmp_path / "edge") == found, "a second start changed something"


def test_the_recorded_journal_has_something_of_everything(release: str) -> None:
    for state in releases.STATES:
        recorded = releases.inventory(release)[f"{state}/edge"]
        assert [key for key, value in recorded.items() if not value] == []
        assert len({row[2] for row in recorded["tasks"]}) > 1, "tasks in several states"
        kinds = ("acked", "lost", "quarantined")
        assert [kind for kind in kinds if not any(row[kind] for row in recorded["streams"].values())] == []


def test_a_migrated_journal_is_like_a_new_one(release: str, tmp_path: Path) -> None:
    shapes = []
    (tmp_path / "new").mkdir()
    for folder in (releases.copy_of(release, "killed/edge", tmp_path / "old"), tmp_path / "new"):
        committer = Committer(folder / "journal.db", schema=journal_rows.SCHEMA, migrations=journal_rows.MIGRATIONS)
        rows = committer.read(lambda c: c.execute(releases.COLUMNS).fetchall())
        shapes.append((rows, committer.read(version)))
        committer.close()
    assert shapes[0] == shapes[1], "a table was changed without a migration: see docs/upgrade.md"
    assert shapes[0][1] == len(journal_rows.MIGRATIONS)


@pytest.mark.parametrize("state", releases.STATES)
def test_the_node_hands_over_what_it_had(release: str, state: str, tmp_path: Path) -> None:
    before = releases.inventory(release)[f"{state}/edge"]
    node = Node(releases.run_folder(release, state, tmp_path / "run"))
    batches, gaps = node.hand_over()
    told = sorted(
        [b.thing, b.boot, b.first, b.n, plain(list(vars(b.clock).values())), b.rx_us, plain(b.records)] for b in batches
    )
    assert told == before["pending"]
    assert sorted(plain(list(vars(gap).values())) for gap in gaps) == before["gaps_to_tell"]
    node.core.journal.close()
    after = edge_inventory(tmp_path / "run" / "edge")
    assert (after["pending"], after["gaps_to_tell"]) == ([], [])
    for key, stream in before["streams"].items():
        assert after["streams"][key]["received"] == stream["received"]
        assert after["streams"][key]["lost"] == stream["lost"]


def test_the_node_begins_a_new_boot_and_executes_no_task_again(release: str, tmp_path: Path) -> None:
    before = releases.inventory(release)["killed/edge"]
    node = Node(releases.run_folder(release, "killed", tmp_path / "run"))
    boots = [int(key.split("-")[-1]) for key in before["streams"] if key.startswith("edge-1 ")]
    incarnation, _, count = node.core.boot.partition("-")
    assert incarnation == f"{int(before['meta']['incarnation']):08x}"
    assert int(count) == max(boots) + 1
    assert node.core.counter.take() >= int(before["meta"]["commands"])
    kept = {entry.task_id: entry for entry in node.core.guard.reports()}
    assert len(kept) == len(before["tasks"])
    for task_id, actuator, requester, state, _, _ in before["tasks_restored"]:
        found = next(report for key, report in kept.items() if plain(key) == task_id)
        assert found.state == state, (actuator, requester)
        assert task_codes.is_final(state) or state == task_codes.UNKNOWN
    node.core.journal.close()


def test_the_node_takes_new_samples_behind_the_old_ones(release: str, tmp_path: Path) -> None:
    before = releases.inventory(release)["killed/edge"]
    node = Node(releases.run_folder(release, "killed", tmp_path / "run"))
    key, stream = next((k, s) for k, s in before["streams"].items() if k.startswith("gate-1 ") and s["received"])
    thing, boot = key.split()
    end = stream["received"][-1][1]
    stored: list[Any] = []
    new = NewBatch(thing, boot, end - 1, 3, CLOCK, 5, bytes(36))
    node.core.journal.store(new, None, stored.append)
    node.core.journal.close()
    after = edge_inventory(tmp_path / "run" / "edge")
    assert [(p.first, p.n) for p in stored[0].batches] == [(end, 2)]
    assert after["streams"][key]["received"] == [*stream["received"][:-1], [stream["received"][-1][0], end + 2]]
    assert len(after["pending"]) == len(before["pending"]) + 1
