"""Prints what the dual-target code makes of protocol/vectors/. Runs on CPython and on both MicroPythons.

One line for each vector: its name and ok, or what was expected and found.
"""

import json
from binascii import hexlify, unhexlify

from protocol import cobs, commands, crc32, frames, framing, mac, mpack, record, task_codes
from protocol.errors import FrameError

FOLDER = "protocol/vectors/"  # run from the root of the repo
BOOT = unhexlify("fecaad0b0c000000")


def load(name):
    with open(FOLDER + name + ".json") as file:
        return json.load(file)


def same(name, found, expected):
    found = hexlify(found).decode()
    print(name, "ok" if found == expected else "expected " + expected + " found " + found)


def refuses(name, function, *args):
    try:
        function(*args)
    except FrameError as error:
        print(name, "refused:", error)
    else:
        print(name, "NOT refused")


def check_cobs():
    for i, case in enumerate(load("cobs")):
        raw = unhexlify(case["raw"])
        same(f"cobs encode {i}", cobs.encode(raw), case["encoded"])
        same(f"cobs decode {i}", cobs.decode(unhexlify(case["encoded"])), case["raw"])
    for bad in (b"\x03a", b"\x02a\x00", b"\xff" + b"a" * 253):
        refuses("cobs", cobs.decode, bad)


def check_crc():
    for i, case in enumerate(load("crc32")):
        data = unhexlify(case["data"])
        buf = bytearray(data + bytes(4))
        end = crc32.append(buf, len(data))
        same(f"crc32 {i}", buf[end - 4 : end], case["crc"])
        buf[0] ^= 1
        print("crc32 sees a flipped bit", not crc32.check(buf, end))


def check_mac():
    for i, case in enumerate(load("mac")):
        found = mac.hmac_sha256(unhexlify(case["key"]), unhexlify(case["message"]))
        same(f"mac {i}", found, case["mac"])
        expected = unhexlify(case["mac"])
        print("equal", mac.equal(found, expected), mac.equal(found, bytes(32)), mac.equal(found, b""))


def check_records():
    buf = bytearray(record.SIZE)
    for i, case in enumerate(load("record")):
        channel, quality, wrap, ticks, value = case["fields"]
        record.put(buf, 0, channel, quality, wrap, ticks, float("nan") if value is None else value)
        same(f"record {i}", buf, case["record"])


def write(p, name):
    """Write the body called `name` with the arguments that make_vectors.py has in its msgpack form."""
    if name == "hello":
        frames.put_hello(p, 70000, "river-1", BOOT, bytes(range(8)), "MicroPython v1.29", bytes(32), b"\x80")
    elif name == "samples":
        frames.put_samples(p, BOOT, 65536, 24)
        p.raw(unhexlify(load("record")[0]["record"]) * 2, 24)
    elif name == "status":
        faults = [(1, 7, 300, 2, 9)]
        actuators = [(0, 1, 0, 0.5, 0.25, 2900)]
        frames.put_status(p, BOOT, 1, 5, 10, 20, 3, faults, actuators, {"crc": 100000})
    elif name == "log":
        frames.put_log(p, 30, "sensor level is silent")
    elif name == "sync":
        frames.put_sync(p, 77, 1, 2, 1, 300)
    elif name == "task_result":
        frames.put_task_result(p, BOOT, bytes(range(16)), 5, 0, 3, 4, 0.75)
    elif name == "gap":
        frames.put_gap(p, BOOT, 2, 100, 164, frames.GAP_OVERFLOW)
    elif name == "earlier":
        frames.put_samples(p, BOOT, 65536, 24, frames.EARLIER)
        p.raw(unhexlify(load("record")[0]["record"]) * 2, 24)


