"""People as senses: forms in, Observations out, balanced, told apart by quality, and no way to flood the city."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aggregator.ledger import view as ledger_view
from aggregator.operators.gate import Gate, install
from aggregator.operators.people import of_roles
from aggregator.pages import status
from aggregator.reports import rows
from aggregator.reports.api import add_report_pages
from aggregator.reports.desk import ReportDesk, begin
from aggregator.reports.forms import MAX_BODY, FormError, check, read_form, wanted
from aggregator.reports.section import ReportsSection
from aggregator.reports.stream import CITY, ReportStream, Sample
from aggregator.store.store import Store
from aggregator.turns import Turns
from protocol.columns import decode, stamp_us

from .conftest import T_US

S = 1_000_000
FORM = "application/x-www-form-urlencoded"
BOX = {"south": 51.0, "west": -1.0, "north": 52.0, "east": 1.0}
SERVICES = {
    "flooded_street": {"name": "Street under water", "property": "flooding_reported"},
    "water_depth": {"name": "How deep", "property": "water_depth", "unit": "m", "asks": True, "upper": 3.0,
                    "sigma": 0.3, "quality": 2},
}  # fmt: skip
WET = {"service_code": "flooded_street", "lat": "51.5", "long": "-0.1", "description": "Mill Lane", "email": "a@b.c"}
PEOPLE = {"ann": of_roles("ann", {"*": "operator"}), "vic": of_roles("vic", {"*": "viewer"})}


class Town:
    """A city whose turns run while somebody asks it over HTTP."""

    def __init__(self, kit: Any, store: Store, reports: dict[str, Any] | None, **changes: Any) -> None:
        self.kit, self.store, self.at_us = kit, store, T_US
        self.city = kit.city(store, **changes)
        section = None if reports is None else ReportsSection(services=SERVICES, **reports)
        self.city.reports = ReportStream(section)
        begin(self.city, store)
        self.turns = Turns(self.city, store, lambda *_: True, self.now)
        self.lines: list[dict[str, Any]] = []
        api = FastAPI()
        install(api, Gate(person_of=PEOPLE.get))
        add_report_pages(api, ReportDesk(self, section, self.lines.extend))
        self.api = api

    def now(self) -> Any:
        self.at_us += 1000
        return self.city.now(self.at_us)

    async def ask(self, method: str, path: str, who: str = "", **more: Any) -> httpx.Response:
        """Ask a page, and let turns go on until it answers."""
        headers = {"Authorization": f"Bearer {who}"} if who else {}
        transport = httpx.ASGITransport(self.api, client=("192.0.2.1", 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://city", headers=headers) as client:
            asking = asyncio.create_task(client.request(method, path, **more))
            while not asking.done():
                await self.turns.turn([])
                await asyncio.sleep(0)
            return await asking

    async def report(self, **fields: str) -> httpx.Response:
        return await self.ask("POST", "/requests.json", data={**WET, **fields})

    def seen(self) -> list[tuple[str, float, int]]:
        """What is stored of the Thing: datastream, value, quality."""
        found = []
        for frame in self.store.frames_after(-1):
            manifest = self.city.registry.manifest(frame.thing, frame.boot)
            assert manifest is not None and frame.thing == "people"
            for series in self.city.host.feed.placed(frame.thing, manifest, *self._times(frame), frame.records):
                found.append((series.datastream, float(series.value[0]), int(series.quality[0])))
        return found

    def _times(self, frame: Any) -> tuple[Any]:
        return (frame.clock.to_utc(stamp_us(decode(frame.records))),)

    def ledger(self) -> list[dict[str, Any]]:
        found = ledger_view.account_rows(*status.ledger_args(self.city, self.now()))
        return [row for row in found if row["thing"] == "people"]


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scene()

    asyncio.run(whole())


def test_a_report_becomes_an_observation_with_its_own_quality_and_balances(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})

    async def scene() -> None:
        told = await town.report()
        assert told.status_code == 201
        number = told.json()[0]["service_request_id"]
        (row,) = (await town.ask("GET", f"/requests/{number}.json")).json()
        assert (row["status"], row["service_name"], row["lat"], row["long"], row["description"]) == (
            "open", "Street under water", 51.5, -0.1, "Mill Lane")  # fmt: skip
        assert "a@b.c" not in str(row)
        assert (await town.report(service_code="water_depth", **{"attribute[value]": "0.7"})).status_code == 201

    play(scene)
    assert town.seen() == [("people/flooded_street", 1.0, 3), ("people/water_depth", pytest.approx(0.7), 2)]
    (row,) = town.ledger()
    assert (row["sent"], row["stored"], row["unexplained"], row["edge"], row["state"]) == (2, 2, 0, CITY, "balanced")
    kept = store.committer.read(lambda c: str(c.execute("SELECT * FROM reports").fetchall()))
    assert "a@b.c" not in kept


def test_a_process_senses_what_people_report(kit: Any, store: Store) -> None:
    town = Town(kit, store, {}, senses={"level": "people/water_depth"}, every_s=1)

    async def scene() -> None:
        town.city.advance(town.now())
        await town.report(service_code="water_depth", **{"attribute[value]": "1.5"})
        town.at_us += 2 * S
        await town.turns.turn([])

    play(scene)
    (row,) = town.city.host.rows()
    assert [alarm["key"] for alarm in row["standing_alarms"]] == ["flood"]


def test_who_confirms_makes_it_good_and_who_refutes_makes_it_fail(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})

    async def scene() -> None:
        first, second = [(await town.report()).json()[0]["service_request_id"] for _ in range(2)]
        path = f"/requests/{first}/confirm"
        codes = [(await town.ask("POST", path, who, json={})).status_code for who in ("", "vic", "ann", "ann")]
        assert codes == [401, 403, 200, 409]
        (row,) = (await town.ask("POST", f"/requests/{second}/refute", "ann", json={"reason": "dry"})).json()
        assert row["status"] == "closed"
        assert (await town.ask("POST", "/requests/none/refute", "ann", json={})).status_code == 404

    play(scene)
    assert [quality for _, _, quality in town.seen()] == [3, 3, 1, 4]
    times = {frame.clock.ref_utc_us for frame in store.frames_after(-1)}
    assert len(times) == 2, "a verdict is a sample of the same event time"
    assert [(line["event"], line["who"]) for line in town.lines] == [
        ("report_confirmed", "ann"), ("report_refuted", "ann")]  # fmt: skip
    assert (town.ledger()[0]["sent"], town.ledger()[0]["unexplained"]) == (4, 0)


def test_reports_are_listed_for_who_may_view_with_their_worth(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})

    async def scene() -> None:
        numbers = [(await town.report()).json()[0]["service_request_id"] for _ in range(3)]
        await town.ask("POST", f"/requests/{numbers[0]}/confirm", "ann", json={})
        await town.ask("POST", f"/requests/{numbers[1]}/refute", "ann", json={})
        assert (await town.ask("GET", "/requests.json")).status_code == 401
        rows = (await town.ask("GET", "/requests.json", "vic")).json()
        assert [row["service_request_id"] for row in rows] == numbers[::-1], "newest first"
        told = [tuple(row["extended_attributes"].values()) for row in rows]
        assert told == [(1.0, "1", 3, "none", ""), (1.0, "1", 4, "refuted", "ann"), (1.0, "1", 1, "confirmed", "ann")]

        async def listed(**query: Any) -> list[int]:
            found = (await town.ask("GET", "/requests.json", "vic", params=query)).json()
            return [numbers.index(row["service_request_id"]) for row in found]

        assert await listed(status="closed") == [1] and await listed(status="open") == [2, 0]
        assert await listed(verdict="none") == [2] and await listed(verdict="none,refuted") == [2, 1]
        assert await listed(service_code="water_depth") == [] and len(await listed(service_code="flooded_street")) == 3
        assert await listed(service_request_id=f"{numbers[2]},{numbers[0]}") == [2, 0]
        assert await listed(limit=1, offset=1) == [1] and await listed(end_date="2000-01-01") == []
        assert len(await listed(start_date="2000-01-01T00:00:00Z", end_date="2100-01-01")) == 3

    play(scene)


@pytest.mark.parametrize(
    ("query", "text"),
    [({"status": "new"}, "expected one of open, closed"), ({"verdict": "yes"}, "none, confirmed, refuted"),
     ({"status": "closed", "verdict": "none"}, "no report of status closed has verdict none"),
     ({"start_date": "yesterday"}, "2026-03-01T06:00:00Z"), ({"end_date": "2026-13-01"}, "end_date"),
     ({"service_request_id": ",".join("x" * 51)}, "at most 50")],
)  # fmt: skip
def test_a_wrong_query_teaches(query: dict[str, str], text: str) -> None:
    with pytest.raises(FormError, match=text) as caught:
        wanted(query)
    assert caught.value.status == 400


def elements(answer: httpx.Response) -> list[dict[str, str | None]]:
    """Return what a document holds: for each element of its root the texts in it."""
    assert answer.headers["content-type"] == "text/xml; charset=utf-8" and answer.content.startswith(b"<?xml ")
    return [{"": root.tag} | {child.tag: child.text for child in row}
            for root in [ElementTree.fromstring(answer.content)] for row in root]  # fmt: skip


def test_each_page_is_there_as_xml(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})

    async def scene() -> None:
        services = elements(await town.ask("GET", "/services.xml"))
        assert [(row[""], row["service_code"], row["metadata"]) for row in services] == [
            ("services", "flooded_street", "false"), ("services", "water_depth", "false")]  # fmt: skip
        form = {**WET, "description": "<b>up & over</b>\x1b\u00e9"}
        (made,) = elements(await town.ask("POST", "/requests.xml", data=form))
        number = made["service_request_id"]
        assert number and made[""] == "service_requests"
        told = await town.ask("GET", f"/requests/{number}.xml")
        (row,) = elements(told)
        assert (row["status"], row["lat"], row["address_id"], row["description"]) == (
            "open", "51.5", None, "<b>up & over</b> \u00e9")  # fmt: skip
        (plain,) = (await town.ask("GET", f"/requests/{number}.json")).json()
        assert set(row) - {""} == set(plain), "the same names in both formats"
        assert [row["service_request_id"] for row in elements(await town.ask("GET", "/requests.xml", "vic"))] == [
            number
        ]
        wrong = await town.ask("POST", "/requests.xml", data={**WET, "service_code": "dragons"})
        (error,) = elements(wrong)
        assert (wrong.status_code, error[""], error["code"]) == (404, "errors", "404")
        assert "expected one of" in str(error["description"])

    play(scene)


def test_of_two_verdicts_at_the_same_time_one_counts(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})

    async def scene() -> None:
        number = (await town.report()).json()[0]["service_request_id"]
        asked = [town.ask("POST", f"/requests/{number}/{verdict}", "ann", json={}) for verdict in ("confirm", "refute")]
        assert sorted(answer.status_code for answer in await asyncio.gather(*asked)) == [200, 409]

    play(scene)
    assert len(town.lines) == 1 and len(town.seen()) == 2


def test_off_unless_configured(kit: Any, store: Store) -> None:
    town = Town(kit, store, None)

    async def scene() -> None:
        asked = [("GET", "/services.json"), ("POST", "/requests.json"), ("GET", "/requests/x.json")]
        for method, path in asked:
            told = await town.ask(method, path)
            assert (told.status_code, told.json()[0]["code"]) == (404, 404)

    play(scene)
    assert town.seen() == []


def test_the_services_are_told(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})

    async def scene() -> None:
        found = (await town.ask("GET", "/services.json")).json()
        assert [(row["service_code"], row["type"], row["metadata"]) for row in found] == [
            ("flooded_street", "realtime", False), ("water_depth", "realtime", False)]  # fmt: skip

    play(scene)


def test_a_flood_of_reports_is_slowed_and_counted(kit: Any, store: Store) -> None:
    town = Town(kit, store, {"per_minute": 1.0})

    async def scene() -> None:
        codes = [(await town.report()).status_code for _ in range(9)]
        assert codes == [201] * 6 + [429] * 3

    play(scene)
    assert town.city.refused["too_many_reports"] == 3 and len(town.seen()) == 6


def test_a_body_without_end_is_refused(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})

    async def scene() -> None:
        told = await town.ask("POST", "/requests.json", content=b"x" * (MAX_BODY + 1), headers={"Content-Type": FORM})
        assert told.status_code == 413

    play(scene)


@pytest.mark.parametrize(
    ("fields", "text"),
    [({"service_code": "dragons"}, "expected one of flooded_street, water_depth"), ({"lat": "north"}, "a number from"),
     ({"long": ""}, "lat and long go together"), ({"lat": "", "long": ""}, "where is it?"),
     ({"lat": "nan"}, "a number"),
     ({"lat": "40"}, "outside of the city"), ({"description": "x" * 2001}, "at most 2000"),
     ({"service_code": "water_depth"}, "attribute[value] is missing"),
     ({"service_code": "water_depth", "attribute[value]": "7"}, "a number from 0 to 3")],
)  # fmt: skip
def test_a_wrong_report_teaches(fields: dict[str, str], text: str) -> None:
    with pytest.raises(FormError) as caught:
        check(ReportsSection(services=SERVICES, box=BOX), {**WET, **fields})
    assert text in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([FORM, f"{FORM}; charset=utf-8", "application/json", ""]))
def test_any_body_is_read_or_refused(body: bytes, content_type: str) -> None:
    section = ReportsSection(services=SERVICES, box=BOX)
    try:
        asked = check(section, read_form(body, content_type))
    except FormError as error:
        assert error.status in (400, 404)
    else:
        assert asked.service in SERVICES


def test_no_edge_node_speaks_for_the_people(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})
    stranger = type(kit)(kit.templates, thing="people")
    kit.give(town.city, town.at_us, stranger.info(), stranger.batch(0, 3))
    assert town.city.refused["foreign_thing"] == 2 and "people" not in town.city.registry.things


def test_a_restart_goes_on_and_brings_what_a_crash_left_between_report_and_sample(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})
    play(lambda: _reports(town, 2))
    boot = town.city.reports.boot
    kept = store.committer.read(lambda c: rows.samples_of(c, boot))
    lost = kept[0]._replace(seq=2, at_utc_us=kept[0].at_utc_us + S)
    report = rows.Report("lost", "flooded_street", lost.at_utc_us, None, None, "Mill Lane", "", 1.0)
    asyncio.run(store.work(lambda c: rows.put(c, report, boot, lost)))
    again = Town(kit, store, {})
    play(lambda: _reports(again, 1))
    assert again.city.reports.boot == boot
    assert [row["sent"] for row in again.ledger()] == [4] and len(again.seen()) == 4
    assert again.ledger()[0]["unexplained"] == 0 == again.city.ingest.conflicts
    other = Town(kit, store, {"thing": "people"})
    other.city.reports = ReportStream(ReportsSection(services={"fire": {"name": "Fire", "property": "fire"}}))
    begin(other.city, store)
    assert other.city.reports.boot != boot, "other channels are another stream"


async def _reports(town: Town, n: int) -> None:
    for _ in range(n):
        assert (await town.report()).status_code == 201


def test_a_full_disk_keeps_what_it_promised_and_nothing_is_unexplained(kit: Any, store: Store) -> None:
    town = Town(kit, store, {})

    async def scene() -> None:
        await town.report()
        stream = town.city.reports
        lost: list[str] = []
        at_utc_us = town.city.now(town.at_us).utc_us
        stream.accept(Sample(stream.next_seq, 0, 3, town.at_us, 1.0, at_utc_us, True), lost.append)
        planned = town.city.take([], town.now())
        town.city.ingest.abandoned(planned)
        assert town.ledger()[0]["unexplained"] == 0, "it is buffered"
        await town.turns.turn([])
        assert lost == [""]

    play(scene)
    assert (town.ledger()[0]["sent"], town.ledger()[0]["stored"]) == (2, 2)


@pytest.mark.parametrize(
    ("service", "text"),
    [({"lower": 2.0}, "lower below upper"), ({"value": 7.0}, "expected one from lower to upper"),
     ({"quality": 1}, "2 or 3")],
)  # fmt: skip
def test_a_wrong_service_teaches(service: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        ReportsSection(services={"x": {"name": "X", "property": "x", **service}})
