"""What each reader of the wires must refuse: inputs by name, made with other people's code.

`make_vectors.py` records what our readers say to each in protocol/vectors/errors_*.json; the tests compare on every
VM, and check that each place which can refuse is reached. Names say what is wrong.
"""

import json
from pathlib import Path
from typing import Any

import msgpack

VECTORS = Path(__file__).parents[2] / "protocol/vectors"
BOOT = bytes.fromhex("fecaad0b0c000000")
WRONG = {"a": 2}
"""A map: what no field of a frame is, save a few, which get NOT_A_MAP."""
NOT_A_MAP = 7
RECORD = bytes(12)
CLOCK = [0, 0, 1.0, 1.0, True]
RAW = {
    "msgpack: empty": b"",
    "msgpack: cut short": b"\x93\x05",
    "msgpack: trailing byte": b"\x92\x05\x07\x00",
    "msgpack: text is not UTF-8": b"\x92\x05\xa1\xff",
    "msgpack: long text is not UTF-8": b"\x92\x05\xd9\x01\xff",
    "msgpack: ext": b"\x92\x05\xd4\x01\x02",
    "msgpack: empty ext": b"\x92\x05\xc7\x00\x05",
    "msgpack: unused type byte": b"\x92\x05\xc1",
    "msgpack: duplicate key": b"\x92\x05\x82\xa1a\x01\xa1a\x02",
    "msgpack: key is nil": b"\x92\x05\x81\xc0\x01",
    "msgpack: array of 2^31 - 1": b"\xdd\x7f\xff\xff\xff",
    "msgpack: bin of 2^32 - 1": b"\xc6\xff\xff\xff\xff",
    "msgpack: nested 10 deep": b"\x91" * 10 + b"\xc0",
    "not an array": b"\x07",
    "an empty array": b"\x90",
    "kind is text": b"\x91\xa1x",
    "kind is true": b"\x91\xc3",
    "unknown kind": b"\x92\x63\x07",
}


def packed(items: Any) -> bytes:
    """Return msgpack with float32, as boards write it."""
    return bytes(msgpack.packb(items, use_single_float=True))


def bodies(name: str) -> dict[str, list[Any]]:
    """Return the items of each golden body of a file of vectors."""
    rows = json.loads((VECTORS / f"{name}.json").read_text())
    return {row["name"]: msgpack.unpackb(bytes.fromhex(row["body"])) for row in rows}


def spoilt(name: str, items: list[Any], required: int, wrong: Any = WRONG) -> dict[str, Any]:
    """Return a message with each item of the wrong type, too few and too many items."""
    found = {}
    for at in range(1, len(items)):
        other = NOT_A_MAP if isinstance(items[at], dict) else wrong
        found[f"{name}: item {at} is of another type"] = [*items[:at], other, *items[at + 1 :]]
    found[f"{name}: too few items"] = items[: required - 1]
    found[f"{name}: 17 surplus items"] = [*items, *range(17)]
    return found


def to_board() -> dict[str, bytes]:
    """Return bodies that boards refuse."""
    good = bodies("to_board")
    cases: dict[str, Any] = {}
    for name, items in good.items():
        cases.update(spoilt(name, items, len(items)))
    ack = good["ack"]
    cases |= {
        "hello: proto_min above proto_max": [1, 2, 1, 5],
        "hello: session below 0": [1, 1, 1, -1],
        "hello: session above 2^32 - 1": [1, 1, 1, 2**32],
        "sync: true is no integer": [5, True],
        "ack: boot of 7 bytes": [6, BOOT[:7], [], []],
        "ack: nine ranges": [6, BOOT, [[0, 1]] * 9, []],
        "ack: nine gaps": [6, BOOT, [], [1] * 9],
        "ack: a range of three": [6, BOOT, [[0, 1, 2]], []],
        "ack: a range reversed": [6, BOOT, [[5, 1]], []],
        "ack: a range of text": [6, BOOT, [[0, "x"]], []],
        "ack: a gap id below 0": [*ack[:3], [-1]],
        "ack: nested too deep": [6, BOOT, [[[[0]], 1]], []],
        "task: mac of 31 bytes": [7, b"", bytes(31)],
        "signed_ack: mac of 31 bytes": [13, b"", bytes(31)],
        "task: 65 values": [7, b"", bytes(32), *range(63)],
        "samples are for hosts": [2, BOOT, 0, RECORD],
        "settings are reserved": [9, 1],
    }
    raw = {"body of 321 bytes": packed([5, 7, bytes(315)])}
    return {**RAW, **{name: packed(items) for name, items in cases.items()}, **raw}


