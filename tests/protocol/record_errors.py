"""Writes protocol/vectors/errors_*.json and streams.json: what our readers say to the inputs of error_cases.py.

Run `python tests/protocol/record_errors.py` after make_vectors.py, and read the diff: a text is what people see.
"""

import json
from collections.abc import Callable
from typing import Any

import error_cases as cases
import msgpack

from protocol import board_link, city_link, commands, framing, manifest, tasks
from protocol.errors import FrameError

LONGEST_KEPT = 3000
"""Bytes of an input that is kept as a vector; longer ones are tried by the tests alone."""


def command(body: bytes) -> Any:
    """Read as a board reads what a host sends."""
    return commands.decode_command(body, 0, len(body))


READERS: dict[str, Callable[[bytes], Any]] = {
    "command": command,
    "task": commands.decode_task_payload,
    "lease": commands.decode_lease_payload,
    "ack": commands.decode_ack_payload,
    "to_host": board_link.decode_board,
    "manifest": manifest.from_bytes,
    "manifest_map": lambda body: manifest.from_map(msgpack.unpackb(body)),
    "tasks": tasks.decode,
}


def verdict(read: Callable[[Any], Any], data: Any) -> dict[str, str]:
    """Return the class and the text of the error that a reader raises."""
    try:
        read(data)
    except FrameError as error:
        return {"error": type(error).__name__, "text": str(error)}
    return {"error": "", "text": "NOT refused"}


def of_bodies(reader: str, inputs: dict[str, bytes]) -> list[dict[str, str]]:
    """Return a row for each body."""
    return [
        {"name": name, "reader": reader, "body": body.hex(), **verdict(READERS[reader], body)}
        for name, body in inputs.items()
        if len(body) <= LONGEST_KEPT
    ]


def of_streams() -> list[dict[str, Any]]:
    """Return what a board's decoder finds in each stream, and what it counts."""
    rows = []
    for name, wire in cases.streams().items():
        decoder = framing.Decoder(320)
        decoder.feed(bytearray(wire), len(wire))
        bodies = []
        while decoder.next():
            bodies.append(bytes(decoder.buf[: decoder.length]).hex())
        counted = {c: getattr(decoder, c) for c in ("frames", "cobs", "crc", "oversize", "resync", "noise")}
        rows.append({"name": name, "wire": wire.hex(), "bodies": bodies, "counted": counted})
    return rows


def all_errors() -> dict[str, list[dict[str, Any]]]:
    """Return the content of each file by its name."""
    payloads = cases.payloads()
    signed = of_bodies("task", payloads["task"]) + of_bodies("lease", payloads["lease"])
    signed += of_bodies("ack", payloads["ack"])
    return {
        "errors_to_board": of_bodies("command", cases.to_board()) + signed,
        "errors_to_host": of_bodies("to_host", cases.to_host()) + of_bodies("manifest", cases.manifests())
        + of_bodies("manifest_map", cases.manifest_maps()),
        "errors_city_link": [
            {"name": name, "parts": [part.hex() for part in parts], **verdict(city_link.decode, parts)}
            for name, parts in cases.city_link().items()
            if sum(map(len, parts)) <= LONGEST_KEPT
        ],
        "errors_tasks": of_bodies("tasks", cases.tasks()),
        "streams": of_streams(),
    }


if __name__ == "__main__":
    for file_name, rows in all_errors().items():
        text = "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
        (cases.VECTORS / f"{file_name}.json").write_text(text)
