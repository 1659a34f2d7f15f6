"""People as responders: valid CAP 1.2, Alert to Cancel, retries, expiry, answers; real sockets, files and SQLite."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aggregator.alarms.watch import once
from aggregator.notify import cap
from aggregator.notify.api import add_notice_pages
from aggregator.notify.channels import NotifySection, check_channels
from aggregator.notify.desk import NoticeDesk
from aggregator.notify.outbox import EXPIRED, OVERTAKEN, POINTLESS, Delivery, Entry, Outbox
from aggregator.operators.gate import Gate, install
from aggregator.store.store import Store
from processes.alarms.actions import Action
from processes.errors import ConfigError
from processes.people import Area

from .cap_check import CAP, problems
from .conftest import T_US

S = 1_000_000
HOUR = 3600
CORNERS = [[51.5, -0.1], [51.6, -0.1], [51.6, 0.0]]
AREA = {"desc": "Mill Lane <east> & mill", "polygon": CORNERS, "circle": [51.5, -0.1, 2]}
PUBLIC = {"notify": "wardens", "event": "Flood", "category": "Met", "area": AREA, "instruction": "Leave the cellar."}
SENDER = {"sender": "city@example.org", "restriction": "wardens of the river", "sender_name": "Riverside"}


class Hook:
    """A webhook that answers as it is told and keeps what it got; equal Idempotency-Keys count once."""

    def __init__(self) -> None:
        self.status, self.asked = 200, 0
        self.got: dict[str, tuple[bytes, dict[str, str]]] = {}
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.asked += 1
                if hook.status == 200:
                    hook.got.setdefault(self.headers["Idempotency-Key"], (body, dict(self.headers)))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/cap"

    def kinds(self) -> list[str]:
        return [ET.fromstring(body).findtext(f"{CAP}msgType") or "" for body, _ in self.got.values()]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Town:
    """A city with channels, at a time that the test moves; the process reports its alarm while samples come."""

    def __init__(self, kit: Any, store: Store, channel: dict[str, Any], **changes: Any) -> None:
        self.kit, self.store, self.at_us = kit, store, T_US
        gate = {"actuator": "river-1/opening"}
        people = {**PUBLIC, **changes.pop("people", {})}
        self.city = kit.city(store, every_s=1, responds={"gate": gate, "public": people}, **changes)
        self.config = SimpleNamespace(notify={"wardens": NotifySection(**SENDER, **channel)})
        self.lines: list[dict[str, Any]] = []
        self.desk = NoticeDesk(self, self.lines.extend)  # type: ignore[arg-type]
        api = FastAPI()
        add_notice_pages(api, self, self.lines.extend)
        install(api, Gate())
        self.web = TestClient(api)

    def now(self) -> Any:
        return self.city.now(self.at_us)

    async def pass_(self, seconds: float, high: bool) -> None:
        """Let time pass, then one round, and wait for what it tries."""
        self.at_us += round(seconds * S)
        engine = self.city.host.engine
        if high:
            engine.arrive("river-1/water_level", [self.now().utc_us], [1.0], [0.1], [1])
        self.city.advance(self.now())
        await self.round()

    async def round(self) -> None:
        await once(self, self.desk)  # type: ignore[arg-type]
        await asyncio.gather(*self.desk._trying.values())

    @property
    def sent(self) -> list[tuple[str, str]]:
        return [(entry.kind, entry.chain) for entry in self.city.outbox.entries.values()]

    def incidents(self) -> list[str]:
        return [i.kind for i in self.city.incidents.open() if i.kind.startswith("notify")]


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene."""

    async def whole() -> None:
        await scene()

    asyncio.run(whole())


