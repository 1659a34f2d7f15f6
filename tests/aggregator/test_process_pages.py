"""Pages about processes: which run, why they decided, and new process files between two turns."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aggregator.errors import ReloadError
from aggregator.operators import gate
from aggregator.pages.processes import IN_FORCE, add_process_pages
from aggregator.reloading import Reloads
from aggregator.replay.recording import opened
from aggregator.replay.run import Run
from aggregator.store import compactor
from aggregator.store.store import Store
from aggregator.turns import Turns
from processes.errors import ConfigError
from processes.explain import ADVISE
from protocol import city_link

US = 1_000_000
T = 1000 * US


class Rig:
    """A city with its turns and reloads; `files` is what the configuration names now."""

    def __init__(self, kit: Any, store: Store, **changes: Any) -> None:
        self.kit, self.store, self.now_us = kit, store, T
        self.city = kit.city(store, **changes)
        self.files: Any = lambda: [kit.instance(**changes)]
        self.noted: list[dict[str, Any]] = []
        self.turns = Turns(self.city, store, lambda *message: True, lambda: self.city.now(self.now_us))
        self.reloads = Reloads(lambda: self.files(), self.noted.extend)

    def turn(self, now_us: int, *messages: Any) -> None:
        self.now_us = now_us
        received = [self.kit.received("edge-1", *city_link.encode(message)) for message in messages]
        asyncio.run(self.turns.turn(received))

    def reload(self) -> dict[str, Any]:
        async def asked() -> dict[str, Any]:
            answer = self.reloads.ask("ann")
            await self.reloads.turn(self.city, self.store, self.city.now(self.now_us))
            return await answer

        return asyncio.run(asked())

    def pages(self) -> TestClient:
        api = FastAPI()
        gate.install(api, gate.Gate())
        add_process_pages(api, lambda: self.city, self.reloads.ask)
        return TestClient(api)

    def feed(self, first: int, n: int, value: float) -> None:
        """Samples of ten a second, at the moment when they were measured."""
        self.turn((first + n) * 100_000, self.kit.batch(first, n, value))


def test_processes_are_listed_with_their_last_step(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    assert [(row["instance"], row["state"]) for row in rig.pages().get("/processes").json()] == [("opener", "waiting")]
    rig.turn(T, kit.info())
    rig.feed(10_000, 10, 1.0)
    (row,) = rig.pages().get("/processes").json()
    assert row["state"] == "running" and row["mode"] == "act" and row["template"] == "opener"
    assert row["last_step_utc_us"] == kit.clock.ref_utc_us + 10_009 * 100_000


def test_explain_says_inputs_estimates_reason_and_what_became_of_it(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    rig.turn(T, kit.info())
    rig.feed(10_000, 10, 1.0)
    found = rig.pages().get("/processes/opener/explain").json()
    (row,) = found["inputs"]
    assert row["newest"]["value"] == 1.0 and row["newest"]["age_s"] == 0.0 and row["newest"]["quality_name"] == "good"
    assert row["newest"]["sigma"] == pytest.approx(0.002) and (row["property"], row["unit"]) == ("water_level", "m")
    assert found["estimates"][0]["name"] == "level" and found["alarms"][0]["key"] == "flood"
    (proposal,) = found["proposals"]
    assert proposal["reason"] == "high" and proposal["became"].startswith("held back: the edge node's clock")


def test_explain_names_the_task_a_proposal_became_and_why_the_next_is_not_sent(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    now_us = 1001 * US
    rig.turn(now_us, kit.info(), kit.heartbeat(5 * US, 0), kit.holding(rig.city.now(5 * US)))
    rig.feed(10_010, 10, 1.0)
    (proposal,) = rig.pages().get("/processes/opener/explain").json()["proposals"]
    assert proposal["became"].startswith("task ")
    assert proposal["newest_task"].startswith(proposal["became"].split()[1][:12])
    rig.feed(10_020, 10, 1.0)
    (proposal,) = rig.pages().get("/processes/opener/explain").json()["proposals"]
    assert proposal["became"] == IN_FORCE
    assert " river-1/opening 0.5, dispatched" in proposal["newest_task"], "and which one is in force"


def test_a_process_in_mode_advise_says_that_nothing_is_sent(kit: Any, store: Store) -> None:
    rig = Rig(kit, store, mode="advise")
    rig.turn(T, kit.info())
    rig.feed(10_000, 10, 1.0)
    (proposal,) = rig.pages().get("/processes/opener/explain").json()["proposals"]
    assert proposal["became"] == ADVISE


def test_a_process_that_is_not_there_is_named_with_those_that_are(kit: Any, store: Store) -> None:
    answer = Rig(kit, store).pages().get("/processes/gate/explain")
    assert answer.status_code == 404 and answer.json()["detail"]["known"] == ["opener"]
    waiting = Rig(kit, store).pages().get("/processes/opener/explain").json()
    assert waiting["step_utc_us"] is None and waiting["inputs"][0]["note"] == "nothing within lateness_s"


def other(kit: Any, name: str, **changes: Any) -> Any:
    """A process of another name."""
    made = kit.instance(**changes)
    return type(made)(name, made.config, made.template, made.site, made.seed, made.rules)


def test_a_reload_begins_changed_ones_from_recorded_data_and_leaves_the_others_alone(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    rig.turn(T, kit.info())
    for at in range(6):
        rig.feed(10_000 + 10 * at, 10, 1.0 + at)
    asyncio.run(compactor.seal_once(store, rig.city.registry, 2))
    untouched = rig.city.host.engine.runners["opener"]
    rig.files = lambda: [kit.instance(), other(kit, "second", every_s=1, lateness_s=60)]
    assert rig.reload() == {"changed": ["second"], "running": ["opener", "second"]}
    assert rig.city.host.engine.runners["opener"] is untouched and untouched.counters["amended"] == 0
    rig.feed(10_060, 10, 7.0)
    second = rig.city.host.engine.runners["second"]
    assert second.tracks["level"].all_rows().size == 70 and second.counters["steps"] > 50
    assert rig.noted == [{"event": "processes_reload", "who": "ann", "changed": ["second"],
                          "running": ["opener", "second"]}]  # fmt: skip
    assert rig.reload()["changed"] == []


def test_what_is_no_longer_named_ends(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    rig.files = lambda: [other(kit, "second")]
    assert rig.reload() == {"changed": ["opener", "second"], "running": ["second"]}
    assert "river-1/water_level" in rig.city.host.engine.datastreams
    assert list(rig.city.dispatcher.instances) == ["second"]


def test_a_wrong_file_changes_nothing(kit: Any, store: Store) -> None:
    rig = Rig(kit, store)
    rig.turn(T, kit.info())
    rig.feed(10_000, 10, 1.0)
    before = rig.city.host.engine.runners["opener"]

    def wrong() -> Any:
        raise ConfigError("flood.toml:3: every_s: found 'often'")

    rig.files = wrong
    with pytest.raises(ReloadError, match="found 'often'"):
        rig.reload()
    assert rig.city.host.engine.runners == {"opener": before}
    assert rig.noted == [{"event": "processes_reload", "who": "ann", "error": "flood.toml:3: every_s: found 'often'"}]


def test_only_who_may_administer_reloads(kit: Any, store: Store) -> None:
    assert Rig(kit, store).pages().post("/processes/reload").status_code == 401


def test_a_recording_with_a_reload_replays(kit: Any, store: Store, tmp_path: Path) -> None:
    rig = Rig(kit, store)
    rig.turn(T, kit.info())
    for at in range(20):
        rig.feed(10_000 + 10 * at, 10, 1.0 + at)
        if at == 9:
            rig.files = lambda: [kit.instance(), other(kit, "second", every_s=1, lateness_s=60)]
            rig.reload()
        if at == 14:
            rig.files = lambda: [kit.instance(lateness_s=30), other(kit, "second", every_s=1, lateness_s=60)]
            rig.reload()
    asyncio.run(rig.turns.finish())
    with opened(store.folder) as recording:
        found = Run(recording, 0, 2**62).run()
    assert found["equal"], found["differences"][:2]
    assert {row["instance"] for row in found["instances"]} == {"opener", "second"} and found["steps"] > 100
