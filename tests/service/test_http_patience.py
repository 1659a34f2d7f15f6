"""Connections that keep a service waiting, and peers that hold many: closed, and nobody else suffers."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from service import http_patience
from service.http_patience import Patient
from tests.service.test_http_interface import served
from tests.waiting import LIMIT_S

ASK = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SLOW_S = 0.3


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_patience, "SLOW_S", SLOW_S)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as there:
        yield there


def is_closed(there: socket.socket) -> bool:
    """Whether the other side closes, after what it still says; waits for it."""
    try:
        while there.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


HALVES = {
    "nothing": b"",
    "half a line": b"GET /hea",
    "no end of the head": ASK[:-2],
    "no end of the body": b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=list(HALVES))
def test_who_never_ends_what_he_asks_is_closed(half: bytes) -> None:
    with served({}) as port, connected(port) as there:
        there.sendall(half)
        if half.startswith(b"POST"):
            assert there.recv(4096).startswith(b"HTTP/1.1 405"), "answered, yet the body is still owed"
        assert is_closed(there)


def test_who_begins_a_second_request_and_never_ends_it_is_closed() -> None:
    with served({}) as port, connected(port) as there:
        there.sendall(ASK)
        assert there.recv(4096).startswith(b"HTTP/1.1 200")
        there.sendall(ASK[:-2])
        assert is_closed(there)


def test_one_peer_holds_so_many_and_no_more_and_may_again_once_some_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_patience, "MAX_PER_PEER", 3)
    monkeypatch.setattr(http_patience, "SLOW_S", 60.0)
    with served({}) as port:
        with ExitStack() as held:
            for _ in range(3):
                one = held.enter_context(connected(port))
                one.sendall(ASK)
                assert one.recv(4096).startswith(b"HTTP/1.1 200")
            assert is_closed(held.enter_context(connected(port)))
        answers: list[bytes] = []
        while not answers or not answers[-1].startswith(b"HTTP/1.1 200"):
            with connected(port) as one:
                one.sendall(ASK)
                try:
                    answers.append(one.recv(4096))
                except ConnectionResetError:
                    answers.append(b"")
            assert len(answers) < 1000
    assert not +Patient.held


def test_behind_a_proxy_which_is_everybodys_peer_nobody_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_patience, "MAX_PER_PEER", 1)
    monkeypatch.setattr(http_patience, "SLOW_S", 60.0)
    with served({"api_behind_proxy": True}) as port, ExitStack() as held:
        for _ in range(3):
            one = held.enter_context(connected(port))
            one.sendall(ASK)
            assert one.recv(4096).startswith(b"HTTP/1.1 200")


class Working:
    """A protocol's view of a request that was read whole and is being answered."""

    more_body, response_complete = False, False


def test_what_we_work_on_has_no_limit() -> None:
    closed: list[bool] = []
    later: list[Any] = []
    one: Any = Patient.__new__(Patient)
    one.cycle, one._seen = Working(), None
    one.transport = type("Transport", (), {"abort": lambda self: closed.append(True)})()
    one.loop = type("Loop", (), {"call_later": lambda self, wait_s, call: later.append(call)})()
    for _ in range(5):
        one._look()
    assert not closed and len(later) == 5
    one.cycle.response_complete = True
    one._look()
    assert closed == [True]
