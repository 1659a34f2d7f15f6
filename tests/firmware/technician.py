"""A technician at a board's console: the real node with the channels of a board file, and what the port gives."""

from collections.abc import Iterator
from typing import Any

from firmware.console import begin
from firmware.kit import board_file, describe
from protocol import manifest

from .conftest import Board, Drive, Flash, Probe

PROMPT = "gate-9> "


class Port:
    """What a board's port gives the console; `set` is whether the jumper is."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.inputs: dict[str, Any] = {"GP12": lambda: 1, "GP13": lambda: 0}
        self.set: bool | None = False
        self.restarts = 0

    def lines(self, name: str, at: int) -> Iterator[str]:
        return iter(self.files[name].encode()[at:].decode().splitlines())

    def jumper(self) -> bool | None:
        return self.set

    def restart(self) -> None:
        self.restarts += 1


class Bench(Board):
    """A board file as gate-9, its sensor and its drive scripted; settings are applied as at a start."""

    def __init__(self, flash: Flash | None = None, name: str = "sluice_gate", drive: Any = None) -> None:
        """`drive` is the driver of its actuator."""
        board = board_file.load(board_file.board_path(name))
        config = describe.board_config(board, "gate-9")
        self.manifest = manifest.to_bytes(describe.manifest(board, "gate-9"))
        flash = flash or Flash()
        self.notes = begin.start(config, flash)
        super().__init__(flash, **config)
        self.node.identity_data.thing = "gate-9"
        self.node.port = self.port = Port(describe.facts(board))
        self.probe = Probe(1.65)
        self.node.sensors.add(self.probe, self.config["sensors"][0], None)
        self.drive = drive or Drive()
        self.node.actuators.add(self.drive, self.config["actuators"][0])
        self.run(300)

    def again(self) -> "Bench":
        """The board after a restart on the same flash."""
        return Bench(self.flash)

    def type(self, text: str | bytes) -> None:
        self.raw(text.encode() if isinstance(text, str) else text)

    def told(self, ms: int) -> str:
        """What the console writes within `ms`."""
        self.sent = b""
        self.run(ms, talking=False)
        return self.sent.decode()

    def say(self, line: str, limit_ms: int = 30_000) -> list[str]:
        """The lines of the reply to a command, without its echo and the prompt after it."""
        self.type(line + "\r")
        text = ""
        while not text.endswith("\r\n" + PROMPT):
            assert limit_ms > 0, text
            limit_ms -= 20
            text += self.told(20)
        lines = text.removesuffix(PROMPT).split("\r\n")
        assert lines[0] == line and lines[-1] == "" and all(len(line) < 80 for line in lines), text
        return lines[1:-1]


