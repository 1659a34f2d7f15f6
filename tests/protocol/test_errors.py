"""Every kind and every error of both wires has a golden vector, and every place that can refuse is reached by one."""

import ast
import json
import traceback
from pathlib import Path

import msgpack
import pytest

from protocol import board_link, city_link, commands, frames, framing, host_decoder, manifest, tasks
from protocol.errors import FrameError

from . import error_cases as cases

ROOT = Path(__file__).parents[2]
READERS = {
    "command": lambda body: commands.decode_command(body, 0, len(body)),
    "task": commands.decode_task_payload,
    "lease": commands.decode_lease_payload,
    "ack": commands.decode_ack_payload,
    "to_host": board_link.decode_board,
    "manifest": manifest.from_bytes,
    "manifest_map": lambda body: manifest.from_map(msgpack.unpackb(body)),
    "tasks": tasks.decode,
}


def vectors(name):
    return json.loads((cases.VECTORS / f"{name}.json").read_text())


def all_inputs():
    """Return (reader, input) of every case, also of those too long to be kept as vectors."""
    payloads = cases.payloads()
    bodies = {
        "command": cases.to_board(), "task": payloads["task"], "lease": payloads["lease"],
        "ack": payloads["ack"],
        "to_host": cases.to_host(), "manifest": cases.manifests(),
        "manifest_map": cases.manifest_maps(), "tasks": cases.tasks(),
    }  # fmt: skip
    found = [(READERS[name], body) for name, inputs in bodies.items() for body in inputs.values()]
    return found + [(city_link.decode, parts) for parts in cases.city_link().values()]


def error_of(read, data):
    with pytest.raises(FrameError) as caught:
        read(data)
    return caught.value


@pytest.mark.parametrize("name", ["errors_to_board", "errors_to_host", "errors_tasks", "errors_city_link"])
def test_errors_are_those_of_the_vectors(name):
    """Texts of the msgpack library may change with its version; all others are ours."""
    for case in vectors(name):
        if "parts" in case:
            error = error_of(city_link.decode, [bytes.fromhex(part) for part in case["parts"]])
        else:
            error = error_of(READERS[case["reader"]], bytes.fromhex(case["body"]))
        assert type(error).__name__ == case["error"], case["name"]
        if name == "errors_to_board" or not case["text"].startswith("msgpack: "):
            assert str(error) == case["text"], case["name"]


def test_vectors_hold_all_cases():
    kept = {name: {case["name"] for case in vectors(name)} for name in ("errors_to_board", "errors_city_link")}
    payloads = cases.payloads()
    assert kept["errors_to_board"] == {*cases.to_board(), *payloads["task"], *payloads["lease"], *payloads["ack"]}
    assert kept["errors_city_link"] <= set(cases.city_link())
    assert len(cases.city_link()) - len(kept["errors_city_link"]) < 12


def test_every_case_is_refused():
    for read, data in all_inputs():
        error_of(read, data)


def test_every_kind_has_a_vector():
    assert {row["name"] for row in vectors("city_link")} == {kind.__name__ for kind in city_link.KINDS.values()}
    used = {name for name in board_link.KINDS.values() if name not in ("settings", "file")}
    assert {row["name"] for row in vectors("to_host")} | {row["name"] for row in vectors("to_board")} == used


@pytest.mark.parametrize("case", vectors("city_link"), ids=lambda case: case["name"])
def test_golden_city_messages_are_read_and_written(case):
    parts = [bytes.fromhex(case["header"]), bytes.fromhex(case["payload"])]
    message = city_link.decode(parts)
    assert type(message).__name__ == case["name"]
    assert city_link.encode(message) == parts


@pytest.mark.parametrize("case", vectors("tasks"), ids=lambda case: case["name"])
def test_golden_tasks_are_read_written_and_verified(case):
    data, public, signature = (bytes.fromhex(case[key]) for key in ("task", "public", "signature"))
    assert tasks.encode(tasks.decode(data)) == data
    assert tasks.verify(public, data, signature)
    assert tasks.sign(bytes(range(32)), data) == signature
    assert not tasks.verify(public, data[:-1] + b"\x07", signature)


def test_hosts_find_in_streams_what_boards_find():
    for case in vectors("streams"):
        decoder = host_decoder.HostDecoder(frames.MAX_BODY_TO_BOARD)
        bodies = [body.hex() for body in decoder.feed(bytes.fromhex(case["wire"]))]
        counted = decoder.counters()
        assert bodies == case["bodies"], case["name"]
        assert {name: counted[name] for name in case["counted"]} == case["counted"], case["name"]
    assert framing.Decoder(frames.MAX_BODY_TO_BOARD).max_body == 320


READING = {
    "commands.py": {"_need", "_need_uint", "_hello", "_ack", "_sync", "_signed", "decode_command",
                    "decode_task_payload", "decode_lease_payload", "decode_ack_payload"},
    "mpack.py": {"uint", "skip", "text", "array", "map", "open", "value", "tagged", "unpack"},
    "board_link.py": {"decode_board", "_hello", "_samples", "_status", "_counters", "_fault", "_actuator", "_log",
                      "_sync", "_task_result", "_gap"},
    "city_link.py": {"decode", "_completed"},
    "city_checks.py": None,
    "checks.py": None,
    "tasks.py": {"decode", "_cause", "_check"},
    "manifest.py": {"from_map", "from_bytes", "_named", "_exact", "_identifier", "_parts", "_part", "_typed",
                    "_check_references"},
}  # fmt: skip
"""Functions that read what others wrote, by file; None: all of them."""
CHECKS = {
    "integer", "number", "position", "text", "name", "binary", "boolean", "array", "mapping", "span", "stamps",
    "unpack", "_u32", "_boot", "_stamp", "_need", "_need_uint", "_spans", "_numbers", "_credit", "_public", "_clock",
    "_account", "_cause", "_task_bytes", "_identifier", "_exact", "_parts", "_named", "_bounded",
}  # fmt: skip

def places(file, functions):
    """Return {(file, first line, last line)} of each raise and each call of a check in what reads."""
    tree = ast.parse((ROOT / "protocol" / file).read_text())
    found = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and (functions is None or function.name in functions):
            for node in ast.walk(function):
                called = getattr(node, "func", None)
                name = getattr(called, "attr", getattr(called, "id", None))
                raises = isinstance(node, ast.Raise) and node.exc is not None
                if raises or (isinstance(node, ast.Call) and name in CHECKS):
                    found.add((file, node.lineno, node.end_lineno))
    return found


def line_of(place):
    """Return the text of a line of protocol/; causes and setpoint are checked again for what we write ourselves."""
    file, line = place.split(":")
    return (ROOT / "protocol" / file).read_text().splitlines()[int(line) - 1]


def test_every_place_that_can_refuse_is_reached_by_a_case():
    reached = set()
    for read, data in all_inputs():
        error = error_of(read, data)
        while error is not None:
            for frame, line in traceback.walk_tb(error.__traceback__):
                reached.add((Path(frame.f_code.co_filename).name, line))
            error = error.__cause__
    wanted = set().union(*(places(file, functions) for file, functions in READING.items()))
    missed = [
        f"{file}:{first}" for file, first, last in sorted(wanted)
        if not any((file, line) in reached for line in range(first, last + 1))
    ]  # fmt: skip
    again = ("task.causes", "task.setpoint")
    assert [place for place in missed if not any(name in line_of(place) for name in again)] == []
    assert len(wanted) > 150
