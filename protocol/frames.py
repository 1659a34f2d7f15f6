"""Bodies of the board link: kinds, limits, what a board writes and reads. MicroPython and CPython.

On the line: 00 COBS(body, CRC-32) 00. A body is a msgpack array whose first item is its
kind. docs/protocol.md describes each one byte by byte; board_link.py is the host's side.
"""

from . import mpack
from .errors import FrameError

PROTO = 2
PROTO_MIN = 1
MAX_SURPLUS = 16

HELLO = 1
SAMPLES = 2
STATUS = 3
LOG = 4
SYNC = 5
ACK = 6
TASK = 7
TASK_RESULT = 8
SETTINGS = 9
FILE = 10
LEASE = 11
GAP = 12
SIGNED_ACK = 13
EARLIER = 14

MAX_BODY_TO_HOST = 2048
MAX_BODY_TO_BOARD = 320
MAX_RECORDS_PER_FRAME = 64
MAX_ACK_RANGES = 8
MAX_ACK_GAPS = 8
MAX_LOG_TEXT = 200
MAX_FAULTS = 32
MAX_ACTUATORS = 16
MAX_COUNTERS = 32
MAX_SEQ = 0xFFFFFFFF

GAP_OVERFLOW = 1
GAP_POWER = 2
GAP_CAUSES = {GAP_OVERFLOW: "overflow", GAP_POWER: "power"}


def boot_text(boot: bytes) -> str:
    """Return the 8-byte boot id as text: incarnation in hex, counter in decimal, e.g. "0badcafe-12"."""
    if len(boot) != 8:
        raise FrameError("a boot id has 8 bytes")
    incarnation = int.from_bytes(boot[:4], "little")
    return f"{incarnation:08x}-{int.from_bytes(boot[4:], 'little')}"


def boot_bytes(text: str) -> bytes:
    """Return the 8 bytes of a boot id written by `boot_text`.

    Raises:
        FrameError: `text` is not eight lower-case hex digits, a dash, a decimal below 2**32.
    """
    try:
        incarnation, counter = text.split("-")
        boot = int(incarnation, 16).to_bytes(4, "little") + int(counter).to_bytes(4, "little")
    except (ValueError, OverflowError):
        boot = b""
    if not boot or boot_text(boot) != text:
        raise FrameError("a boot id looks like 0badcafe-12")
    return boot


def put_hello(
    p: mpack.Packer,
    session: int,
    thing: str,
    boot: bytes,
    nonce: bytes,
    vm: str,
    firmware_sha256: bytes,
    manifest: bytes,
    proto: int = PROTO,
) -> None:
    """Write [HELLO, proto, session, thing, boot8, nonce8, vm, sha32, manifest]."""
    p.array(9)
    p.uint(HELLO)
    p.uint(proto)
    p.uint(session)
    p.str(thing)
    p.bin(boot)
    p.bin(nonce)
    p.str(vm)
    p.bin(firmware_sha256)
    p.bin(manifest)


def put_samples(p: mpack.Packer, boot: bytes, first: int, n_bytes: int, kind: int = SAMPLES) -> None:
    """Write [SAMPLES or EARLIER, boot8, first, bin of n_bytes] up to the records, which the caller puts at `p.pos`.

    Allocates nothing while `first` is below 2**30. After writing the records, add `n_bytes` to `p.pos`.
    """
    p.array(4)
    p.uint(kind)
    p.bin(boot)
    p.uint(first)
    p.bin_header(n_bytes)


def put_status(
    p: mpack.Packer,
    boot: bytes,
    wrap: int,
    ticks: int,
    tail: int,
    head: int,
    dropped: int,
    faults: list,  # type: ignore[type-arg]
    actuators: list,  # type: ignore[type-arg]
    counters: dict,  # type: ignore[type-arg]
) -> None:
    """Write [STATUS, boot8, t6, tail, head, dropped, faults, actuators, counters].

    `faults`: (sensor_index, code, count, since_wrap, since_ticks); `actuators`: (index, state, reason,
    setpoint, position, lease_left_ms); `counters`: name -> count.
    """
    p.array(9)
    p.uint(STATUS)
    p.bin(boot)
    p.stamp(wrap, ticks)
    p.uint(tail)
    p.uint(head)
    p.uint(dropped)
    p.array(len(faults))
    for fault in faults:
        put_fault(p, fault)
    p.array(len(actuators))
    for actuator in actuators:
        put_actuator(p, actuator)
    p.map(len(counters))
    for name, count in counters.items():
        p.str(name)
        p.uint(count)


def put_fault(p: mpack.Packer, fault: tuple) -> None:  # type: ignore[type-arg]
    """Write [sensor_index, code, count, since t6] from (sensor_index, code, count, wrap, ticks)."""
    p.array(4)
    p.uint(fault[0])
    p.uint(fault[1])
    p.uint(fault[2])
    p.stamp(fault[3], fault[4])


def put_actuator(p: mpack.Packer, actuator: tuple) -> None:  # type: ignore[type-arg]
    """Write [index, state, reason, setpoint f32, position f32, lease_left_ms]."""
    p.array(6)
    p.uint(actuator[0])
    p.uint(actuator[1])
    p.uint(actuator[2])
    p.f32(actuator[3])
    p.f32(actuator[4])
    p.uint(actuator[5])


def put_log(p: mpack.Packer, level: int, text: str) -> None:
    """Write [LOG, level, text]; `text` is cut at MAX_LOG_TEXT characters."""
    p.array(3)
    p.uint(LOG)
    p.uint(level)
    p.str(text[:MAX_LOG_TEXT])


def put_sync(p: mpack.Packer, sync_id: int, rx_wrap: int, rx_ticks: int, tx_wrap: int, tx_ticks: int) -> None:
    """Write [SYNC, id, rx6, tx6]. Allocates nothing for ids below 2**30."""
    p.array(4)
    p.uint(SYNC)
    p.uint(sync_id)
    p.stamp(rx_wrap, rx_ticks)
    p.stamp(tx_wrap, tx_ticks)


def put_task_result(
    p: mpack.Packer,
    boot: bytes,
    task_id: bytes,
    state: int,
    code: int,
    wrap: int,
    ticks: int,
    position: float,
) -> None:
    """Write [TASK_RESULT, boot8, task_id16, state, code, t6, position f32]."""
    p.array(7)
    p.uint(TASK_RESULT)
    p.bin(boot)
    p.bin(task_id)
    p.uint(state)
    p.uint(code)
    p.stamp(wrap, ticks)
    p.f32(position)


def put_gap(p: mpack.Packer, boot: bytes, gap_id: int, first: int, end: int, cause: int) -> None:
    """Write [GAP, boot8, gap_id, from, to, cause]: seqs [first, end) are lost for good."""
    p.array(6)
    p.uint(GAP)
    p.bin(boot)
    p.uint(gap_id)
    p.uint(first)
    p.uint(end)
    p.uint(cause)
