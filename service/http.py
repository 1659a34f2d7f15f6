"""A service's HTTP interface: a uvicorn server inside its event loop, on a unix socket or TCP."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from service.addresses import UNIX
from service.http_patience import Patient
from service.sections import ServiceSection
from service.tls import read_tls


class ApiServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def make_server(api: FastAPI, section: ServiceSection, stop_within_s: int = 2) -> ApiServer:
    """Return the server of the application; run it with `serve(sockets=[listen(address)])`. Raises: KeyFileError."""
    config = uvicorn.Config(
        api, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=stop_within_s,
        proxy_headers=section.api_behind_proxy, forwarded_allow_ips="127.0.0.1,::1", http=Patient,
    )  # fmt: skip
    if section.api_cert is not None and section.api_key is not None and not section.api.startswith(UNIX):
        tls = read_tls(section.api_cert, section.api_key)
        config.ssl_certfile, config.ssl_keyfile = str(tls.cert), str(tls.key)
    return ApiServer(config)


def listen(address: str) -> socket.socket:
    """Return a bound socket for "unix:PATH" (mode 0600) or "HOST:PORT". Raises: OSError."""
    if address.startswith(UNIX):
        return _listen_unix(Path(address.removeprefix(UNIX)))
    host, _, port = address.rpartition(":")
    bare = host.strip("[]")
    return socket.create_server((bare, int(port)), family=socket.AF_INET6 if ":" in bare else socket.AF_INET)


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
