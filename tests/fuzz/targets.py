"""Fuzz targets: each takes bytes and returns nothing. Only the declared errors are caught, so any other is a finding.

Beside not crashing, each checks what must hold of whatever was accepted: it is written again as it was read, and
the two decoders of the board link agree.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cityreflex import config
from cityreflex.exits import CityError
from protocol import board_link, city_link, commands, frames, framing, manifest, mpack, tasks
from protocol.errors import FrameError
from protocol.host_decoder import HostDecoder

PUBLIC = bytes(range(32))
STREAM_BODY = 100
"""Longest body in a stream: small, so that short inputs reach what happens above it."""


def board_to_host(data: bytes) -> None:
    """What a board sends: even first byte, the rest is a body; odd, it is a stream with noise."""
    if not data:
        return
    if data[0] % 2 == 0:
        _host_body(data[1:])
    else:
        for body in _stream(data[1:]):
            _host_body(body)


def _host_body(body: bytes) -> None:
    with suppress(FrameError):
        message = board_link.decode_board(body)
        if isinstance(message, board_link.Hello):
            made = manifest.from_bytes(message.manifest)
            assert manifest.from_bytes(manifest.to_bytes(made)) == made


def board_commands(data: bytes) -> None:
    """What a host sends to a board, read by the code that runs on boards."""
    if not data:
        return
    if data[0] % 2 == 0:
        _command(data[1:])
    else:
        for body in _stream(data[1:]):
            _command(body)


def _command(body: bytes) -> None:
    with suppress(FrameError):
        items = commands.decode_command(body, 0, len(body))
        if items[0] == frames.TASK:
            nonce, counter, task_id, actuator, setpoint, not_after, lease_ms = commands.decode_task_payload(items[1])
            again = commands.encode_task_payload(
                nonce, counter, task_id, actuator, setpoint, not_after[0], not_after[1], lease_ms
            )
            assert commands.decode_task_payload(again) == commands.decode_task_payload(items[1])
        elif items[0] == frames.LEASE:
            payload = commands.decode_lease_payload(items[1])
            assert commands.decode_lease_payload(commands.encode_lease_payload(*payload)) == payload
        elif items[0] == frames.SIGNED_ACK:
            commands.decode_ack_payload(items[1])


def _stream(data: bytes) -> list[bytes]:
    """Return the bodies in a stream; the boards' decoder and the hosts' must find and count the same."""
    host, board = HostDecoder(STREAM_BODY), framing.Decoder(STREAM_BODY)
    half = len(data) // 2
    bodies = host.feed(data[:half]) + host.feed(data[half:])
    found = []
    board.feed(bytearray(data), len(data))
    while board.next():
        found.append(bytes(board.buf[: board.length]))
    assert found == bodies, "the decoders disagree"
    assert host.counters() == {name: getattr(board, name) for name in host.counters()}, "the counters disagree"
    return bodies


def msgpack_subset(data: bytes) -> None:
    """The msgpack reader that runs on boards, alone and with its widest limits."""
    with suppress(FrameError):
        mpack.unpack(data, 0, len(data))


def city(data: bytes) -> None:
    """A message of the city link: two bytes say how long the header is, then header and payload."""
    size = int.from_bytes(data[:2], "big")
    parts = [data[2 : 2 + size], data[2 + size :]]
    try:
        message = city_link.decode(parts)
    except FrameError:
        return
    again = city_link.encode(message)
    assert repr(city_link.decode(again)) == repr(message), "not read as written"
    if city_link.speaks(type(message), 1):
        city_link.decode(city_link.encode(message, 1))
    if isinstance(message, city_link.TaskOrder | city_link.TaskReport):
        task(message.task)


def task(data: bytes) -> None:
    """A task and its signature, which nobody can have made for these bytes (asked of some, as it is slow)."""
    if len(data) % 16 == 0:
        assert not tasks.verify(PUBLIC, data, data[:64])
    with suppress(FrameError):
        found = tasks.decode(data)
        assert tasks.decode(tasks.encode(found)) == found, "not read as written"


def configuration(data: bytes) -> None:
    """A TOML file, of whichever kind its keys make it: right, or refused with a CityError that says where."""
    path = _scratch() / "fuzzed.toml"
    path.write_bytes(data)
    with suppress(CityError):
        config.check(path)


_folders: list[Any] = []


def _scratch() -> Path:
    """Return a folder of our own, without any file that a config could name."""
    if not _folders:
        _folders.append(tempfile.TemporaryDirectory(prefix="fuzz"))
    return Path(_folders[0].name)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "city_link": city,
    "tasks": task,
    "board_to_host": board_to_host,
    "board_commands": board_commands,
    "msgpack_subset": msgpack_subset,
    "config": configuration,
}
LONGEST = {"board_to_host": 300, "board_commands": 250, "city_link": 4096, "tasks": 4200, "config": 4096}
"""Bytes of the longest input tried, by target; 1024 elsewhere. The vectors go to every limit of length itself."""
