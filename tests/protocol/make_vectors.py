"""Writes protocol/vectors/*.json with other people's code: msgpack, zlib, hmac, struct.

Run `python tests/protocol/make_vectors.py` after a change of the wire, and read the diff. The errors_*.json are the
inputs of error_cases.py with what our readers say to each: record_errors.py writes them.
COBS has no library here: its vectors are those of the paper and of the encoding's edges, by hand.
"""

import hashlib
import hmac
import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FOLDER = Path(__file__).parents[2] / "protocol/vectors"
BOOT = bytes.fromhex("fecaad0b0c000000")
NONCE = bytes(range(8))
TASK_ID = bytes(range(16))
KEY = bytes(range(32))
REFLEX = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))


def t6(wrap: int, ticks: int) -> bytes:
    """Return a stamp on the wire."""
    return (wrap * 2**30 + ticks).to_bytes(6, "little")


def cobs() -> list[dict[str, str]]:
    """Return raw and encoded pairs: the paper's, and both sides of a full block."""
    run = bytes(range(1, 255))
    pairs = [
        (b"", b"\x01"),
        (b"\x00", b"\x01\x01"),
        (b"\x00\x00", b"\x01\x01\x01"),
        (b"\x11\x22\x00\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\x00\x00\x00", b"\x02\x11\x01\x01\x01"),
        (run, b"\xff" + run),
        (b"\x00" + run, b"\x01\xff" + run),
        (run + b"\xff", b"\xff" + run + b"\x02\xff"),
        (run[1:] + b"\xff\x00", b"\xff" + run[1:] + b"\xff\x01\x01"),
        (run[2:] + b"\xff\x00\x01", b"\xfe" + run[2:] + b"\xff\x02\x01"),
    ]
    return [{"raw": raw.hex(), "encoded": encoded.hex()} for raw, encoded in pairs]


def crc32() -> list[dict[str, str]]:
    """Return data and its CRC, little-endian."""
    rng = random.Random(1)
    samples = [b"", b"123456789", bytes(32), b"\xff" * 32, rng.randbytes(300)]
    return [{"data": d.hex(), "crc": zlib.crc32(d).to_bytes(4, "little").hex()} for d in samples]


