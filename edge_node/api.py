"""The node's HTTP interface: JSON, read only, on a unix socket (owner only) or TCP."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI


def make_api(
    health: Callable[[], dict[str, Any]],
    ledger: Callable[[], dict[str, Any]],
    estimates: Callable[[], list[dict[str, Any]]],
) -> FastAPI:
    """Return the application with /health, /status (the same), /ledger and /estimates."""
    api = FastAPI(title="CityReflex edge node", docs_url=None, redoc_url=None)

    async def get_health() -> dict[str, Any]:
        return health()

    async def get_ledger() -> dict[str, Any]:
        return ledger()

    async def get_estimates() -> list[dict[str, Any]]:
        return estimates()

    api.get("/health")(get_health)
    api.get("/status")(get_health)
    api.get("/ledger")(get_ledger)
    api.get("/estimates")(get_estimates)
    return api


class ApiServer(uvicorn.Server):
    """A uvicorn server inside our event loop, which leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def make_server(api: FastAPI) -> ApiServer:
    """Return the server of the application; run it with `serve(sockets=[listen(address)])`."""
    return ApiServer(uvicorn.Config(api, log_config=None, access_log=False, lifespan="off"))


def listen(address: str) -> socket.socket:
    """Return a bound socket for "unix:PATH" (mode 0600) or "HOST:PORT". Raises: OSError."""
    if address.startswith("unix:"):
        return _listen_unix(Path(address.removeprefix("unix:")))
    host, _, port = address.rpartition(":")
    return socket.create_server((host, int(port)))


def _listen_unix(path: Path) -> socket.socket:
    """Bind through the folder's descriptor, since a socket's path may have no more than 107 bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    old_mask = os.umask(0o177)
    try:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.umask(old_mask)
        os.close(folder)
    return server
