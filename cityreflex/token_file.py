"""Where the tokens of `city login` lie: one file of mode 0600, one token for each city, by its address.

The file is `--token-file`, else $CITY_TOKEN_FILE, else tokens.json in ~/.config/cityreflex. A file that is no JSON
holds one token, for whatever city is asked.
"""

import json
import os
from pathlib import Path
from typing import Any

from cityreflex.exits import CONFIG, PERMISSION, CityError
from service.files import make_private_folder, replace_durably

ENVIRONMENT = "CITY_TOKEN_FILE"
UNIX = "unix:"
OTHERS = 0o077


def path_of(given: Path | None = None) -> Path:
    """Return which file is meant."""
    if given is not None:
        return given
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "cityreflex" / "tokens.json"


def canonical(address: str) -> str:
    """Return an address as it is kept: another working directory means the same socket."""
    return f"{UNIX}{Path(address.removeprefix(UNIX)).resolve()}" if address.startswith(UNIX) else address


def find(address: str, given: Path | None = None) -> str:
    """Return the token for the service at this address, "" if there is none. Raises: CityError."""
    kept = _read(path_of(given), must=given is not None)
    if isinstance(kept, str):
        return kept
    row = kept.get(canonical(address), {})
    return str(row.get("token", "")) if isinstance(row, dict) else ""


def save(address: str, row: dict[str, Any], given: Path | None = None) -> Path:
    """Keep a login {name, token, until_utc_us}; return the file. Raises: CityError, OSError."""
    path = path_of(given)
    kept = _read(path)
    rows = {} if isinstance(kept, str) else kept
    make_private_folder(path.parent)
    replace_durably(path, json.dumps({**rows, canonical(address): row}, indent=1).encode())
    return path


def forget(address: str, given: Path | None = None) -> None:
    """Forget the login at this address. Raises: CityError, OSError."""
    path = path_of(given)
    kept = _read(path)
    if isinstance(kept, dict) and canonical(address) in kept:
        rest = {name: row for name, row in kept.items() if name != canonical(address)}
        replace_durably(path, json.dumps(rest, indent=1).encode())


def _read(path: Path, *, must: bool = False) -> dict[str, Any] | str:
    try:
        mode = path.stat().st_mode & 0o777
        if mode & OTHERS:
            text = f"{path}: others may read this token (mode {mode:03o})"
            raise CityError(PERMISSION, text, f"chmod 600 {path}; if they did: city logout, city login")
        text = path.read_text().strip()
    except FileNotFoundError:
        if must:
            raise CityError(CONFIG, f"{path}: there is no such token file", "city login NAME makes one") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CityError(PERMISSION, f"{path}: cannot be read: {error}", "check owner and mode of that path") from error
    try:
        kept = json.loads(text)
    except ValueError:
        return text
    return kept if isinstance(kept, dict) else text