def test_from_alert_over_update_to_cancel_all_of_it_valid(kit: Any, store: Store, hook: Hook, tmp_path: Path) -> None:
    town = Town(kit, store, {"webhook": hook.url, "file": tmp_path / "cap"}, people={"expires_s": 600.0})

    async def scene() -> None:
        await town.pass_(1, False)
        await town.pass_(1, True)
        await town.pass_(1, True)
        await town.pass_(299, True)
        await town.pass_(1, False)
        await town.pass_(1, False)

    play(scene)
    assert hook.kinds() == ["Alert", "Update", "Cancel"] and hook.asked == 3
    bodies = [body for body, _ in hook.got.values()]
    assert [problems(body) for body in bodies] == [[], [], []]
    assert sorted(path.name for path in (tmp_path / "cap").iterdir()) == sorted(f"{name}.xml" for name in hook.got)
    alert, update, cancel = (ET.fromstring(body) for body in bodies)
    info = alert.find(f"{CAP}info")
    assert info is not None
    assert [info.findtext(f"{CAP}{name}") for name in ("category", "event", "severity", "certainty", "urgency")] == [
        "Met", "Flood", "Severe", "Likely", "Expected"]  # fmt: skip
    assert info.findtext(f"{CAP}area/{CAP}circle") == "51.500000,-0.100000 2.000"
    assert info.findtext(f"{CAP}area/{CAP}areaDesc") == AREA["desc"]
    names = [alert.findtext(f"{CAP}{name}") for name in ("sender", "identifier", "sent")]
    assert update.findtext(f"{CAP}references") == ",".join(map(str, names))
    assert (cancel.findtext(f"{CAP}references") or "").split(" ")[0] == ",".join(map(str, names))
    assert cancel.findtext(f"{CAP}info/{CAP}urgency") == "Past"
    assert [(line["event"], line["kind"]) for line in town.lines if line["way"] == "webhook"] == [
        ("notify_sent", "Alert"), ("notify_sent", "Update"), ("notify_sent", "Cancel")]  # fmt: skip


def test_a_webhook_that_is_down_is_tried_again_and_it_is_an_incident(kit: Any, store: Store, hook: Hook) -> None:
    town = Town(kit, store, {"webhook": hook.url})
    hook.status = 503

    async def scene() -> None:
        await town.pass_(1, True)
        for _ in range(5):
            await town.round()
        assert hook.asked == 1, "not before the pause is over"
        await town.pass_(70, True)
        await town.round()
        assert town.incidents() == ["notify_undelivered"]
        assert hook.asked == 2
        hook.status = 200
        await town.pass_(10, True)
        await town.round()

    play(scene)
    assert (hook.kinds(), town.incidents()) == (["Alert"], [])
    assert [line["event"] for line in town.lines] == ["notify_failed", "notify_sent"]
    assert town.lines[0]["error"] == "the webhook answered 503"


def test_after_a_crash_it_goes_out_under_the_same_key_and_nothing_is_said_twice(
    kit: Any, store: Store, hook: Hook
) -> None:
    town = Town(kit, store, {"webhook": hook.url})

    async def begin() -> None:
        hook.status = 500
        await town.pass_(1, True)
        hook.status = 200
        (entry, delivery), = town.city.outbox.due(town.now().utc_us, town.at_us + HOUR * S)  # fmt: skip
        await town.desk._try(town.city.outbox, entry, delivery, town.config.notify["wardens"], 5.0)  # and dies unsaved

    play(begin)
    again = Town(kit, store, {"webhook": hook.url})
    again.at_us = town.at_us

    async def go_on() -> None:
        await again.pass_(1, True)
        await again.pass_(1, True)

    play(go_on)
    assert hook.asked == 3 and hook.kinds() == ["Alert"]
    assert [entry.kind for entry in again.city.outbox.entries.values()] == ["Alert"]


def test_nothing_is_sent_after_its_expiry(kit: Any, store: Store, hook: Hook) -> None:
    town = Town(kit, store, {"webhook": hook.url}, people={"expires_s": 60.0})
    hook.status = 503

    async def scene() -> None:
        await town.pass_(1, True)
        hook.status = 200
        town.at_us += 61 * S
        await town.round()

    play(scene)
    *_, new, row = town.city.outbox.rows()
    assert town.city.outbox.rows(1, 2) == town.city.outbox.rows()[1:2]
    assert (row["deliveries"][0]["closed"], row["deliveries"][0]["attempts"]) == (EXPIRED, 1)
    assert set(hook.got) == {new["id"]}, "it still holds, so it is said anew"


