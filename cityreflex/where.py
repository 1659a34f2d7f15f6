"""Which city or edge node a command speaks to: its address, the certificate it is known by, the token file."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cityreflex.client import Client
from service.sections import UNIX

FILES = {"city": "aggregator.toml", "edge": "edge.toml"}
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}


@dataclass(frozen=True)
class Where:
    """What the options --dir, --at, --ca and --token-file said."""

    folder: Path
    at: str = ""
    ca: Path | None = None
    token_file: Path | None = None

    @property
    def address(self) -> str:
        """Return the address of the city."""
        return self.at or of_run(self.folder)[0]

    def client(self, part: str = "city") -> Client:
        """Return a client of the city, or of the edge node of the run directory."""
        if self.at:
            return Client(self.at, ca=self.ca, token_file=self.token_file)
        address, certificate = of_run(self.folder, part)
        return Client(address, ca=self.ca or certificate, token_file=self.token_file)


def of_run(folder: Path, part: str = "city") -> tuple[str, Path | None]:
    """Return the address of a service of a run directory, and the certificate it shows.

    Without a configuration that can be read it is the socket where `city sim up` puts it.
    """
    section = _section(folder / FILES[part], part)
    api = section.get("api", f"{UNIX}api.sock" if section else f"{UNIX}{part}/api.sock")
    if not isinstance(api, str) or api.startswith(UNIX):
        return f"{UNIX}{folder / str(api).removeprefix(UNIX)}", None
    host, _, port = api.rpartition(":")
    reached = f"{EVERYWHERE.get(host, host)}:{port}"
    certificate = section.get("api_cert")
    return (f"https://{reached}", folder / str(certificate)) if certificate else (reached, None)


def _section(path: Path, part: str) -> dict[str, Any]:
    try:
        section = tomllib.loads(path.read_text()).get(part)
    except (OSError, ValueError):
        return {}
    return section if isinstance(section, dict) else {}