def payloads() -> dict[str, dict[str, bytes]]:
    """Return signed parts that boards refuse: of tasks, of leases, of acks."""
    task = msgpack.unpackb(bodies("to_board")["task"][1])
    lease = msgpack.unpackb(bodies("to_board")["lease"][1])
    tasks = {name: case for name, case in spoilt("task", task, len(task), "x").items() if "surplus" not in name}
    tasks |= {
        "task: nonce is a map": [WRONG, *task[1:]],
        "task: nonce is text": ["x", *task[1:]],
        "task: one surplus item": [*task, 0],
        "task: nonce of 7 bytes": [bytes(7), *task[1:]],
        "task: actuator 256": [*task[:3], 256, *task[4:]],
        "task: setpoint is an integer": [*task[:4], 1, *task[5:]],
        "task: setpoint is NaN": [*task[:4], float("nan"), *task[5:]],
        "task: setpoint is infinite": [*task[:4], float("-inf"), *task[5:]],
    }
    leases = {name: case for name, case in spoilt("lease", lease, len(lease), "x").items() if "surplus" not in name}
    leases |= {
        "lease: nonce is text": ["x", *lease[1:]],
        "lease: one surplus item": [*lease, 0],
        "lease: counter below 0": [lease[0], -1, *lease[2:]],
    }
    ack = msgpack.unpackb(bodies("to_board")["signed_ack"][1])
    acks = {name: case for name, case in spoilt("ack payload", ack, len(ack), "x").items() if "surplus" not in name}
    acks |= {
        "ack payload: nonce of 7 bytes": [bytes(7), *ack[1:]],
        "ack payload: one surplus item": [*ack, 0],
        "ack payload: boot of 7 bytes": [ack[0], bytes(7), *ack[2:]],
        "ack payload: a range reversed": [*ack[:2], [[5, 1]], []],
        "ack payload: nine ranges": [*ack[:2], [[0, 1]] * 9, []],
        "ack payload: nine gaps": [*ack[:2], [], [1] * 9],
        "ack payload: nested too deep": [*ack[:2], [[[0], 1]], []],
    }
    return {
        "ack": {name: packed(items) for name, items in acks.items()},
        "task": {name: packed(items) for name, items in tasks.items()},
        "lease": {name: packed(items) for name, items in leases.items()},
    }


def to_host() -> dict[str, bytes]:
    """Return bodies that hosts refuse."""
    good = bodies("to_host")
    cases: dict[str, Any] = {}
    for name, items in good.items():
        cases.update(spoilt(name, items, len(items)))
    status, fault, actuator = good["status"], good["status"][6][0], good["status"][7][0]
    result, gap = good["task_result"], good["gap"]
    for at in range(len(fault)):
        cases[f"fault: item {at} is a map"] = [*status[:6], [[*fault[:at], WRONG, *fault[at + 1 :]]], *status[7:]]
    for at in range(len(actuator)):
        wrong = [[*actuator[:at], WRONG, *actuator[at + 1 :]]]
        cases[f"actuator: item {at} is a map"] = [*status[:7], wrong, status[8]]
    cases |= {
        "hello: thing is empty": [*good["hello"][:3], "", *good["hello"][4:]],
        "hello: thing of 65 characters": [*good["hello"][:3], "x" * 65, *good["hello"][4:]],
        "hello: manifest of 1701 bytes": [*good["hello"][:8], bytes(1701)],
        "samples: none": [2, BOOT, 0, b""],
        "samples: 13 bytes": [2, BOOT, 0, bytes(13)],
        "samples: 65 records": [2, BOOT, 0, RECORD * 65],
        "samples: first above 2^32 - 1": [2, BOOT, 2**32, RECORD],
        "status: tail above head": [*status[:3], 21, *status[4:]],
        "status: 33 faults": [*status[:6], [fault] * 33, *status[7:]],
        "status: 17 actuators": [*status[:7], [actuator] * 17, status[8]],
        "status: 33 counters": [*status[:8], {str(n): n for n in range(33)}],
        "status: a counter without a name": [*status[:8], {"": 1}],
        "status: a counter below 0": [*status[:8], {"crc": -1}],
        "fault: of three": [*status[:6], [fault[:3]], *status[7:]],
        "actuator: of five": [*status[:7], [actuator[:5]], status[8]],
        "log: text of 201 characters": [4, 30, "x" * 201],
        "task_result: state 15": [*result[:3], 15, *result[4:]],
        "task_result: code 256": [*result[:4], 256, *result[5:]],
        "task_result: position is infinite": [*result[:6], float("inf")],
        "gap: end is text": [*gap[:4], "x", 1],
        "gap: reversed": [*gap[:3], 9, 3, 1],
        "gap: cause 3": [*gap[:5], 3],
        "more than 512 values": [4, 30, [0] * 300, [0] * 300],
    }
    long = {"body of 2049 bytes": packed([4, 30, "x", bytes(2045)])}
    return {**RAW, **{name: packed(items) for name, items in cases.items()}, **long}


