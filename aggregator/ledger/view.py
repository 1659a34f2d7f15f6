"""The sample ledger as the city sees it: what the edges account for against what is stored here.

An account is as old as the edge's last heartbeat: what came since is in the store but beyond `sent`, and
sets are cut to [0, sent), so a live balance is never wrong by what is on its way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from protocol import ledger
from protocol.ranges import Ranges

from ..errors import PeerError
from ..ingest import Ingest, Key
from ..link.sessions import CITY, Sessions
from ..tasks.dispatch import Now
from .watch import LedgerWatch, state_of

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
            account.sent = max(account.sent, old.sent if old else 0)  # what was sent once was sent, whoever forgot it
            self.by_key[key] = account
            if old is None or replace(old, at_utc_us=now_utc_us) != account:
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


def known_keys(ingest: Ingest, accounts: Accounts) -> set[Key]:
    """Return the streams that anybody has samples, losses or an account of."""
    return set(ingest.stored) | set(ingest.lost) | set(accounts.by_key)


def balance_of(key: Key, ingest: Ingest, reported: Reported | None) -> ledger.Account:
    """Return the balance of one stream now."""
    stored, lost = ingest.stored.get(key, Ranges()), ingest.lost.get(key, Ranges())
    sent = max(reported.sent if reported else 0, _unbroken(stored))
    buffered = Ranges(reported.buffered if reported else ())
    aside = Ranges(reported.quarantined if reported else ()).union(ingest.quarantined.get(key, Ranges()))
    return ledger.balance(*key, sent, stored, buffered, lost, aside)


def look(watch: LedgerWatch, key: Key, account: ledger.Account, offline: bool, now_utc_us: int) -> tuple[str, int]:
    """Return (state, since when) of a stream, noting a change."""
    state = state_of(account.unexplained, account.buffered, offline)
    return state, watch.seen(key, state, now_utc_us)


def look_round(watch: LedgerWatch, ingest: Ingest, accounts: Accounts, sessions: Sessions, now: Now) -> None:
    """Note since when streams are in their state, a few of them each time."""
    for key in watch.due(now.us, accounts.by_key):
        reported = accounts.by_key[key]
        session = sessions.by_edge.get(reported.edge)
        offline = reported.edge != CITY and (session is None or session.silent(now.us))
        look(watch, key, balance_of(key, ingest, reported), offline, now.utc_us)


def account_rows(
    ingest: Ingest, accounts: Accounts, offline: Mapping[str, int | None], watch: LedgerWatch | None = None,
    now_utc_us: int = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return one row per (thing, boot). `offline`: edge id to since when (event time) it is silent.

    Without a `watch` each state began at `now_utc_us`."""
    keys, watch = sorted(known_keys(ingest, accounts)), watch or LedgerWatch()
    return [_row(key, ingest, accounts.by_key.get(key), offline, watch, now_utc_us) for key in keys]


def _row(
    key: Key, ingest: Ingest, reported: Reported | None, offline: Mapping[str, int | None], watch: LedgerWatch,
    now_utc_us: int,
) -> dict[str, Any]:  # fmt: skip
    account = balance_of(key, ingest, reported)
    edge = reported.edge if reported else None
    state, since_us = look(watch, key, account, edge in offline, now_utc_us)
    times = {
        "since": since_us,
        "unexplained_since": since_us if account.unexplained else None,
        "reported": reported.at_utc_us if reported else None,
        "offline_since": offline.get(edge) if edge else None,
    }
    return {
        "thing": key[0],
        "boot": key[1],
        **{name: getattr(account, name) for name in _FIELDS},
        "unexplained_ranges": [list(span) for span in account.unexplained_ranges],
        "edge": edge,
        "state": state,
        **{f"{name}_utc_us": us for name, us in times.items()},
        **{name: iso(us) for name, us in times.items()},
    }


def iso(utc_us: int | None) -> str | None:
    """Return an event time as ISO 8601 text in whole seconds, UTC."""
    return None if utc_us is None else f"{datetime.fromtimestamp(utc_us / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _unbroken(stored: Ranges) -> int:
    """Return the end of what is stored without a hole from 0: so much was sent, whoever accounts for it.

    Losses do not count: a board that lost power declares the whole block of numbers it had reserved."""
    spans = stored.to_list()
    return spans[0][1] if spans and spans[0][0] == 0 else 0


def ledger_table(rows: list[dict[str, Any]], conflicts: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return /ledger: the accounts, their totals, what contradicts, and whether nothing is unexplained."""
    totals = {name: sum(row[name] for row in rows) for name in _FIELDS}
    return {"accounts": rows, "totals": totals, "balanced": totals["unexplained"] == 0, "conflicts": [*conflicts]}
