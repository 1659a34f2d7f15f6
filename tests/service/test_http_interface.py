"""Where an HTTP interface listens, and how: loopback, TLS, or told explicitly; and what one peer may ask of it."""

import asyncio
import contextlib
import datetime
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import ValidationError

from cityreflex.client import Client, UnreachableError
from service import http_limits
from service.errors import KeyFileError
from service.http import listen, make_server
from service.http_limits import MAX_BODY, limit
from service.sections import ServiceSection
from service.tls import read_tls
from tests.waiting import LIMIT_S


def pair(folder: Path, name: str) -> dict[str, str]:
    """A certificate of its own and its key, as `openssl req -x509` makes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    cert = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(7).not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=9999))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).sign(key, SHA256())
    )  # fmt: skip
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    paths[1].chmod(0o600)
    return {"api_cert": str(paths[0]), "api_key": str(paths[1])}


def section(**keys: Any) -> ServiceSection:
    return ServiceSection(id="city", data_dir=Path("city"), **keys)


@pytest.mark.parametrize("api", ["unix:api.sock", "127.0.0.1:80", "127.9.9.9:80", "localhost:80", "[::1]:80"])
def test_this_machine_alone_needs_no_tls(api: str) -> None:
    assert section(api=api).api == api


def test_a_proxy_before_the_unix_socket_would_make_everybody_its_owner() -> None:
    with pytest.raises(ValidationError, match="the socket's owner"):
        section(api="unix:api.sock", api_behind_proxy=True)


@pytest.mark.parametrize("api", ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "city.example:80", "127.example:80"])
def test_beyond_this_machine_it_is_tls_or_told(api: str) -> None:
    with pytest.raises(ValidationError, match="api_without_tls = true") as caught:
        section(api=api)
    assert caught.value.errors()[0]["loc"] == ("api",) and api in str(caught.value)
    assert section(api=api, api_without_tls=True).api == api
    assert section(api=api, api_cert="c", api_key="k").api == api


@pytest.mark.parametrize("api", ["80", ":80", "host:", "host:x", "host:99999", "http://host"])
def test_what_is_no_address(api: str) -> None:
    with pytest.raises(ValidationError, match="expected unix:PATH or HOST:PORT"):
        section(api=api)


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="give both or none"):
        section(api="127.0.0.1:80", api_cert="c")
    one, two = pair(tmp_path, "one"), pair(tmp_path, "two")
    cert, key = Path(one["api_cert"]), Path(one["api_key"])
    assert read_tls(cert, key) == (cert, key)
    for wrong in (Path(two["api_key"]), tmp_path / "nowhere", cert):
        with pytest.raises(KeyFileError):
            read_tls(cert, wrong)
    key.chmod(0o640)
    with pytest.raises(KeyFileError, match="others may use this secret"):
        read_tls(cert, key)


@contextlib.contextmanager
def served(keys: dict[str, Any]) -> Iterator[int]:
    """A page behind the real server; its port."""
    api = FastAPI()

    async def get_health(request: Request) -> dict[str, bool]:
        return {"ok": request.client is not None and request.client.host == "127.0.0.1"}

    api.get("/health")(get_health)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = section(api=f"127.0.0.1:{port}", **keys)
    server = make_server(api, where)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listen(where.api)])), daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        yield port
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)


def test_tls_is_spoken_and_the_certificate_is_compared(tmp_path: Path) -> None:
    ours, other = pair(tmp_path, "localhost"), pair(tmp_path, "city.example")
    with served(ours) as port:
        with Client(f"https://localhost:{port}", ca=Path(ours["api_cert"])) as client:
            assert client.get("health") == {"ok": True}
        with Client(f"https://127.0.0.1:{port}", pin=Path(ours["api_cert"])) as client:
            assert client.get("health") == {"ok": True}, "the pinned certificate, whatever name it has"
        refused = [
            Client(f"127.0.0.1:{port}"), Client(f"https://127.0.0.1:{port}"),
            Client(f"https://127.0.0.1:{port}", ca=Path(ours["api_cert"])),
            Client(f"https://localhost:{port}", pin=Path(other["api_cert"])),
        ]  # fmt: skip
        for client in refused:
            with client, pytest.raises(UnreachableError):
                client.get("health")


@pytest.mark.parametrize("believed", [False, True])
def test_who_asks_is_believed_from_a_proxy_alone(believed: bool) -> None:
    with served({"api_behind_proxy": believed}) as port, Client(f"127.0.0.1:{port}") as client:
        client._http.headers["X-Forwarded-For"] = "192.0.2.9"
        assert client.get("health") == {"ok": not believed}


def limited(
    peer: str, monkeypatch: pytest.MonkeyPatch, address: str = "127.0.0.1:80"
) -> tuple[TestClient, list[str]]:
    api, refused = FastAPI(), []
    monkeypatch.setattr(http_limits.time, "monotonic_ns", lambda: 0)

    async def post_echo(body: dict[str, str]) -> int:
        return len(body["text"])

    api.post("/echo")(post_echo)
    limit(api, address, lambda code, who, text: refused.append(f"{code} {who}"))
    return TestClient(api, client=(peer, 1)), refused


def test_a_peer_that_asks_too_often_gets_429_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "BURST", 5)
    client, refused = limited("192.0.2.1", monkeypatch)
    codes = [client.post("/echo", json={"text": "x"}).status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2
    told = client.post("/echo", json={"text": "x"}).json()
    assert told["error"] == "too_many_requests" and "next: wait" in told["text"]
    assert set(refused) == {"too_many_requests 192.0.2.1"}
    other = TestClient(client.app, client=("192.0.2.2", 1))
    assert other.post("/echo", json={"text": "x"}).status_code == 200


def test_the_owner_of_a_socket_is_not_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "BURST", 5)
    client, _ = limited("", monkeypatch, "unix:api.sock")
    assert {client.post("/echo", json={"text": "x"}).status_code for _ in range(10)} == {200}


def test_a_body_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    client, refused = limited("192.0.2.1", monkeypatch)
    assert client.post("/echo", json={"text": "x" * MAX_BODY}).status_code == 413
    assert refused == ["too_large 192.0.2.1"]
    assert client.post("/echo", json={"text": "x" * 1000}).json() == 1000
    parts = (b"x" * 65536 for _ in range(40))
    with contextlib.suppress(Exception):
        assert client.post("/echo", content=parts).status_code >= 400