def manifests() -> dict[str, bytes]:
    """Return manifests that hosts refuse."""
    sensor = [0, "level", "a02yyuw", "uart1", "uart1", 100]
    channel = [0, "water_level", 0, "water_level", "m", 0.0, 4.0, 0.002, True, None]
    actuator = [0, "opening", "gate", 0.0, 1.0, 0.2, "water_level", 3000, 4000]
    good: list[Any] = ["river-1", "river_gauge", [sensor], [channel], [actuator]]
    cases: dict[str, Any] = {
        "manifest: four items": good[:4],
        "manifest: thing with a slash": ["a/b", *good[1:]],
        "manifest: board is nil": [good[0], None, *good[2:]],
        "manifest: sensors are text": [*good[:2], "x", *good[3:]],
        "manifest: 65 sensors": [*good[:2], [sensor] * 65, *good[3:]],
        "manifest: a sensor of five": [*good[:2], [sensor[:5]], *good[3:]],
        "manifest: index out of place": [*good[:2], [[1, *sensor[1:]]], *good[3:]],
        "manifest: two of one name": [*good[:2], [sensor, [1, *sensor[1:]]], *good[3:]],
        "manifest: period below 0": [*good[:2], [[*sensor[:5], -1]], *good[3:]],
        "manifest: a name with a space": [*good[:2], [[0, "a b", *sensor[2:]]], *good[3:]],
        "manifest: chip of 97 characters": [*good[:2], [[0, "level", "x" * 97, *sensor[3:]]], *good[3:]],
        "manifest: no such sensor": [*good[:3], [[*channel[:2], 1, *channel[3:]]], good[4]],
        "manifest: lower above upper": [*good[:3], [[*channel[:5], 5.0, *channel[6:]]], good[4]],
        "manifest: upper is infinite": [*good[:3], [[*channel[:6], float("inf"), *channel[7:]]], good[4]],
        "manifest: fuse is 1": [*good[:3], [[*channel[:8], 1, None]], good[4]],
        "manifest: sigma_of an unknown channel": [*good[:3], [[*channel[:9], "x"]], good[4]],
        "manifest: feedback of an unknown channel": [*good[:4], [[*actuator[:6], "x", *actuator[7:]]]],
        "manifest: channels are text": [*good[:3], "x", good[4]],
        "manifest: actuators are text": [*good[:4], "x"],
        "manifest: safe outside": [*good[:4], [[*actuator[:5], 2.0, *actuator[6:]]]],
        "manifest: 1701 bytes": bytes(1698),
    }
    return {name: msgpack.packb(items) for name, items in cases.items()}


def manifest_maps() -> dict[str, bytes]:
    """Return manifests as ThingInfo has them, maps by field name, that are refused."""
    good = {"thing": "river-1", "board": "river_gauge", "sensors": [], "channels": [], "actuators": []}
    cases: dict[str, Any] = {
        "manifest: not a map": 7,
        "manifest: without board": {name: value for name, value in good.items() if name != "board"},
        "manifest: an unknown key": {**good, "x": 1},
        "manifest: thing is empty": {**good, "thing": ""},
        "manifest: 65 actuators": {**good, "actuators": [{}] * 65},
        "manifest: a sensor is no map": {**good, "sensors": [7]},
    }
    return {name: msgpack.packb(items) for name, items in cases.items()}