def test_an_answer_by_token_or_by_file_and_none_in_time(kit: Any, store: Store, hook: Hook, tmp_path: Path) -> None:
    town = Town(kit, store, {"webhook": hook.url, "file": tmp_path, "ack_within_s": 30.0})

    async def unanswered() -> None:
        await town.pass_(1, True)
        assert town.incidents() == []
        await town.pass_(31, True)
        await town.round()
        assert town.incidents() == ["notify_unanswered"]

    play(unanswered)
    ((name, (_, headers)),) = hook.got.items()
    path, token = headers["City-Ack-Path"], headers["City-Ack-Token"]
    assert town.web.post(path, json={"who": "eve"}).status_code == 404
    assert town.web.post(path, json={"who": "eve"}, headers={"City-Ack-Token": "x"}).status_code == 404
    assert town.web.post("/notifications/x/ack", json={}, headers={"City-Ack-Token": "-"}).status_code == 404
    told = town.web.post(path, json={"who": "warden Kim"}, headers={"City-Ack-Token": token}).json()
    assert told == {"id": name, "acked_by": "warden Kim", "first": True}
    assert not town.web.post(path, json={"who": "late"}, headers={"City-Ack-Token": token}).json()["first"]
    (row,) = town.web.get("/notifications").json()
    assert row["acked_by"] == "warden Kim" and "token" not in row
    play(town.round)
    assert town.incidents() == []
    assert [line["who"] for line in town.lines if line["event"] == "notify_acknowledged"] == ["warden Kim"]
    fresh = Town(kit, store, {"file": tmp_path, "ack_within_s": 30.0})
    assert fresh.city.outbox.entries[name].acked_by == "warden Kim"


def message(number: int, kind: str, sent_s: int, **changes: Any) -> Entry:
    """A message of the chain `c`: an answer is due 60 s after it, it expires after 1,000 s."""
    entry = Entry(str(number), "wardens", "c", kind, sent_s * S, (sent_s + 1000) * S, b"", "t", "r", "s",
                  0 if kind == "Cancel" else (sent_s + 60) * S)  # fmt: skip
    return entry._replace(**changes)


def test_an_update_gives_nobody_more_time_and_an_answer_does() -> None:
    def due(now_s: int, *entries: Entry) -> list[tuple[str, int]]:
        return [(entry.id, since // S) for entry, since in Outbox(entries).unanswered(now_s * S)]

    alert, update = message(1, "Alert", 0), message(2, "Update", 500)
    answered = alert._replace(acked_utc_us=400 * S)
    assert due(59, alert) == [] and due(61, alert) == [("1", 60)]
    assert due(501, alert, update) == [("2", 60)], "the same incident, of the newest message"
    assert due(501, answered, update) == [] and due(561, answered, update) == [("2", 560)]
    assert due(561, alert, update._replace(acked_utc_us=560 * S)) == []
    assert due(561, alert, update, message(3, "Cancel", 560)) == []
    assert due(1501, alert, update) == [], "it has expired"
    assert due(1561, alert, update, message(4, "Alert", 1510)) == [], "a new Alert begins anew"


def test_an_ack_file_counts_as_an_answer(kit: Any, store: Store, tmp_path: Path) -> None:
    town = Town(kit, store, {"file": tmp_path, "ack_within_s": 30.0})
    play(lambda: town.pass_(1, True))
    (entry,) = town.city.outbox.entries.values()
    (tmp_path / f"{entry.id}.ack").write_text("warden Lee\nat the gate\n")
    play(town.round)
    assert town.city.outbox.entries[entry.id].acked_by == "warden Lee"


def test_what_a_person_shelves_is_taken_back_from_the_public(kit: Any, store: Store, tmp_path: Path) -> None:
    town = Town(kit, store, {"file": tmp_path})

    async def scene() -> None:
        await town.pass_(1, True)
        now = town.now().utc_us
        town.city.host.engine.act("opener", *Action("1", "shelve", "flood", now, now + 60 * S, "ann", "a mistake"))
        await town.pass_(1, True)

    play(scene)
    assert [kind for kind, _ in town.sent] == ["Alert", "Cancel"]


@pytest.mark.parametrize(
    ("changes", "people"),
    [({"mode": "advise"}, {}), ({}, {"min_severity": 4}), ({}, {"alarms": ["another"]})],
)  # fmt: skip
def test_nobody_is_told_of_what_is_not_meant(
    kit: Any, store: Store, tmp_path: Path, changes: dict[str, Any], people: dict[str, Any]
) -> None:
    town = Town(kit, store, {"file": tmp_path}, people=people, **changes)
    play(lambda: town.pass_(1, True))
    assert town.sent == []


def test_a_process_that_stopped_is_not_taken_for_all_clear(kit: Any, store: Store, tmp_path: Path) -> None:
    town = Town(kit, store, {"file": tmp_path})
    play(lambda: town.pass_(1, True))
    town.city.host.engine.runners["opener"].fault = "ValueError: no"
    play(lambda: town.pass_(5, False))
    assert [kind for kind, _ in town.sent] == ["Alert"]


def test_a_city_that_runs_faster_than_the_world_says_test(kit: Any, store: Store, tmp_path: Path) -> None:
    town = Town(kit, store, {"file": tmp_path})
    town.city.clock.speed = 60.0
    play(lambda: town.pass_(1, True))
    (entry,) = town.city.outbox.entries.values()
    assert ET.fromstring(entry.body).findtext(f"{CAP}status") == "Test"


def test_certainty_comes_from_the_probability() -> None:
    words = [cap.certainty(p) for p in (0.0, 0.05, 0.051, 0.5, 0.51, 1.0, float("nan"))]
    assert words == ["Unlikely", "Unlikely", "Possible", "Possible", "Likely", "Likely", "Likely"]


texts = st.text(max_size=40)


@settings(max_examples=100, deadline=None)
@given(
    headline=texts, desc=st.text(min_size=1, max_size=40).filter(str.strip),
    addresses=st.lists(st.text("ab c", min_size=1)),
    corners=st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=3, max_size=6, unique=True),
    kind=st.sampled_from(["Alert", "Update", "Cancel"]), t=st.integers(0, 4_000_000_000),
)  # fmt: skip
def test_any_words_make_a_valid_message(
    headline: str, desc: str, addresses: list[str], corners: list[tuple[float, float]], kind: Any, t: int
) -> None:
    references = () if kind == "Alert" else ("a@b,1,2026-01-01T00:00:00-00:00",)
    envelope = cap.Envelope("cityreflex-1", "a@b", t * S, "Actual", kind, "Public", "", tuple(a for a in addresses if
                            a.strip()), references)  # fmt: skip
    area = Area(desc=desc, polygon=corners)
    info = cap.Info("en-GB", "Met", "Flood", "Expected", "Severe", "Likely", t * S, t * S, t * S, "", headline.strip(),
                    "", "", area)  # fmt: skip
    assert problems(cap.xml(envelope, info)) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["Alert", "Update", "Cancel", "fail", "ok", "wait"]), st.integers(1, 80)),
                max_size=25))  # fmt: skip