def mac() -> list[dict[str, str]]:
    """Return RFC 4231's cases 1, 2, 3, 4, 6 and 7, and the edges of the block size."""
    pairs = [
        (b"\x0b" * 20, b"Hi There"),
        (b"Jefe", b"what do ya want for nothing?"),
        (b"\xaa" * 20, b"\xdd" * 50),
        (bytes(range(1, 26)), b"\xcd" * 50),
        (b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First"),
        (b"\xaa" * 131, b"This is a test using a larger than block-size key and a larger than block-size "
         b"data. The key needs to be hashed before being used by the HMAC algorithm."),
        (b"k" * 64, b""),
        (b"k" * 65, b"x" * 64),
    ]  # fmt: skip
    return [
        {"key": key.hex(), "message": data.hex(), "mac": hmac.new(key, data, hashlib.sha256).hexdigest()}
        for key, data in pairs
    ]


def records() -> list[dict[str, Any]]:
    """Return fields and bytes of sample records; NaN as null."""
    rows: list[tuple[int, int, int, int, float | None]] = [
        (0, 1, 0, 0, 1.5),
        (7, 4, 1, 2**30 - 1, None),
        (255, 9, 2**18 - 1, 2**30 - 1, -0.1),
        (1, 3, 5, 1, 1e9),
    ]
    return [{"fields": list(row), "record": _record(*row).hex()} for row in rows]


def _record(channel: int, quality: int, wrap: int, ticks: int, value: float | None) -> bytes:
    number = struct.pack("<f", float("nan") if value is None else value)
    return bytes([channel, quality]) + t6(wrap, ticks) + number


def to_host() -> dict[str, list[Any]]:
    """Return the body of each kind that a board sends."""
    record = bytes.fromhex(records()[0]["record"])
    fault = [1, 7, 300, t6(2, 9)]
    actuator = [0, 1, 0, 0.5, 0.25, 2900]
    return {
        "hello": [1, 2, 70000, "river-1", BOOT, NONCE, "MicroPython v1.29", bytes(32), b"\x80"],
        "samples": [2, BOOT, 65536, record * 2],
        "status": [3, BOOT, t6(1, 5), 10, 20, 3, [fault], [actuator], {"crc": 100000}],
        "log": [4, 30, "sensor level is silent"],
        "sync": [5, 77, t6(1, 2), t6(1, 300)],
        "task_result": [8, BOOT, TASK_ID, 5, 0, t6(3, 4), 0.75],
        "gap": [12, BOOT, 2, 100, 164, 1],
        "earlier": [14, BOOT, 65536, record * 2],
    }


def to_board() -> dict[str, list[Any]]:
    """Return the body of each kind that a host sends."""
    task = msgpack.packb([NONCE, 5, TASK_ID, 0, 0.5, t6(1, 7), 3000], use_single_float=True)
    lease = msgpack.packb([NONCE, 6, 0, 0])
    ack = msgpack.packb([NONCE, BOOT, [[0, 64], [128, 70000]], [2]])
    return {
        "hello": [1, 1, 2, 70000],
        "sync": [5, 77],
        "ack": [6, BOOT, [[0, 64], [128, 70000]], [2]],
        "task": [7, task, hmac.digest(KEY, task, "sha256")],
        "lease": [11, lease, hmac.digest(KEY, lease, "sha256")],
        "signed_ack": [13, ack, hmac.digest(KEY, ack, "sha256")],
    }


CLOCK = [1000, 1_700_000_000_000_000, 1.00001, 50.0, True]
ACCOUNT = {"thing": "river-1", "boot": "0badcafe-12", "sent": 72, "buffered": [[70, 72]], "quarantined": [[9, 10]]}
TASK_V1 = [
    TASK_ID, "gate-1/opening", 0.5, 3000, "flood", 1_700_000_000_000_000, "edge-1", "eb-1", 9_000_000, 4,
    [["river-1", "0badcafe-12", 70]], {"sample": 1, "city_tx": 2}, "level is high",
]  # fmt: skip


def city_link() -> list[dict[str, Any]]:
    """Return header and payload of each kind of the city link; `required`: items (kind included) it may not lack."""
    stream = ["river-1", "0badcafe-12"]
    task = msgpack.packb(TASK_V1)
    reflex = REFLEX.sign(b"cityreflex reflex 1\0" + task)
    rows: dict[str, tuple[int, list[Any], bytes]] = {
        "EdgeHello": (5, [1, 2, "edge-1", "eb-1", 5_000_000, 1, 3, REFLEX.public_key().public_bytes_raw()], b""),
        "ThingInfo": (7, [2, *stream, "MicroPython v1.29", "ab" * 32, {"thing": "river-1"}, True], b""),
        "Batch": (8, [3, *stream, 70, 2, CLOCK, 10, 20], bytes.fromhex(records()[0]["record"]) * 2),
        "GapRecord": (8, [4, *stream, 3, 0, 5, "quota", "edge-1"], b""),
        "Heartbeat": (7, [5, "edge-1", "eb-1", 5_000_000, 77, [ACCOUNT], {"edge": "edge-1"}], b""),
        "TaskReport": (7, [6, TASK_ID, 5, 0, "", 0.5, {"board_act": 9}, reflex], task),
        "LeaseState": (5, [7, "gate-1/opening", "city", 4, 9_000_000], b""),
        "ClockRecord": (7, [8, *stream, 7, 1000, 9_000_000, CLOCK], b""),
        "StoredAsk": (3, [9, *stream], b""),
        "KeyOffer": (2, [10, b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"], b""),
        "CityHello": (3, [17, 2, "0123456789abcdef", 3, 64], b""),
        "Ack": (5, [18, *stream, [[0, 72], [80, 90]], [3], [7]], b""),
        "CityHeartbeat": (3, [19, 88, 99, 0], b""),
        "TaskOrder": (2, [20, bytes(range(64))], task),
        "LeaseRequest": (3, [21, "gate-1/opening", "city"], b""),
        "Stored": (8, [22, *stream, 3, [[0, 50]], [3], 0, 1], b""),
        "Wait": (3, [23, 1500, "1000 nodes at once"], b""),
        "Refusal": (3, [24, "revoked", "the key of edge-1 was revoked"], b""),
        "AlarmAct": (
            9,
            [
                26,
                "5f3a",
                "flood",
                "shelve",
                "level_stale",
                1_700_000_000_000_000,
                1_700_003_600_000_000,
                "anna",
                "the sensor is being cleaned",
            ],
            b"",
        ),
        "AuditHead": (7, [27, *audit_head()], b""),
        "KeyTaken": (2, [25, b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"], b""),
    }
    return [
        {"name": name, "required": required, "header": msgpack.packb(items).hex(), "payload": payload.hex()}
        for name, (required, items, payload) in rows.items()
    ]


def audit_head() -> list[Any]:
    """Return the items of an AuditHead, signed as docs/audit.md says."""
    private, sha256 = Ed25519PrivateKey.from_private_bytes(KEY), hashlib.sha256(b"line 40")
    public = private.public_key().public_bytes_raw()
    head = {"key": public.hex(), "n": 40, "name": "city", "sha256": sha256.hexdigest(), "utc_us": 1_700_000_000_000_000}
    signed = b"cityreflex audit head 1\0" + json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    return ["city", 40, sha256.digest(), head["utc_us"], public, private.sign(signed)]


def tasks() -> list[dict[str, str]]:
    """Return tasks as the city signs them, of both versions, with a signature."""
    private = Ed25519PrivateKey.from_private_bytes(KEY)
    public = private.public_key().public_bytes_raw().hex()
    packed = {"version 1": msgpack.packb(TASK_V1), "version 2": msgpack.packb([*TASK_V1, 3])}
    packed["an operator's"] = msgpack.packb([*TASK_V1, 0, 0, "operator", "anna", ["ben"]])
    packed["a trip"] = msgpack.packb([*TASK_V1, 0, 3, "operator", "anna"])
    return [
        {"name": name, "task": task.hex(), "public": public, "signature": private.sign(task).hex()}
        for name, task in packed.items()
    ]


def bodies(named: dict[str, list[Any]]) -> list[dict[str, str]]:
    """Return name, body and the COBS input (body and CRC) of each."""
    packed = {name: msgpack.packb(items, use_single_float=True) for name, items in named.items()}
    return [
        {"name": name, "body": body.hex(), "checked": (body + zlib.crc32(body).to_bytes(4, "little")).hex()}
        for name, body in packed.items()
    ]


def all_vectors() -> dict[str, Any]:
    """Return the content of each file by its name."""
    return {
        "cobs": cobs(),
        "crc32": crc32(),
        "mac": mac(),
        "record": records(),
        "to_host": bodies(to_host()),
        "to_board": bodies(to_board()),
        "city_link": city_link(),
        "tasks": tasks(),
    }


def text(content: Any) -> str:
    """Return a vector file's text."""
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file_name, content in all_vectors().items():
        (FOLDER / f"{file_name}.json").write_text(text(content))
