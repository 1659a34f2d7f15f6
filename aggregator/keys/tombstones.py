"""Which keys are dead according to the audit log, should keyring.json be an older copy, or gone.

The keyring is one file, and a file can be put back as it was. The log beside it is only ever appended; what it says
died stays dead. Keys that a node rotated away by itself are thousands: of these only such count that would live again.
"""

from collections.abc import Collection
from pathlib import Path

from service import audit

from .keyring import Dead, Keyring

_REASONS = ("revoked", "retired", "replaced")


def tombstones(folder: Path) -> dict[str, Dead]:
    """Return the keys that the audit log of a data folder knows to be dead, by fingerprint."""
    found: dict[str, Dead] = {}
    for row in audit.read(folder):
        event = str(row.get("event", ""))
        reason = str(row.get("reason", "")) if event == "key_buried" else event.removeprefix("key_")
        if event.startswith("key_") and reason in _REASONS and row.get("key") and row.get("edge"):
            found.setdefault(str(row["key"]), Dead(str(row["edge"]), reason, int(row["utc_us"])))
    return found


def bury(ring: Keyring, folder: Path, named: Collection[str]) -> str:
    """Let no key live again that the log knows to be dead; return what people have to know, "" if nothing.

    `named`: fingerprints of the keys that the configuration names, which a keyring would adopt.
    """
    late = {
        name: dead
        for name, dead in tombstones(folder).items()
        if name not in ring.dead and (dead.reason == "revoked" or name in ring.keys or name in named)
    }
    for name, dead in late.items():
        ring.bury(name, dead)
    if not late:
        return ""
    edges = ", ".join(sorted({dead.edge for dead in late.values()}))
    return (
        f"keyring.json is older than audit.jsonl, or was gone: {len(late)} keys of {edges} that died since stay dead; "
        "look at `city keys list`, and enroll each node anew that is refused"
    )