def test_an_outbox_sends_nothing_late_overtaken_or_twice(moves: list[tuple[str, int]]) -> None:
    box, now, delivered = Outbox(), 0, []
    for at, (move, seconds) in enumerate(moves):
        now += seconds * S
        if move in ("Alert", "Update", "Cancel"):
            entry = Entry(str(at), "c", "p/x/k", move, now, now + 100 * S, b"", "t", f"r{at}", "Severe Likely")
            box.add(entry, ["webhook"])
        for entry, delivery in box.due(now, now):
            assert now < entry.expires_utc_us and delivery.pending
            assert entry is box.chain(entry.chain)[-1]
            box.attempted(delivery, "" if move == "ok" else "no", now, now)
            delivered += [entry.id] if move == "ok" else []
    assert len(delivered) == len(set(delivered))
    saved = box.take_changed()
    assert box.take_changed() == [] and (box.unsaved(saved), len(box.take_changed()))[1] == len(saved)


def test_a_cancel_of_what_nobody_can_have_got_is_not_sent() -> None:
    box = Outbox()
    for at, kind in enumerate(("Alert", "Cancel")):
        box.add(Entry(kind, "c", "p/x/k", kind, at, 100, b"", "t", "r", "Severe Likely"), ["file"])
    assert box.due(2, 2) == []
    assert [d.closed for d in box.deliveries.values()] == [OVERTAKEN, POINTLESS]
    assert isinstance(box.deliveries["Alert", "file"], Delivery)


@pytest.mark.parametrize(
    ("data", "text"),
    [({}, "leads nowhere"), ({"file": "x", "restriction": ""}, "needs `restriction`"),
     ({"file": "x", "scope": "Private"}, "needs `addresses`"), ({"webhook": "ftp://x"}, "webhook"),
     ({"webhook": "http://city.example/x", "bearer_file": "t"}, "in clear"),
     ({"file": "x", "sender": "a b"}, "sender")],
)  # fmt: skip
def test_a_wrong_channel_teaches(data: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        NotifySection(**{**SENDER, **data})


def test_a_channel_that_is_not_there_is_a_wrong_process_file(kit: Any) -> None:
    instance = kit.instance(responds={"public": PUBLIC})
    with pytest.raises(ConfigError, match=r"has no \[notify.wardens\]; there are: boss"):
        check_channels([instance], {"boss": NotifySection(**SENDER, file=Path("x"))})
