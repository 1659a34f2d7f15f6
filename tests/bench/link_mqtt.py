"""Mosquitto, QoS 1, persistence on: the same frames, one PUBACK each. Source: mosquitto.conf(5).

Mosquitto acks before anything is on disk: it writes its whole database from time to time. `each`: on every change
(`autosave_on_changes`, interval 1), the nearest it has to durable; else its default, every 30 minutes.
"""

import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import payload
import peers

LIMIT_S = 180.0
INSTALL_BROKER = "apt-get install mosquitto"
INSTALL_CLIENT = "pip install 'cityreflex[bench]' (paho-mqtt)"


def measure(folder: Path, frames: int, each: bool = False) -> dict[str, Any]:
    """Return {frames, seconds}; a persistent session makes the broker keep them. Raises: MissingPeerError."""
    broker = peers.program("mosquitto", INSTALL_BROKER)
    peers.module("paho", INSTALL_CLIENT)
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    port = peers.free_port()
    config = folder / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence true", f"persistence_location {folder}/",
        "max_queued_messages 0", f"max_inflight_messages {payload.WAITING}", "user root",
        *(["autosave_on_changes true", "autosave_interval 1"] if each else []),
    ]  # fmt: skip
    config.write_text("\n".join(lines) + "\n")
    with peers.running([broker, "-c", str(config)], folder / "mosquitto.log", port):
        _subscribe(port)
        return {"frames": frames, "seconds": _publish(port, frames)}


def version() -> str:
    """Return what the broker says it is."""
    command = [peers.program("mosquitto", INSTALL_BROKER), "-h"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0]


def _client(name: str, clean: bool) -> Any:
    from paho.mqtt import client as mqtt  # noqa: PLC0415 (only where it is installed)

    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean)
    made.max_inflight_messages_set(payload.WAITING)
    made.max_queued_messages_set(0)
    return made


def _subscribe(port: int) -> None:
    """Leave a session behind that the broker has to keep messages for."""
    client, done = _client("city", clean=False), threading.Event()
    client.on_subscribe = lambda *_: done.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe("samples/#", qos=1)
    assert done.wait(LIMIT_S)
    client.disconnect()
    client.loop_stop()


def _publish(port: int, frames: int) -> float:
    """Return how long it took until all were acked."""
    client, room, connected = _client("edge", clean=True), threading.Semaphore(payload.WAITING), threading.Event()
    acked = threading.Semaphore(0)

    def on_publish(*_: Any) -> None:
        room.release()
        acked.release()

    client.on_publish = on_publish
    client.on_connect = lambda *_: connected.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert connected.wait(LIMIT_S)
    start = time.perf_counter()
    for number in range(frames):
        assert room.acquire(timeout=LIMIT_S)
        client.publish(f"samples/{number % payload.BOARDS}", payload.FRAMES[number % len(payload.FRAMES)], qos=1)
    for _ in range(frames):
        assert acked.acquire(timeout=LIMIT_S)
    seconds = time.perf_counter() - start
    client.disconnect()
    client.loop_stop()
    return seconds
