"""The host's end of the line to the fixture: silence is no success, and a port of no use is closed."""

from collections.abc import Callable
from typing import Any

import pytest

from hil_tests import fixture_port
from hil_tests.fixture_port import FixtureError, FixturePort

WIRE = {"name": "door", "does": "contact", "fixture": "GP2", "board": "GP16", "of": "door"}
HELLO = '{"fixture": 1, "wires": []}'


class Line:
    """A serial port with a fixture that answers `null` to what it hears, unless it is silent."""

    def __init__(self, port: str, baud: int, timeout: float) -> None:
        self.port, self.closed, self.silent, self.hello = port, False, False, HELLO
        self._said = b""

    def write(self, data: bytes) -> None:
        number, _, told = data.decode().strip().partition(" ")
        answer = self.hello if told.startswith("hello") else "null"
        self._said += b"" if self.silent else f"{number} ok {answer}\n".encode()

    def read_until(self, end: bytes) -> bytes:
        said, self._said = self._said, b""
        return said

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """The ports that are opened."""
    found: list[Line] = []

    def opened(*words: Any, **named: Any) -> Line:
        found.append(Line(*words, **named))
        return found[-1]

    monkeypatch.setattr(fixture_port.serial, "Serial", opened)
    monkeypatch.setattr(fixture_port, "LIMIT_S", 0.01)
    monkeypatch.setattr(fixture_port, "ALIVE_EVERY_S", -1.0)
    return found


COMMANDS: list[Callable[[FixturePort], None]] = [
    lambda port: port.pull("contact"),
    lambda port: port.let("contact"),
    lambda port: port.watch("contact"),
    lambda port: port.alive(),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_silence_is_no_success(command: Callable[[FixturePort], None], lines: list[Line]) -> None:
    port = FixturePort("here")
    port.wires = fixture_port.wires.told([WIRE])
    command(port)
    lines[0].silent = True
    with pytest.raises(FixtureError, match=r"here: no answer to .* is it connected"):
        command(port)


def test_a_port_of_no_use_is_closed(lines: list[Line], monkeypatch: pytest.MonkeyPatch) -> None:
    port = FixturePort("here")
    lines[0].hello = '{"fixture": 2}'
    with pytest.raises(FixtureError, match="found fixture version 2"):
        port.close()
    monkeypatch.setattr(f"{__name__}.HELLO", '{"fixture": 3}')
    with pytest.raises(FixtureError, match="found fixture version 3"):
        FixturePort("there")
    assert [line.closed for line in lines] == [True, True]
