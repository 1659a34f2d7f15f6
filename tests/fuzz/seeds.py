"""First inputs of each target: the golden vectors, one message of each kind, and whole configuration files."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "protocol/vectors"
CORPUS = Path(__file__).parent / "corpus"
RECORDED = json.loads((ROOT / "tests/protocol/recorded_0_1_0.json").read_text())


def seeds(target: str) -> list[bytes]:
    """Return the inputs to begin with: what was kept, and what the vectors hold."""
    return sorted({*kept(target), *FIRST[target]()})


def kept(target: str) -> list[bytes]:
    """Return the kept corpus of a target, and what once was a finding."""
    paths = [path for path in (CORPUS / f"{target}.hex", CORPUS / f"{target}.found.hex") if path.exists()]
    return [bytes.fromhex(line) for path in paths for line in path.read_text().split()]


def _bodies(*names: str) -> list[bytes]:
    rows = [row for name in names for row in json.loads((VECTORS / f"{name}.json").read_text())]
    return [bytes.fromhex(row["body"]) for row in rows]


def _framed(bodies: list[bytes]) -> list[bytes]:
    """Return each body alone, and all in a stream with noise between them."""
    from protocol.board_link import build_frame  # noqa: PLC0415 - instrumented first, when atheris runs

    return [b"\0" + body for body in bodies] + [b"\1noise" + build_frame(body) + b"\xff\3" for body in bodies]


def _city_messages() -> list[bytes]:
    parts = [(bytes.fromhex(row["header"]), bytes.fromhex(row["payload"])) for row in RECORDED["city_link"]]
    for row in json.loads((VECTORS / "city_link.json").read_text()):
        parts.append((bytes.fromhex(row["header"]), bytes.fromhex(row["payload"])))
    wrong = json.loads((VECTORS / "errors_city_link.json").read_text())
    parts += [(bytes.fromhex(row["parts"][0]), bytes.fromhex(row["parts"][1])) for row in wrong if row["parts"][1:]]
    return [len(header).to_bytes(2, "big") + header + payload for header, payload in parts]


def _tasks() -> list[bytes]:
    good = [bytes.fromhex(row["task"]) for row in json.loads((VECTORS / "tasks.json").read_text())]
    return [bytes.fromhex(RECORDED["task"]), *good, *_bodies("errors_tasks")]


def _configs() -> list[bytes]:
    folders = ("processes", "firmware/boards", "simulator/scenarios")
    found = [path.read_bytes() for folder in folders for path in sorted((ROOT / folder).rglob("*.toml"))]
    return [*found, _EDGE.encode(), _AGGREGATOR.encode()]


_EDGE = """[edge]
id = "edge-1"
data_dir = "edge"
[clock]
speed = 60.0
epoch_boottime_us = 1
epoch_utc_us = 2
[[boards]]
thing = "river-1"
port = "dev/river-1"
baud = 115200
key_file = "k"
[city]
endpoint = "tcp://127.0.0.1:1"
server_public_file = "a"
public_file = "b"
secret_file = "c"
verify_key_file = "d"
[guard]
interlocks = [["a/b", "a/c"]]
"""
_AGGREGATOR = """[city]
id = "city"
data_dir = "city"
[listen]
endpoint = "tcp://127.0.0.1:1"
public_file = "a"
secret_file = "b"
[[edges]]
id = "edge-1"
public_file = "c"
[signing]
secret_file = "d"
[store]
seal_every_s = 60.0
"""
FIRST = {
    "city_link": _city_messages,
    "tasks": _tasks,
    "board_to_host": lambda: _framed(_bodies("to_host", "errors_to_host")),
    "board_commands": lambda: _framed(_bodies("to_board", "errors_to_board")),
    "msgpack_subset": lambda: _bodies("to_host", "to_board", "errors_to_board"),
    "config": _configs,
}
