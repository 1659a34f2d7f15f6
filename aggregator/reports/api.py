"""Pages in the manner of Open311 GeoReport v2, JSON only: what can be reported, a report, what became of it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ..operators.gate import demand, needs, peer_of
from ..operators.people import Person
from .desk import UNAVAILABLE, ReportDesk
from .forms import MAX_BODY, FormError, check, read_form
from .rows import Report
from .section import ReportsSection

CREATED, TOO_LONG, OFF = 201, 413, 404
STATUS = {"": ("open", "nobody has looked at it yet"), "confirmed": ("open", "confirmed"),
          "refuted": ("closed", "could not be confirmed")}  # fmt: skip
Row = dict[str, Any]
Judge = Annotated[Person, Depends(needs("acknowledge"))]


class JudgeBody(BaseModel):
    """A remark for the audit log."""

    reason: str = Field(default="", max_length=200)


def add_report_pages(api: FastAPI, desk: ReportDesk) -> None:
    """Add GET /services.json, POST /requests.json, GET /requests/ID.json, and confirm and refute for operators."""

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        status = error.status if isinstance(error, FormError) else UNAVAILABLE
        return JSONResponse([{"code": status, "description": str(error)}], status)

    async def get_services() -> list[Row]:
        return [
            {"service_code": code, "service_name": row.name, "description": row.description, "metadata": False,
             "type": "realtime", "keywords": "", "group": row.group}
            for code, row in _section(desk).services.items()
        ]  # fmt: skip

    async def post_request(request: Request) -> JSONResponse:
        section = _section(desk)
        desk.admit(peer_of(request.scope))
        fields = read_form(await _body(request), request.headers.get("content-type", ""))
        report = await _kept(desk.take(check(section, fields)))
        told = {"service_request_id": report.id, "service_notice": "", "account_id": None}
        return JSONResponse([told], CREATED)

    async def get_request(number: str) -> list[Row]:
        return [_row(_section(desk), desk.find(number))]

    async def judge(number: str, verdict: str, reason: str, person: Person) -> list[Row]:
        section = _section(desk)
        demand(api, person, "acknowledge", section.thing)
        return [_row(section, await _kept(desk.judge(number, verdict, person.name, reason)))]

    async def post_confirm(number: str, body: JudgeBody, person: Judge) -> list[Row]:
        return await judge(number, "confirmed", body.reason, person)

    async def post_refute(number: str, body: JudgeBody, person: Judge) -> list[Row]:
        return await judge(number, "refuted", body.reason, person)

    api.add_exception_handler(FormError, refuse)
    api.get("/services.json")(get_services)
    api.post("/requests.json")(post_request)
    api.get("/requests/{number}.json")(get_request)
    api.post("/requests/{number}/confirm")(post_confirm)
    api.post("/requests/{number}/refute")(post_refute)


def _section(desk: ReportDesk) -> ReportsSection:
    if desk.section is None:
        raise FormError(OFF, "reports are off: aggregator.toml has no [reports]")
    return desk.section


async def _kept(work: Any) -> Report:
    try:
        found: Report = await work
        return found
    except OSError as error:
        raise FormError(UNAVAILABLE, f"nothing was kept: {error}") from error


async def _body(request: Request) -> bytes:
    """Return the body; no more of it is held than is allowed."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise FormError(TOO_LONG, f"a report has at most {MAX_BODY} bytes")
    return data


def _row(section: ReportsSection, report: Report) -> Row:
    status, notes = STATUS[report.verdict]
    service = section.services.get(report.service)
    return {
        "service_request_id": report.id, "status": status, "status_notes": notes, "service_code": report.service,
        "service_name": service.name if service else report.service, "description": report.description,
        "agency_responsible": None, "service_notice": "", "requested_datetime": _iso(report.at_utc_us),
        "updated_datetime": _iso(report.verdict_utc_us or report.at_utc_us), "expected_datetime": None,
        "address": report.address, "address_id": None, "zipcode": None, "lat": report.lat, "long": report.lon,
        "media_url": None,
    }  # fmt: skip


def _iso(utc_us: int) -> str:
    return f"{datetime.fromtimestamp(utc_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
