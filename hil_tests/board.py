"""The host's end of the line to the board under test: link mode as an edge node speaks it, and text mode."""

import math
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import serial

from protocol import board_link, columns, mac, manifest
from protocol import task_numbers as codes
from protocol.host_decoder import HostDecoder
from tests.waiting import LIMIT_S

BAUD = 115_200
ACKED_RANGES = 8
DEADLINE_US = 10_000_000
ANSWERS_S = 12.0
"""How long a board may take to answer at first: it may be starting anew, after its watchdog's 8 s."""
LATCHED = "stopped"
REPLIED = re.compile(rb"\r\n(ok|err .*)\r\n[^\r\n]*> $", re.S)


class SilentBoardError(RuntimeError):
    """Nobody at the board's port answers a hello."""


class Board:
    """The board's port. `key`: shared with the board, or None; `meanwhile` is called while anything is awaited."""

    counter = 0

    def __init__(self, port: str, key: bytes | None, meanwhile: Callable[[], object]) -> None:
        self.port = serial.Serial(port, BAUD, timeout=0.05)
        self.decoder = HostDecoder()
        self.seen: list[Any] = []
        self.hello: board_link.Hello | None = None
        self.heard = 0
        self._key = key
        self._meanwhile = meanwhile

    def send(self, body: bytes) -> None:
        """Send one frame."""
        self.port.write(board_link.build_frame(body))

    def write(self, data: bytes) -> None:
        """Write raw bytes."""
        self.port.write(data)

    def read(self) -> bytes:
        """Take in what has come and return its bytes; messages go to `seen`, samples and gaps are acked."""
        self._meanwhile()
        data = bytes(self.port.read(max(1, self.port.in_waiting)))
        self.heard += len(data)
        fresh = [board_link.decode_board(body) for body in self.decoder.feed(data)]
        self.seen += fresh
        if self.hello is not None:
            self._ack(self.hello, fresh)
        return data

    def _ack(self, hello: board_link.Hello, fresh: list[Any]) -> None:
        batches = [row for row in fresh if isinstance(row, board_link.Samples) and row.boot == hello.boot]
        spans = [(row.first, row.first + row.n) for row in batches]
        gaps = [row.gap_id for row in fresh if isinstance(row, board_link.Gap)]
        for at in range(0, max(len(spans), len(gaps)), ACKED_RANGES):
            some = spans[at : at + ACKED_RANGES], gaps[at : at + ACKED_RANGES]
            if self._key is None:
                self.send(board_link.encode_ack(hello.boot, *some))
            else:
                self.send(board_link.encode_signed_ack(self._sign, hello.nonce, hello.boot, *some))

    def _sign(self, payload: bytes) -> bytes:
        assert self._key is not None
        return mac.hmac_sha256(self._key, payload)

    def until(self, condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """Read until `condition` gives something, and return that."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            self.read()
        raise AssertionError(f"not within {limit_s} s: {what}; seen {[type(row).__name__ for row in self.seen[-20:]]}")

    def of(self, kind: type) -> list[Any]:
        """Return the messages of a kind seen so far."""
        return [row for row in self.seen if isinstance(row, kind)]

    # link mode

    def prove(self, limit_s: float = ANSWERS_S) -> None:
        """Make sure that a board answers a hello. Raises: SilentBoardError, OSError."""
        try:
            self.greet(limit_s)
        except AssertionError:
            found = f"{self.heard} bytes without one" if self.heard else "nothing"
            raise SilentBoardError(
                f"{self.port.port}: expected a hello within {limit_s:g} s, found {found}; next: check that TX and RX "
                f"are not swapped, the baud rate ({BAUD}), the board's power, and that our firmware is on it"
            ) from None
        self.hush()

    def greet(self, limit_s: float = LIMIT_S) -> board_link.Hello:
        """Open link mode and return the board's hello; asks again each second, as a board may still be starting."""
        session = secrets.randbelow(1 << 32)
        asked = -1.0

        def answer() -> board_link.Hello | None:
            nonlocal asked
            if time.monotonic() - asked > 1.0:
                asked = time.monotonic()
                self.send(board_link.encode_hello(session))
            return next((row for row in self.of(board_link.Hello) if row.session == session), None)

        found: board_link.Hello = self.until(answer, "a hello", limit_s)
        self.hello = found
        return found

    def talk(self) -> board_link.SyncReply:
        """Ask for the board's time and return the answer; the board does not call this host silent for 5 s then."""
        number = secrets.randbelow(1 << 32)
        self.send(board_link.encode_sync(number))
        found: board_link.SyncReply = self.until(
            lambda: [row for row in self.of(board_link.SyncReply) if row.sync_id == number], "a sync reply"
        )[0]
        return found

    def listen(self, condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """As `until`, in link mode: the host goes on talking."""
        spoken = 0.0

        def look() -> Any:
            nonlocal spoken
            if time.monotonic() - spoken > 1.0:
                spoken = time.monotonic()
                self.send(board_link.encode_sync(0))
            return condition()

        return self.until(look, what, limit_s)

    def manifest(self) -> manifest.Manifest:
        """Return what the board says it senses and moves."""
        return manifest.from_bytes((self.hello or self.greet()).manifest)

    def status(self) -> board_link.Status:
        """Return the next status."""
        seen = len(self.of(board_link.Status))
        found: board_link.Status = self.listen(lambda: self.of(board_link.Status)[seen:], "a status")[0]
        return found

    def values(self, channel: int, since: int = 0) -> list[tuple[float, int]]:
        """Return (value, quality) of a channel's samples from seq `since` on, in the order they were taken."""
        assert self.hello is not None
        found: dict[int, tuple[float, int]] = {}
        for row in self.of(board_link.Samples):
            if row.boot == self.hello.boot and row.first + row.n > since:
                records = columns.decode(row.records)
                for place, record in enumerate(records):
                    if record["channel"] == channel and row.first + place >= since:
                        found[row.first + place] = float(record["value"]), int(record["quality"])
        return [found[seq] for seq in sorted(found)]

    def latest(self, channel: int, since: int = 0) -> float:
        """Return the last value of a channel since seq `since`, NaN without any."""
        values = self.values(channel, since)
        return values[-1][0] if values else math.nan

    # what only who has the key may do

    def order(self, actuator: int, setpoint: float, lease_ms: int) -> bytes:
        """Send a task to an actuator and return its id."""
        assert self._key is not None and self.hello is not None
        now_us = self.talk().tx_us
        task_id = secrets.token_bytes(16)
        self.send(
            board_link.encode_task(
                self._key, self.hello.nonce, self._next(), task_id, actuator, setpoint, now_us + DEADLINE_US, lease_ms
            )
        )
        return task_id

    def result(self, task_id: bytes) -> tuple[int, int]:
        """Return (state, code) of a task once it is done, has failed or was refused."""
        ended = (codes.DONE, codes.FAILED, codes.REFUSED, codes.EXPIRED)

        def found() -> list[tuple[int, int]]:
            rows = [row for row in self.of(board_link.TaskResult) if row.task_id == task_id]
            return [(row.state, row.code) for row in rows if row.state in ended]

        last: tuple[int, int] = self.listen(found, "the end of a task")[0]
        return last

    def release(self, actuator: int) -> None:
        """Send an actuator to its safe state; to a board that was stopped it says that the host knows."""
        assert self._key is not None and self.hello is not None
        self.send(board_link.encode_lease(self._key, self.hello.nonce, self._next(), actuator, 0))

    def take_over(self) -> None:
        """Release all actuators until the board says that nobody stops it any more."""

        def free() -> bool:
            for actuator in self.manifest().actuators:
                self.release(actuator.index)
            return not self.status().counters.get(LATCHED)

        self.until(free, "a board that nobody stops")

    def _next(self) -> int:
        """Above all that was used in this boot, by an earlier run, too."""
        Board.counter = max(Board.counter + 1, int(time.time()))
        return Board.counter

    # text mode

    def hush(self) -> None:
        """Ack nothing until the next greeting: the board may hold this host for silent."""
        self.hello = None

    def text(self) -> None:
        """Wait for text mode: five seconds after the last frame, or at once if the board is in it."""
        self.hush()
        self.until(lambda: b"thing" in self.ask("id"), "text mode, five seconds after the last frame")

    def ask(self, command: str, limit_s: float = 1.0) -> bytes:
        """Return what the console answers to a line, up to the next prompt; what comes in `limit_s` without one."""
        self.write(command.encode() + b"\r\n")
        end, heard = time.monotonic() + limit_s, b""
        while time.monotonic() < end and not REPLIED.search(heard):
            heard += self.read()
        return heard