def city_link() -> dict[str, tuple[bytes, ...]]:
    """Return messages of the city link that are refused, by name: their parts."""
    rows = json.loads((VECTORS / "city_link.json").read_text())
    headers = {row["name"]: msgpack.unpackb(bytes.fromhex(row["header"])) for row in rows}
    payload = {row["name"]: bytes.fromhex(row["payload"]) for row in rows}
    required = {row["name"]: row["required"] for row in rows}
    found: dict[str, tuple[bytes, ...]] = {f"header {name}": (data, b"") for name, data in RAW.items()}
    found |= {
        "no part": (),
        "one part": (b"\x90",),
        "three parts": (b"\x90", b"", b""),
        "65537 bytes": (b"\x90", bytes(65536)),
        "more than 8192 values": (msgpack.packb([5, [0] * 8000, [0] * 8000]), b""),
        "an array of 8193": (msgpack.packb([5, [0] * 8193]), b""),
    }
    cases: dict[str, Any] = {}
    for name, items in headers.items():
        cases.update(spoilt(name, items, required[name]))
        if not payload[name]:
            found[f"{name}: with a payload"] = (msgpack.packb(items), b"x")
    cases |= _city_details(headers)
    for name, items in cases.items():
        found[name] = (msgpack.packb(items), payload.get(name.partition(":")[0], b""))
    batch = headers["Batch"]
    found["Batch: records of another length"] = (msgpack.packb(batch), bytes(13))
    found["TaskOrder: a task of 4097 bytes"] = (msgpack.packb(headers["TaskOrder"]), bytes(4097))
    found["TaskReport: a task of 4097 bytes"] = (msgpack.packb(headers["TaskReport"]), bytes(4097))
    return found


def _city_details(good: dict[str, list[Any]]) -> dict[str, Any]:
    """Return headers whose fields are of the right type and out of their limits."""

    def changed(name: str, at: int, value: Any) -> list[Any]:
        return [*good[name][:at], value, *good[name][at + 1 :]]

    account = {"thing": "t", "boot": "b", "sent": 1, "buffered": []}
    accounts = {
        "that is no map": 7,
        "without sent": {"thing": "t", "boot": "b", "buffered": []},
        "with a surplus key": {**account, "x": 1},
        "thing is empty": {**account, "thing": ""},
        "boot is empty": {**account, "boot": ""},
        "sent below 0": {**account, "sent": -1},
        "buffered reversed": {**account, "buffered": [[5, 1]]},
        "1025 buffered": {**account, "buffered": [[0, 1]] * 1025},
        "quarantined is a number": {**account, "quarantined": 1},
    }
    found = {f"Heartbeat: account {name}": changed("Heartbeat", 5, [value]) for name, value in accounts.items()}
    for at in range(5):
        found[f"Batch: clock item {at} is a map"] = changed("Batch", 5, [*CLOCK[:at], WRONG, *CLOCK[at + 1 :]])
    found |= {
        "EdgeHello: proto_min 256": changed("EdgeHello", 5, 256),
        "EdgeHello: edge of 65 characters": changed("EdgeHello", 2, "x" * 65),
        "EdgeHello: epoch below 0": changed("EdgeHello", 6, -1),
        "ThingInfo: 257 keys": changed("ThingInfo", 5, {str(n): 0 for n in range(257)}),
        "Batch: clock of four": changed("Batch", 5, CLOCK[:4]),
        "Batch: rate is infinite": changed("Batch", 5, [0, 0, float("inf"), 1.0, True]),
        "Batch: n is 0": changed("Batch", 4, 0),
        "GapRecord: reversed": changed("GapRecord", 4, 2**32 - 1),
        "Heartbeat: 257 accounts": changed("Heartbeat", 5, [account] * 257),
        "TaskReport: state 15": changed("TaskReport", 2, 15),
        "TaskReport: code 256": changed("TaskReport", 3, 256),
        "TaskReport: 17 stamps": changed("TaskReport", 6, {f"h{n}": n for n in range(17)}),
        "TaskReport: a stamp without a name": changed("TaskReport", 6, {"": 1}),
        "TaskReport: a stamp below 0": changed("TaskReport", 6, {"sample": -1}),
        "ClockRecord: reversed": changed("ClockRecord", 4, 9 * 10**15),
        "KeyOffer: 39 bytes": changed("KeyOffer", 1, b"k" * 39),
        "KeyOffer: not Z85": changed("KeyOffer", 1, b"~" * 40),
        "CityHello: credit 65536": changed("CityHello", 4, 65536),
        "Ack: a range of three": changed("Ack", 3, [[0, 1, 2]]),
        "Ack: 1025 ranges": changed("Ack", 3, [[0, 1]] * 1025),
        "Ack: 1025 gaps": changed("Ack", 4, [1] * 1025),
        "Ack: a gap id below 0": changed("Ack", 4, [-1]),
        "Ack: a clock number below 0": changed("Ack", 5, [-1]),
        "Stored: no parts": changed("Stored", 7, 0),
        "Stored: part beyond parts": changed("Stored", 6, 1),
        "Stored: 1025 parts": changed("Stored", 7, 1025),
        "Wait: over an hour": changed("Wait", 1, 3_600_001),
        "Refusal: text of 201 characters": changed("Refusal", 2, "x" * 201),
    }
    return found


