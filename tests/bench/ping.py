"""Round trips of a message that nothing is stored for: ours through the whole city, and bare ZeroMQ.

Ours: EdgeHello from an UplinkSocket on an event loop to a real aggregator, and its CityHello back: sockets with CURVE,
loops, codec, checks and a turn of the city at the other end. Bare: the same bytes between a DEALER and a ROUTER with
CURVE in two processes that block in recv.
"""

import asyncio
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import link_ours
import zmq

from cityreflex.config import load_edge
from edge_node.city.uplink_socket import UplinkSocket
from edge_node.keys.side import read_keys
from protocol import city_link
from protocol.city_link import CityHello, EdgeHello

WARM = 200
LIMIT_S = 30.0


def hello(number: int) -> list[bytes]:
    """Return the request."""
    return city_link.encode(EdgeHello(city_link.PROTO, "edge-1", "0000000a-1", number))


def ours(folder: Path, pings: int) -> float:
    """Return the median round trip in us through a real aggregator."""
    link_ours.prepare(folder)
    with link_ours.city(folder):
        return asyncio.run(_ours(folder / "edge.toml", pings))


async def _ours(config_path: Path, pings: int) -> float:
    config = load_edge(config_path)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()

    def received(parts: list[bytes]) -> None:
        if isinstance(city_link.decode(parts), CityHello) and not answer.done():
            answer.set_result(None)

    keys = read_keys(config.city)
    socket = UplinkSocket(config.city.endpoint, lambda: keys.in_use, received, lambda: 0.5)
    while not socket.send(hello(0)):
        await asyncio.sleep(0.01)
    await asyncio.wait_for(answer, LIMIT_S)
    taken = []
    for number in range(WARM + pings):
        answer = loop.create_future()
        start = time.perf_counter()
        socket.send(hello(number))
        await answer
        taken.append(time.perf_counter() - start)
    socket.close()
    return 1e6 * statistics.median(taken[WARM:])


def bare(pings: int) -> float:
    """Return the median round trip in us between two bare sockets."""
    keys = zmq.curve_keypair()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    echo = context.Process(target=_echo, args=(keys, there), daemon=True)
    echo.start()
    socket = _dealer(keys[0], here.recv())
    taken = []
    for number in range(WARM + pings):
        parts = hello(number)
        start = time.perf_counter()
        socket.send_multipart(parts)
        socket.recv_multipart()
        taken.append(time.perf_counter() - start)
    echo.kill()
    echo.join(10)
    socket.close(0)
    return 1e6 * statistics.median(taken[WARM:])


def _dealer(server: bytes, port: int) -> Any:
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
    socket.curve_serverkey = server
    socket.connect(f"tcp://127.0.0.1:{port}")
    return socket


def _echo(keys: Any, ready: Connection) -> None:
    socket = zmq.Context.instance().socket(zmq.ROUTER)
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = keys
    ready.send(socket.bind_to_random_port("tcp://127.0.0.1"))
    while True:
        socket.send_multipart(socket.recv_multipart())
