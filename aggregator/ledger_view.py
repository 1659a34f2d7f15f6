"""The sample ledger as the city sees it: what the edges account for against what is stored here.

An account is as old as the edge's last heartbeat: what came since is in the store but beyond `sent`, and
sets are cut to [0, sent), so a live balance is never wrong by what is on its way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from protocol import ledger
from protocol.ranges import Ranges

from .errors import PeerError
from .ingest import Ingest, Key

_FIELDS = ("sent", "stored", "buffered", "declared_lost", "quarantined", "unexplained")


@dataclass
class Reported:
    """What an edge last said of one (thing, boot): samples sent, what is not in the city's hands yet."""

    edge: str
    sent: int
    buffered: list[tuple[int, int]]
    quarantined: list[tuple[int, int]]
    at_utc_us: int


@dataclass
class Accounts:
    """The newest account per (thing, boot), and which changed since they were last saved."""

    by_key: dict[Key, Reported] = field(default_factory=dict)
    _changed: set[Key] = field(default_factory=set)

    def take(self, edge: str, rows: Iterable[Mapping[str, Any]], now_utc_us: int) -> None:
        """Take the accounts of a heartbeat in. Raises: PeerError for a malformed one."""
        for row in rows:
            key, account = _account(edge, row, now_utc_us)
            old = self.by_key.get(key)
            self.by_key[key] = account
            if old is None or (old.sent, old.buffered) != (account.sent, account.buffered):
                self._changed.add(key)

    def take_changed(self) -> dict[Key, Reported]:
        """Return what must be saved with the next commit."""
        changed, self._changed = self._changed, set()
        return {key: self.by_key[key] for key in changed}

    def unsaved(self, keys: Iterable[Key]) -> None:
        """Note that these accounts could not be saved after all."""
        self._changed |= set(keys)


def _account(edge: str, row: Mapping[str, Any], now_utc_us: int) -> tuple[Key, Reported]:
    try:
        buffered, aside = _spans(row["buffered"]), _spans(row.get("quarantined", ()))
        key, sent = (str(row["thing"]), str(row["boot"])), int(row["sent"])
    except (KeyError, TypeError, ValueError) as error:
        raise PeerError("account", f"account of {edge}: {error!r}") from error
    return key, Reported(edge, sent, buffered, aside, now_utc_us)


def _spans(pairs: Iterable[Iterable[int]]) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in pairs]


def account_rows(ingest: Ingest, accounts: Accounts, offline: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """Return one row per (thing, boot). `offline`: edge id to since when (event time) it is silent."""
    keys = sorted(set(ingest.stored) | set(ingest.lost) | set(accounts.by_key))
    return [_row(key, ingest, accounts.by_key.get(key), offline) for key in keys]


def _row(key: Key, ingest: Ingest, reported: Reported | None, offline: Mapping[str, int | None]) -> dict[str, Any]:
    stored, lost = ingest.stored.get(key, Ranges()), ingest.lost.get(key, Ranges())
    sent = max(reported.sent if reported else 0, _unbroken(stored))
    buffered = Ranges(reported.buffered if reported else ())
    aside = Ranges(reported.quarantined if reported else ()).union(ingest.quarantined.get(key, Ranges()))
    account = ledger.balance(*key, sent, stored, buffered, lost, aside)
    return {
        "thing": key[0],
        "boot": key[1],
        **{name: getattr(account, name) for name in _FIELDS},
        "unexplained_ranges": [list(span) for span in account.unexplained_ranges],
        "edge": reported.edge if reported else None,
        "reported_utc_us": reported.at_utc_us if reported else None,
        "offline_since_utc_us": offline.get(reported.edge) if reported else None,
    }


def _unbroken(stored: Ranges) -> int:
    """Return the end of what is stored without a hole from 0: so much was sent, whoever accounts for it.

    Losses do not count: a board that lost power declares the whole block of numbers it had reserved."""
    spans = stored.to_list()
    return spans[0][1] if spans and spans[0][0] == 0 else 0


def ledger_table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return /ledger: the accounts, their totals, and whether nothing is unexplained."""
    totals = {name: sum(row[name] for row in rows) for name in _FIELDS}
    return {"accounts": rows, "totals": totals, "balanced": totals["unexplained"] == 0}
