"""Requests under foreign names, and requests that are not what a page wants."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from service.http_errors import teach
from service.http_hosts import check_hosts, is_here
from service.sections import ServiceSection


def pages(**keys: Any) -> tuple[TestClient, list[tuple[str, str, str]]]:
    """An interface with these keys of its section, and what it refused."""
    api, refused = FastAPI(), list[tuple[str, str, str]]()

    async def get_page() -> str:
        return "read"

    api.get("/page")(get_page)
    check_hosts(api, ServiceSection(id="city", data_dir=Path("city"), **keys), lambda *row: refused.append(row))
    return TestClient(api), refused


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:8080", "10.0.0.7"])
def test_addresses_and_localhost_are_here(host: str) -> None:
    assert is_here(host)
    assert pages(api="127.0.0.1:8080")[0].get("/page", headers={"Host": host}).text == '"read"'


NAMES = ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.example", ":8080", "0x7f.1"]


@pytest.mark.parametrize("host", NAMES)
def test_a_name_that_its_owner_can_turn_to_us_reads_nothing(host: str) -> None:
    assert not is_here(host)
    http, refused = pages(api="127.0.0.1:8080")
    answer = http.get("/page", headers={"Host": host})
    assert answer.status_code == 421 and answer.json()["error"] == "foreign_host"
    assert [row[:2] for row in refused] == [("foreign_host", host)]


@pytest.mark.parametrize(
    "keys", [{"api": "unix:api.sock"}, {"api": "127.0.0.1:1", "api_behind_proxy": True}, {"api": "192.0.2.7:1",
             "api_without_tls": True}], ids=str)  # fmt: skip
def test_elsewhere_names_are_not_looked_at(keys: dict[str, Any]) -> None:
    assert pages(**keys)[0].get("/page", headers={"Host": "city.example"}).status_code == 200


class Body(BaseModel):
    setpoint: float = Field(allow_inf_nan=False)
    reason: str = Field(max_length=9)
    password: str = Field(default="", max_length=3)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"setpoint": NaN, "reason": "x"}', "setpoint"),
        (b'{"setpoint": 1e999, "reason": "x"}', "setpoint"),
        (b'{"setpoint": 1, "reason": "\\ud800"}', "reason"),
        (b'{"setpoint": 1, "reason": "x", "password": "my secret"}', "password"),
        (b'{"\\ud800": 1}', "setpoint"),
        (b"[]", "body"),
    ],
)
def test_a_malformed_request_learns_which_field_and_never_gets_it_back(body: bytes, field: str) -> None:
    api = FastAPI()

    async def post_page(body: Body) -> None:
        raise AssertionError(body)

    api.post("/page")(post_page)
    teach(api)
    http = TestClient(api, raise_server_exceptions=False)
    answer = http.post("/page", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and answer.json()["error"] == "malformed"
    assert field in answer.json()["text"] and "secret" not in answer.text