def tasks() -> dict[str, bytes]:
    """Return tasks that are refused."""
    rows = {row["name"]: row for row in json.loads((VECTORS / "tasks.json").read_text())}
    good = msgpack.unpackb(bytes.fromhex(rows["an operator's"]["task"]))
    cases: dict[str, Any] = spoilt("task", good, 13)
    cases |= {
        "task: id is a map": [WRONG, *good[1:]],
        "task: id of 15 bytes": [bytes(15), *good[1:]],
        "task: setpoint is NaN": [*good[:2], float("nan"), *good[3:]],
        "task: lease over a day": [*good[:3], 86_400_001, *good[4:]],
        "task: 33 causes": [*good[:10], [["a", "b", 1]] * 33, *good[11:]],
        "task: a cause of two": [*good[:10], [["a", "b"]], *good[11:]],
        "task: a cause without a thing": [*good[:10], [["", "b", 1]], *good[11:]],
        "task: a cause without a boot": [*good[:10], [["a", "", 1]], *good[11:]],
        "task: a cause with seq 2^32": [*good[:10], [["a", "b", 2**32]], *good[11:]],
        "task: 17 stamps": [*good[:11], {f"h{n}": n for n in range(17)}, *good[12:]],
        "task: epoch below 0": [*good[:13], -1],
        "task: verb 5": [*good[:14], 5],
        "task: rank is empty": [*good[:15], ""],
        "task: person of 65 characters": [*good[:16], "x" * 65],
        "task: 9 people approved": [*good[:17], ["ben"] * 9],
        "task: approved by nobody": [*good[:17], [""]],
        "task: nested too deep": [*good, [[[[0]]]]],
    }
    found = {name: bytes(msgpack.packb(items)) for name, items in cases.items()}
    return {**{name: RAW[name] for name in list(RAW)[:12]}, **found, "task: 4097 bytes": bytes(4097)}


def streams() -> dict[str, bytes]:
    """Return what stands on a line that carries bodies of at most 320 bytes, wrong in each way a line can be."""
    rows = {row["name"]: row for row in json.loads((VECTORS / "to_board.json").read_text())}
    wire = {name: b"\0" + _stuffed(bytes.fromhex(row["checked"])) + b"\0" for name, row in rows.items()}
    sync = wire["sync"]
    flipped = bytearray(sync)
    flipped[3] ^= 0x40
    return {
        "one frame": sync,
        "two frames share a zero": sync + wire["hello"][1:],
        "text before the first zero": b"status\r\n" + sync,
        "a flipped bit, then a good frame": bytes(flipped) + sync,
        "cut in the middle, then a good frame": sync[:4] + sync,
        "noise between frames": sync + b"\xff\x03garbage" + sync,
        "a block longer than the frame": b"\0\xff\x01\x02\0" + sync,
        "shorter than its CRC": b"\0" + _stuffed(b"\x90\x01\x02") + b"\0" + sync,
        "longer than any frame": b"\0" + b"\x07" * 400 + b"\0" + sync,
        "a body of one byte too many": b"\0" + _stuffed(bytes([1]) * 325) + b"\0" + sync,
        "zeros only": bytes(9),
        "0x03 inside a frame": b"\0" + _stuffed(bytes.fromhex(rows["ack"]["checked"])) + b"\0",
        "never ended": b"\0" + b"\x07" * 1000,
    }


def _stuffed(data: bytes) -> bytes:
    """Return data COBS-encoded, by the definition: up to 254 bytes without a zero, after their number plus one."""
    out, rest = bytearray(), data + b"\0"
    while rest:
        block = rest[:254].partition(b"\0")[0]
        out += bytes([len(block) + 1]) + block
        rest = rest[len(block) + (len(block) < 254) :]
        if len(block) == 254 and rest == b"\0":
            break
    return bytes(out)
