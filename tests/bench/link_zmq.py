"""Bare ZeroMQ with fdatasync at both hops: the least that a durable link of two processes has to do.

The edge appends what the window allows to a file, syncs it, sends each frame as a message of its own; the city drains,
appends, syncs, acks the count. No header but a number, no checks, no ranges, no database, no restart. `curve`: with
the keys and handshakes that ours has. Frames and window are those of ours. `merge`: up to so many frames make one
message, as ours makes one batch of what waits for a commit.
"""

import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import payload
import zmq

DRAIN = 512
LIMIT_MS = 60_000


def measure(folder: Path, frames: int, curve: bool = True, merge: int = 1) -> dict[str, Any]:
    """Return {frames, seconds}: from the first append to the ack of the last frame."""
    folder.mkdir(parents=True)
    keys = zmq.curve_keypair() if curve else None
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    city = context.Process(target=_city, args=(folder / "city.log", frames, keys, there), daemon=True)
    city.start()
    try:
        return {"frames": frames, "seconds": _edge(folder / "edge.log", frames, keys, here.recv(), merge)}
    finally:
        city.join(10)
        city.kill()


def _edge(path: Path, frames: int, keys: Any, port: int, merge: int) -> float:
    """Return how long it took until the city had acked all frames."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    if keys:
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.curve_serverkey = keys[0]
    socket.connect(f"tcp://127.0.0.1:{port}")
    socket.send_multipart([b"", b""])
    socket.recv()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sent = acked = 0
    start = time.perf_counter()
    while acked < frames:
        numbers = range(sent, min(frames, acked + payload.WAITING))
        if numbers:
            records = [payload.FRAMES[number % len(payload.FRAMES)] for number in numbers]
            os.write(file, b"".join(records))
            os.fdatasync(file)
            for at in range(0, len(records), merge):
                head, body = (numbers.start + at).to_bytes(8, "little"), b"".join(records[at : at + merge])
                socket.send_multipart([head, body], copy=False)
            sent = numbers.stop
        if not socket.poll(LIMIT_MS):
            raise TimeoutError(f"no ack within {LIMIT_MS} ms")
        acked = int.from_bytes(socket.recv(), "little")
    seconds = time.perf_counter() - start
    os.close(file)
    context.destroy(0)
    return seconds


def _city(path: Path, frames: int, keys: Any, ready: Connection) -> None:
    """Store and ack until all frames are there."""
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    if keys:
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = keys
    ready.send(socket.bind_to_random_port("tcp://127.0.0.1"))
    who = socket.recv_multipart()[0]
    socket.send_multipart([who, b""])
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stored = 0
    while stored < frames:
        if not socket.poll(LIMIT_MS):
            return
        records = list(_drain(socket))
        os.write(file, b"".join(records))
        os.fdatasync(file)
        stored += sum(map(len, records)) // payload.FRAME_BYTES
        socket.send_multipart([who, stored.to_bytes(8, "little")])
    context.destroy(2000)


def _drain(socket: Any) -> Any:
    """Yield the records that have arrived, at most DRAIN."""
    for _ in range(DRAIN):
        try:
            yield socket.recv_multipart(zmq.NOBLOCK)[2]
        except zmq.Again:
            return
