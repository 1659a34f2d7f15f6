"""Where a city or an edge node listens, as its configuration says it."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from service.addresses import UNIX

if TYPE_CHECKING:
    from service.sections import ServiceSection

FILES = {"city": "aggregator.toml", "edge": "edge.toml"}
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}


class Address(NamedTuple):
    """Where to ask, and the certificate that is shown there: with TLS, this one and no other."""

    text: str
    pin: Path | None = None


def of_section(section: "ServiceSection") -> Address:
    """Return the address of a service whose configuration is checked."""
    return _reached(section.api, section.api_cert)


def of_run(folder: Path, part: str = "city") -> Address:
    """Return the address of a service of a run directory.

    Without a configuration that can be read it is the socket where `city sim up` puts it.
    """
    section = _section(folder / FILES[part], part)
    api = section.get("api", f"{UNIX}api.sock" if section else f"{UNIX}{part}/api.sock")
    if not isinstance(api, str) or api.startswith(UNIX):
        return Address(f"{UNIX}{folder / str(api).removeprefix(UNIX)}")
    certificate = section.get("api_cert")
    return _reached(api, folder / str(certificate) if certificate else None)


def _reached(api: str, certificate: Path | None) -> Address:
    if api.startswith(UNIX):
        return Address(api)
    host, _, port = api.rpartition(":")
    reached = f"{EVERYWHERE.get(host, host)}:{port}"
    return Address(f"https://{reached}", certificate) if certificate else Address(reached)


def _section(path: Path, part: str) -> dict[str, Any]:
    try:
        section = tomllib.loads(path.read_text()).get(part)
    except (OSError, ValueError):
        return {}
    return section if isinstance(section, dict) else {}
