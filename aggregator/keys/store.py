"""The keyring on disk: `keyring.json` in the city's data folder, its audit lines, and what an operator may do to it.

Every change is durable before anybody hears of it. The running aggregator holds one (key_desk.py); while it is
down the command line works with the same class on the same file.
"""

import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocol.enrol import TokenText, token_text
from service.audit import AuditLog, wall_us
from service.errors import KeyFileError
from service.files import read_summed, replace_summed
from service.fingerprint import fingerprint, raw_key
from service.host_time import boottime_us
from service.keys import read_curve_key, read_slots

from ..config import AggregatorConfig
from ..errors import KeyringError
from ..signing.remote import verify_keys
from . import tokens
from .keyring import Dead, Keyring, from_map
from .tombstones import bury

FILE = "keyring.json"
Row = dict[str, Any]


class KeyStore:
    """One keyring and its file. `unsaved`: the disk refused the last change, so nobody may be told of it."""

    def __init__(self, config: AggregatorConfig) -> None:
        """Read the keyring of the data folder and adopt the keys of the configuration.

        Raises: KeyFileError, OSError.
        """
        self._config = config
        self.folder = config.city.data_dir
        self._path = self.folder / FILE
        config.city.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.audit = AuditLog(config.city.data_dir, name=config.city.id, witness=config.audit.witness)
        self.ring = read_keyring(self._path)
        self.ring.grace_us = round(config.keys.grace_s * 1e6)
        self.unsaved = False
        self.saved_us = wall_us()
        self._who = ""
        self._ticked_us = boottime_us()
        self.changed: Callable[[list[Row]], None] = lambda events: None
        self.older = ""
        self._adopt()

    def tick(self) -> None:
        """Tell the keyring the time: the wall clock, but never slower than real time.

        A wall clock that was ahead and was set right would else stand still in there, and tokens would not lapse.
        """
        now_us = boottime_us()
        self.ring.tick(max(wall_us(), self.ring.now_us + now_us - self._ticked_us))
        self._ticked_us = now_us

    def _adopt(self) -> None:
        """Take the keys that the configuration names, but none that the audit log knows to be dead."""
        self.tick()
        named = [(edge.id, edge.public_file) for edge in self._config.edges if edge.public_file is not None]
        keys = [(edge, path, read_curve_key(path)) for edge, path in named]
        self.older = bury(self.ring, self._config.city.data_dir, [_name(path, key) for _, path, key in keys])
        for edge, path, key in keys:
            try:
                self.ring.adopt(edge, key)
            except KeyringError as error:
                raise KeyFileError(f"{path}: {error}") from error
        self.settle()

    def settle(self, *, must: bool = False) -> None:
        """Make what changed durable; `changed` hears of it before the disk does.

        Raises: OSError if it `must` be durable and is not.
        """
        events = self.ring.take_events()
        if not events and not self.unsaved:
            return
        self.changed(events)
        self._tell(events)
        if must:
            self.save()
        else:
            self.save_quietly()

    def _tell(self, events: list[Row]) -> None:
        rows = [{**row, "who": self._who} for row in events] if self._who else events
        self._who = ""
        try:
            self.audit.write(rows)
        except OSError:
            self.audit.note(rows)

    def save(self) -> None:
        """Write the keyring. Raises: OSError."""
        self.unsaved = True  # until it returns
        replace_summed(self._path, self.ring.to_map())
        self.unsaved, self.saved_us = False, wall_us()

    def save_quietly(self) -> None:
        """Write the keyring; what fails stays `unsaved` and is tried again with the next `settle`."""
        with contextlib.suppress(OSError):
            self.save()

    def open_token(self, edge: str, life_s: float, who: str = "") -> Row:
        """Return {edge, token, lapses_utc_us} of a new token, which `who` asked for. Raises: KeyringError, OSError."""
        if self._config.enrol is None:
            raise KeyringError("no_endpoint", "aggregator.toml has no [enrol] section for nodes to come to")
        token_id, secret = secrets.token_bytes(tokens.ID_BYTES), secrets.token_bytes(tokens.SECRET_BYTES)
        server = raw_key(read_curve_key(self._config.listen.public_file))
        self.tick()
        token = self.ring.open_token(edge, round(life_s * 1e6), token_id, secret)
        self._who = who
        self.settle(must=True)
        text = TokenText(edge, self._config.enrol.advertised, server, token_id, secret, token.lapses_us // 1_000_000)
        return {"edge": edge, "token": token_text(text), "lapses_utc_us": token.lapses_us}

    def revoke(self, edge: str, start: str = "", who: str = "") -> list[str]:
        """Kill the keys of an edge that begin with `start`; return the fingerprints. `settle` must follow.

        Raises: KeyringError.
        """
        self.tick()
        found = self.ring.revoke(edge, start)
        self._who = who
        return found

    def rows(self) -> Row:
        """Return what `city keys list` shows: {keys[], dead[], tokens[]}; nothing in it is secret."""
        self.tick()
        ring = self.ring
        return {
            "keys": [{"fingerprint": name, **_key_row(vars(key))} for name, key in ring.keys.items()],
            "dead": [{"fingerprint": name, **_dead_row(dead)} for name, dead in ring.dead.items()],
            "tokens": [
                {"edge": token.edge, "lapses_utc_us": token.lapses_us, "used_by": token.used_by or None}
                for token in ring.tokens.by_id.values()
            ],
        }

    def close(self) -> None:
        """Keep when keys were last used, and close the log."""
        self.save_quietly()
        self.audit.close()


def _name(path: Path, key: bytes) -> str:
    try:
        return fingerprint(raw_key(key))
    except ValueError as error:
        raise KeyFileError(f"{path}: {error}") from error


def _key_row(key: Row) -> Row:
    times = {f"{name}_utc_us": key[f"{name}_us"] or None for name in ("since", "used", "retire")}
    reflex = fingerprint(bytes.fromhex(key["reflex"])) if key["reflex"] else ""
    return {**{name: key[name] for name in ("edge", "slot", "origin", "by")}, "reflex": reflex, **times}


def _dead_row(dead: Dead) -> Row:
    return {"edge": dead.edge, "reason": dead.reason, "since_utc_us": dead.at_us, "by": dead.by}


def identity(config: AggregatorConfig) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the public keys that a node has to know: the city's CURVE keys and its Ed25519 keys, raw, present first.

    Raises: KeyFileError, SignerError.
    """
    curve = read_slots(config.listen.public_file, read_curve_key)
    return tuple(raw_key(key) for key in curve), verify_keys(config)


def read_keyring(path: Path) -> Keyring:
    """Return the keyring in a file, an empty one if there is none. Raises: KeyFileError."""
    try:
        return from_map(read_summed(path))
    except FileNotFoundError:
        return Keyring()
    except (OSError, ValueError) as error:
        raise KeyFileError(
            f"{path}: cannot be read: {error}; bring it back from a backup, or move it away and enroll every node anew"
        ) from error

