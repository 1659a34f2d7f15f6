"""The host's end of the line to the fixture (`fixture/bench.py` has the commands)."""

import json
import time
from typing import Any

import serial

from tests.waiting import LIMIT_S

from . import wires
from .wires import Wire

BAUD = 115_200
VERSIONS = (1,)
SILENCE_MS = 8000
ALIVE_EVERY_S = 1.0
TRAIN_MS = 2000
TICKS = 1 << 30
SILENCE = object()  # no answer; `ok null` is one


class FixtureError(RuntimeError):
    """The fixture refused a command, or is another than expected."""


class FixturePort:
    """The fixture. Lets go of everything when it is opened, and by itself when this process stands still for long."""

    def __init__(self, port: str) -> None:
        """Raises: FixtureError when nobody answers, or one of another version."""
        self._port = serial.Serial(port, BAUD, timeout=0.05)
        self._number = 0
        self._spoke = 0.0
        self.wires: list[Wire] = []
        try:
            self.hello()
        except Exception:
            self._port.close()
            raise

    def hello(self, silence_ms: int = SILENCE_MS) -> None:
        """Let go of everything; read who this is. Raises: FixtureError."""
        end = time.monotonic() + LIMIT_S
        while (found := self._ask("hello", str(silence_ms), limit_s=1.0)) is SILENCE:
            if time.monotonic() > end:
                raise FixtureError(
                    f"{self._port.port}: no answer from a fixture within {LIMIT_S:.0f} s; expected hil_tests/fixture "
                    "to run there; see docs/hil.md"
                )
        if found.get("fixture") not in VERSIONS:
            raise FixtureError(
                f"{self._port.port}: found fixture version {found.get('fixture')}; expected one of {VERSIONS}; copy "
                "hil_tests/fixture to it again: python -m hil_tests.files"
            )
        self.wires = wires.told(found["wires"])

    def wire(self, does: str) -> Wire:
        """Return the wire that does this. Raises: KeyError."""
        return {wire.does: wire for wire in self.wires}[does]

    def pull(self, does: str) -> None:
        """Close the contact, set the jumper, hold the stop closed, hold SDA low, cut the power."""
        self.do("pull", self.wire(does).name)

    def let(self, does: str) -> None:
        """Undo `pull`."""
        self.do("let", self.wire(does).name)

    def calm(self) -> None:
        """Let go of everything but the stop contact, which is closed: nobody stops."""
        for wire in self.wires:
            if wire.does != "relay":
                self.do("pull" if wire.does == "stop" else "let", wire.name)

    def pulses(self, does: str, count: int, low_ms: int, high_ms: int) -> None:
        """Make so many pulses, in trains that the fixture takes."""
        at_once = max(1, TRAIN_MS // (low_ms + high_ms))
        for made in range(0, count, at_once):
            some = min(at_once, count - made)
            if self.do("pulses", self.wire(does).name, some, low_ms, high_ms) != some:
                raise FixtureError(f"{self._port.port}: made other than {some} pulses")

    def level(self, does: str) -> int:
        """Return a wire's level."""
        return int(self.do("level", self.wire(does).name))

    def watch(self, does: str) -> None:
        """Note the edges of a wire from now on."""
        self.do("watch", self.wire(does).name)

    def edges(self, does: str) -> list[tuple[int, int]]:
        """Return (us since the first, level) of each edge since `watch`. Raises: FixtureError if some are lost."""
        found = self.do("edges", self.wire(does).name)
        if found["lost"]:
            raise FixtureError(f"{found['lost']} edges are lost; expected fewer than the fixture notes")
        first = found["edges"][0][0] if found["edges"] else 0
        return [((at - first) % TICKS, level) for at, level in found["edges"]]

    def alive(self) -> None:
        """Give a sign of life now and then; call it often."""
        if time.monotonic() - self._spoke > ALIVE_EVERY_S:
            self.do("alive")

    def do(self, *words: object) -> Any:
        """Return what a command gives, None if that is nothing. Raises: FixtureError, also when nobody answers."""
        found = self._ask(*[str(word) for word in words], limit_s=LIMIT_S)
        if found is SILENCE:
            raise FixtureError(f"{self._port.port}: no answer to {words} within {LIMIT_S:.0f} s; is it connected?")
        return found

    def close(self) -> None:
        """Let go of everything and close the port. Raises: FixtureError; the port is closed even so."""
        try:
            self.hello()
        finally:
            self._port.close()

    def _ask(self, *words: str, limit_s: float) -> Any:
        """Return the answer to one command, SILENCE when there is none in time. Raises: FixtureError."""
        self._number += 1
        self._port.write(f"{self._number} {' '.join(words)}\n".encode())
        self._spoke = time.monotonic()
        end, line = time.monotonic() + limit_s, b""
        while time.monotonic() < end:
            line += self._port.read_until(b"\n")
            if not line.endswith(b"\n"):
                continue
            number, _, told = line.decode(errors="replace").strip().partition(" ")
            line = b""
            if number != str(self._number):
                continue  # the answer to what was not awaited
            if not told.startswith("ok "):
                raise FixtureError(f"{self._port.port}: {' '.join(words)}: {told}")
            return json.loads(told[3:])
        return SILENCE
