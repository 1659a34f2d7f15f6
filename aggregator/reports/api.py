"""Pages of Open311 GeoReport v2, JSON and XML: what can be reported, a report, what became of it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from processes.contract import NOT_EVALUATED

from ..operators.gate import demand, needs, peer_of
from ..operators.people import Person
from . import xml
from .desk import QUALITY, UNAVAILABLE, ReportDesk
from .forms import MAX_BODY, FormError, check, read_form, wanted
from .rows import Report
from .section import ReportsSection, ServiceSection

OK, CREATED, TOO_LONG, OFF = 200, 201, 413, 404
MAX_LIST = 1000
FORMATS = ("json", "xml")
XML = "text/xml; charset=utf-8"
STATUS = {"": ("open", "nobody has looked at it yet"), "confirmed": ("open", "confirmed"),
          "refuted": ("closed", "could not be confirmed")}  # fmt: skip
Row = dict[str, Any]
Judge = Annotated[Person, Depends(needs("acknowledge"))]
Reader = Annotated[Person, Depends(needs("view"))]


class JudgeBody(BaseModel):
    """A remark for the audit log."""

    reason: str = Field(default="", max_length=200)


def add_report_pages(api: FastAPI, desk: ReportDesk) -> None:
    """Add the pages of GeoReport v2, each as .json and .xml, and confirm and refute for operators."""
    api.add_exception_handler(FormError, _refuse)
    for form in FORMATS:
        _add_forms(api, desk, form)
    _add_verdicts(api, desk)


async def _refuse(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, FormError) else UNAVAILABLE
    form = "xml" if request.url.path.endswith(".xml") else "json"
    return _told(form, xml.ERRORS, [{"code": status, "description": str(error)}], status)


def _add_forms(api: FastAPI, desk: ReportDesk, form: str) -> None:
    """Add GET /services, POST and GET /requests and GET /requests/ID in one format."""

    async def get_services() -> Response:
        return _told(form, xml.SERVICES, [_service(*item) for item in _section(desk).services.items()])

    async def post_request(request: Request) -> Response:
        section = _section(desk)
        desk.admit(peer_of(request.scope))
        fields = read_form(await _body(request), request.headers.get("content-type", ""))
        report = await _kept(desk.take(check(section, fields)))
        told = {"service_request_id": report.id, "service_notice": "", "account_id": None}
        return _told(form, xml.REQUESTS, [told], CREATED)

    async def get_request(number: str) -> Response:
        return _told(form, xml.REQUESTS, [_row(_section(desk), desk.find(number))])

    async def get_requests(request: Request, person: Reader, limit: int = MAX_LIST, offset: int = 0) -> Response:
        section = _section(desk)
        demand(api, person, "view", section.thing)
        found = desk.newest(wanted(request.query_params), min(max(limit, 0), MAX_LIST), max(offset, 0))
        return _told(form, xml.REQUESTS, [_whole(section, report) for report in found])

    api.get(f"/services.{form}")(get_services)
    api.post(f"/requests.{form}")(post_request)
    api.get(f"/requests.{form}")(get_requests)
    api.get(f"/requests/{{number}}.{form}")(get_request)


def _add_verdicts(api: FastAPI, desk: ReportDesk) -> None:
    """Add what a person says of a report."""

    async def judge(number: str, verdict: str, reason: str, person: Person) -> list[Row]:
        section = _section(desk)
        demand(api, person, "acknowledge", section.thing)
        return [_whole(section, await _kept(desk.judge(number, verdict, person.name, reason)))]

    async def post_confirm(number: str, body: JudgeBody, person: Judge) -> list[Row]:
        return await judge(number, "confirmed", body.reason, person)

    async def post_refute(number: str, body: JudgeBody, person: Judge) -> list[Row]:
        return await judge(number, "refuted", body.reason, person)

    api.post("/requests/{number}/confirm")(post_confirm)
    api.post("/requests/{number}/refute")(post_refute)


def _told(form: str, names: tuple[str, str], rows: list[Row], status: int = OK) -> Response:
    """Return rows in the format that was asked for."""
    if form == "xml":
        return Response(xml.document(names, rows), status, media_type=XML)
    return JSONResponse(rows, status)


def _service(code: str, service: ServiceSection) -> Row:
    return {
        "service_code": code, "service_name": service.name, "description": service.description, "metadata": False,
        "type": "realtime", "keywords": "", "group": service.group,
    }  # fmt: skip


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


def _whole(section: ReportsSection, report: Report) -> Row:
    """Return a report for who may see all: also what it says, how good that is, and who judged it."""
    service = section.services.get(report.service)
    entered = service.quality if service else NOT_EVALUATED
    extra = {
        "value": report.value, "unit": service.unit if service else "", "quality": QUALITY.get(report.verdict, entered),
        "verdict": report.verdict or "none", "verdict_by": report.verdict_by,
    }  # fmt: skip
    return {**_row(section, report), "extended_attributes": extra}


def _iso(utc_us: int) -> str:
    return f"{datetime.fromtimestamp(utc_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
