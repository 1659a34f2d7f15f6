"""`city console`: what it shows, what it sends, and that it waits for a port that goes."""

import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityreflex import exits
from cityreflex.commands.console import Session
from cityreflex.port_view import View
from tests.command import city
from tests.waiting import until

CLOCK = "12:34:56.789"


def test_bytes_are_shown_as_they_come_and_none_can_steer_the_terminal() -> None:
    view = View()
    assert view.feed(b"gate-1> st", CLOCK) == "gate-1> st"
    assert view.feed(b"\b \bx\r\n\x1b[2J\x00\xff", CLOCK) == "\b \bx\r\n.[2J.."


def test_times_begin_lines_however_they_are_cut() -> None:
    for size in (1, 3, 100):
        view, text = View(times=True), b"one\r\n\r\ntwo\r\nthree"
        shown = "".join(view.feed(text[at : at + size], CLOCK) for at in range(0, len(text), size))
        assert shown == f"{CLOCK} one\r\n\r\n{CLOCK} two\r\n{CLOCK} three"
        assert view.end_line() == "\r\n" and view.end_line() == ""


def test_only_matching_lines_and_a_prompt_that_waits() -> None:
    view = View(only="err|> $")
    assert view.feed(b"ok\r\nerr E-", CLOCK) == ""
    assert view.feed(b"X found\r\nfine\r\ngate-1> ", CLOCK) == "err E-X found\r\n"
    assert view.idle(CLOCK) == "gate-1> " and view.idle(CLOCK) == ""


@pytest.mark.parametrize(("times", "columns"), [(False, 71), (True, 78)])
def test_hex_has_places_bytes_and_text_within_80_columns(times: bool, columns: int) -> None:
    view = View(as_hex=True, times=times)
    assert view.feed(bytes(range(60, 75)), CLOCK) == ""
    (row, rest) = view.feed(b"\x00\x01\x02", CLOCK).split("\r\n")
    assert row.removeprefix("56.789 ") == "0000  3c 3d 3e 3f 40 41 42 43 44 45 46 47 48 49 4a 00  <=>?@ABCDEFGHIJ."
    assert len(row) == columns and rest == ""
    assert view.idle(CLOCK).removeprefix("56.789 ").split() == ["0010", "01", "02", ".."]


class Port:
    """The far end of a serial port, behind a name that stays when it is plugged in anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug()

    def plug(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        self._slave = slave

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    made = Port(tmp_path / "board")
    yield made
    made.unplug()


def test_a_person_types_the_port_goes_and_comes_again(
    port: Port, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, typed = os.pipe()
    shown: list[str] = []
    told: list[str] = []

    def seen(text: str, where: list[str]) -> bool:
        found = capsys.readouterr()
        shown.append(found.out)
        told.append(found.err)
        return text in "".join(where)

    with (tmp_path / "visit.log").open("w") as log:
        session = Session(str(port.path), 115_200, View(), log)
        thread = threading.Thread(target=session.talk, args=(keys,))
        thread.start()
        until(lambda: seen("open", told), "the port is open")
        os.write(typed, b"id\r\x1d]\x03")
        sent = b""
        while len(sent) < 5:
            sent += os.read(port.master, 16)
        assert sent == b"id\r\x1d\x03"
        os.write(port.master, b"thing\r\n")
        until(lambda: seen("thing\r\n", shown), "text is shown")
        os.write(typed, b"\x1d?\x1dt")
        until(lambda: seen("times on", told) and "Ctrl-] and then" in "".join(told), "the keys are shown")
        port.unplug()
        until(lambda: seen("waiting for it", told), "the loss is told")
        port.plug()
        until(lambda: seen("", told) and "".join(told).count(": open") == 2, "it is opened again")
        os.write(port.master, b"again\r\n")
        until(lambda: seen("again\r\n", shown), "text is shown again")
        os.write(typed, b"\x1dq")
        thread.join(10)
        session.close()
    assert not thread.is_alive()
    lines = (tmp_path / "visit.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines if line] == ["thing", "again"]


def answer(port: Port, replies: dict[bytes, bytes]) -> None:
    """A board's console that knows some commands."""
    line = b""
    while True:
        try:
            byte = os.read(port.master, 1)
        except OSError:
            return
        line += byte
        if byte == b"\r":
            os.write(port.master, line + b"\n" + replies.get(line.strip(), b"") + b"gate-1> ")
            line = b""


@pytest.mark.parametrize(
    ("given", "code"), [("id\nlog\n", exits.OK), ("id\nopen\n\nid\n", exits.FAILED), ("", exits.OK)]
)
def test_commands_on_stdin_are_asked_one_by_one(port: Port, tmp_path: Path, given: str, code: int) -> None:
    replies = {b"id": b"thing    gate-1\r\nok\r\n", b"log": b"ok\r\n", b"open": b"err E-X found open;\r\n try\r\n"}
    threading.Thread(target=answer, args=(port, replies), daemon=True).start()
    said = city(tmp_path, "console", str(port.path), given=given)
    assert said.code == code, said
    assert said.out.count("thing    gate-1") == given.count("id")
    assert ("1 did not end with ok: open" in said.err) == (code == exits.FAILED)


def test_what_is_wrong_with_a_port_or_a_filter_is_said(tmp_path: Path) -> None:
    absent = city(tmp_path, "console", "nowhere")
    assert absent.code == exits.NOT_FOUND and "check cable and power" in absent.err
    wrong = city(tmp_path, "console", "nowhere", "--only", "(")
    assert wrong.code == exits.USAGE and "regular expression" in wrong.err