def check_to_host():
    writer = framing.FrameWriter(frames.MAX_BODY_TO_HOST)
    decoder = framing.Decoder(frames.MAX_BODY_TO_HOST)
    for case in load("to_host"):
        writer.packer.reset()
        write(writer.packer, case["name"])
        same("body " + case["name"], writer.packer.buf[: writer.packer.pos], case["body"])
        n = writer.finish()
        same("wire " + case["name"], cobs.decode(writer.wire[1 : n - 1]), case["checked"])
        decoder.feed(writer.wire, n)
        print("decoder", decoder.next(), decoder.length == len(case["body"]) // 2, decoder.next())


def plain(value):
    """Return a decoded value as text that does not depend on the interpreter's repr."""
    if isinstance(value, (list, tuple)):
        return "[" + " ".join([plain(item) for item in value]) + "]"
    return hexlify(value).decode() if isinstance(value, bytes) else str(value)


def check_to_board():
    for case in load("to_board"):
        body = unhexlify(case["body"])
        items = commands.decode_command(body, 0, len(body))
        print(case["name"], plain(items))
        if items[0] == frames.TASK:
            payload = commands.decode_task_payload(items[1])
            again = payload[:5] + payload[5] + payload[6:]
            same("task payload", commands.encode_task_payload(*again), hexlify(items[1]).decode())
        elif items[0] == frames.LEASE:
            payload = commands.decode_lease_payload(items[1])
            same("lease payload", commands.encode_lease_payload(*payload), hexlify(items[1]).decode())
        elif items[0] == frames.SIGNED_ACK:
            print("ack payload", plain(commands.decode_ack_payload(items[1])))
        for end in range(len(body)):
            refuses("cut", commands.decode_command, body, 0, end)


def read_command(body):
    return commands.decode_command(body, 0, len(body))


def check_errors():
    """Each error a board can raise, with the class and the text that every VM gives."""
    readers = {
        "command": read_command,
        "task": commands.decode_task_payload,
        "lease": commands.decode_lease_payload,
        "ack": commands.decode_ack_payload,
    }
    for case in load("errors_to_board"):
        try:
            readers[case["reader"]](unhexlify(case["body"]))
            found = ("", "NOT refused")
        except FrameError as error:
            found = (type(error).__name__, str(error))
        expected = (case["error"], case["text"])
        print(case["name"], "ok" if found == expected else f"expected {expected} found {found}")


def check_streams():
    for case in load("streams"):
        decoder = framing.Decoder(frames.MAX_BODY_TO_BOARD)
        wire = bytearray(unhexlify(case["wire"]))
        decoder.feed(wire, len(wire))
        bodies = []
        while decoder.next():
            bodies.append(hexlify(decoder.buf[: decoder.length]).decode())
        wrong = [name for name, count in case["counted"].items() if getattr(decoder, name) != count]
        print("stream", case["name"], "ok" if bodies == case["bodies"] and not wrong else "expected others")


def check_rest():
    print(frames.boot_text(BOOT), frames.boot_bytes("0badcafe-12") == BOOT)
    for bad in ("", "0badcafe", "0BADCAFE-1", "0badcafe-4294967296", "x-1", "0badcafe--1"):
        refuses("boot " + bad, frames.boot_bytes, bad)
    for state in sorted(task_codes.STATES):
        print(state, [new for new in sorted(task_codes.STATES) if task_codes.may_become(state, new)])
    refuses("deep", mpack.unpack, b"\x91" * 7 + b"\xc0", 0, 8)
    refuses("many", mpack.unpack, b"\xdd\x7f\xff\xff\xff", 0, 5)
    refuses("huge", mpack.unpack, b"\xc6\xff\xff\xff\xff", 0, 5)
    refuses("twice", mpack.unpack, b"\x82\x01\x01\x01\x02", 0, 5)
    refuses("utf-8", mpack.unpack, b"\xa1\xff", 0, 2)
    refuses("ext", mpack.unpack, b"\xd4\x01\x02", 0, 3)
    print(mpack.unpack(b"\xcf" + b"\xff" * 8, 0, 9), mpack.unpack(b"\xd3\x80" + bytes(7), 0, 9))


check_cobs()
check_crc()
check_mac()
check_records()
check_to_host()
check_to_board()
check_errors()
check_streams()
check_rest()
