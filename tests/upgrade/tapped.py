"""`city` as it is, with a tap on its wires: what crosses goes into the file CITYREFLEX_TAP as well.

    CITYREFLEX_TAP=aggregator.tap python tests/upgrade/tapped.py aggregator run --config run/aggregator.toml

Each line is JSON: for the city link [edge or "", [hex of header, hex of payload]], "" for what the city says; for
board links ["to" or "from", board, hex]; for databases ["sql", file, statement with its values].
"""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from aggregator.link.router_socket import RouterSocket
from cityreflex.cli import main
from edge_node.boards.serial_port import SerialPort
from edge_node.boards.side import BoardSide

_FILE = Path(os.environ["CITYREFLEX_TAP"]).open("a")  # noqa: SIM115 (for as long as the process lives)


def note(row: list[Any]) -> None:
    """Write one line."""
    _FILE.write(json.dumps(row) + "\n")
    _FILE.flush()


def tap() -> None:
    """Wrap what receives and sends on both wires."""
    drain, send, received, write = RouterSocket.drain, RouterSocket.send, BoardSide.received, SerialPort.write

    def tapped_drain(self: RouterSocket, limit: int) -> list[Any]:
        found = drain(self, limit)
        for message in found:
            note([message.edge, [part.hex() for part in message.parts]])
        return found

    def tapped_send(self: RouterSocket, routing_id: bytes, parts: list[bytes]) -> bool:
        note(["", [part.hex() for part in parts]])
        return send(self, routing_id, parts)

    def tapped_received(self: BoardSide, thing: str, data: bytes, rx_us: int) -> None:
        note(["from", thing, data.hex()])
        received(self, thing, data, rx_us)

    def tapped_write(self: SerialPort, data: bytes) -> None:
        note(["to", self.thing, data.hex()])
        write(self, data)

    connect = sqlite3.connect

    def tapped_connect(database: Any, *args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(database, *args, **options)
        name = Path(str(database).partition("?")[0]).name
        if name.endswith(".db"):
            connection.set_trace_callback(lambda text: note(["sql", name, text]))
        return connection

    sqlite3.connect = tapped_connect  # type: ignore[assignment]
    RouterSocket.drain, RouterSocket.send = tapped_drain, tapped_send  # type: ignore[method-assign]
    BoardSide.received, SerialPort.write = tapped_received, tapped_write  # type: ignore[method-assign]


if __name__ == "__main__":
    tap()
    main()
