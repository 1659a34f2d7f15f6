"""The HTTP interface listens where it is told, for its owner only."""

import socket
import stat
from pathlib import Path

from service.http import listen


def test_a_unix_socket_is_for_its_owner_only(tmp_path: Path) -> None:
    with listen(f"unix:{tmp_path / 'deep' / 'api.sock'}"):
        path = tmp_path / "deep" / "api.sock"
        assert stat.S_IMODE(path.stat().st_mode) & 0o177 == 0


def test_a_path_longer_than_a_unix_address_still_binds(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 100) / "api.sock"
    with listen(f"unix:{path}"):
        assert path.is_socket()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    listen(f"unix:{path}").close()
    assert path.exists()
    with listen(f"unix:{path}") as server:
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_tcp_address_binds_to_that_host_alone() -> None:
    with listen("127.0.0.1:0") as server:
        assert server.getsockname()[0] == "127.0.0.1"
