"""When faults have stopped: is everything at rest, and does every sample and every task have its end?"""

from typing import Any

from aggregator.ledger.view import account_rows
from protocol import task_codes as codes

from .world import Violation


def at_rest(sim: Any) -> str:
    """Return what is not at rest yet, "" if nothing."""
    if not sim.city.alive:
        return "the city is down"
    for name, edge in sim.edges.items():
        found = _edge(name, edge)
        if found:
            return found
    for thing, board in sim.boards.items():
        found = _board(thing, board)
        if found:
            return found
    rows = ledger(sim)
    for row in rows:
        if row["unexplained"]:
            return f"ledger: {row['thing']} {row['boot']} has unexplained {row['unexplained_ranges']}"
    open_tasks = sim.city.core.dispatcher.book.open_records()
    stale = [t for t in open_tasks if sim.city.now() > t.deadline_us + 120_000_000]
    if stale:
        return f"task {stale[0].task.task_id.hex()} is {codes.STATES[stale[0].state]} at the city"
    return ""


def _edge(name: str, edge: Any) -> str:
    if not edge.alive:
        return f"{name} is down"
    core = edge.core
    if not core.uplink.connected:
        return f"{name} is not connected"
    if core.journal.pending_batches:
        return f"{name} has {core.journal.pending_batches} batches for the city"
    if core.journal.streams.unreconciled():
        return f"{name} has streams that are not reconciled"
    if core.journal.gaps:
        return f"{name} has {len(core.journal.gaps)} gaps for the city"
    return ""


def _board(thing: str, board: Any) -> str:
    node = board.node
    if node is None:
        return f"{thing} is off"
    if node.link.mode == 0:
        return f"{thing} has no link"
    if node.ring.head != node.ring.tail:
        return f"{thing} keeps {node.ring.tail}..{node.ring.head}"
    if node.boot.gaps or node.link.losses.overflows or node.ring.lost_to > node.ring.lost_from:
        return f"{thing} has losses that nobody acked"
    return ""


def ledger(sim: Any) -> list[dict[str, Any]]:
    """Return the city's own accounts."""
    core = sim.city.core
    return account_rows(core.ingest, core.accounts, {})


def final_check(sim: Any) -> None:
    """Count every sample by what really happened, and compare with what the product says. Raises: Violation."""
    oracle = sim.oracle
    rows = {(row["thing"], row["boot"]): row for row in ledger(sim)}
    for key, stream in oracle.streams.items():
        if key[1].endswith("again"):
            continue
        for seq in range(stream.n):
            known = stream.has("city_durable", seq) or stream.has("declared_city", seq) or stream.has("aside", seq)
            if not known:
                raise Violation("unexplained", f"{key[0]} {key[1]}: {seq} of {stream.n} is neither stored nor declared")
        row = rows.get(key)
        if row is not None and row["stored"] != stream.count("city_durable"):
            text = f"{key}: the ledger says {row['stored']} stored, it is {stream.count('city_durable')}"
            raise Violation("ledger", text)
        if row is None and stream.count("city_durable"):
            raise Violation("ledger", f"{key}: stored, and not in the ledger")
    _check_content(sim)
    oracle.acting.final(sim)
    if sim.city.core.ingest.conflicts:
        raise Violation("alarm", f"{sim.city.core.ingest.conflicts} conflicts, and no content ever differed")
    for name, edge in sim.edges.items():
        if edge.core.journal.conflicts:
            raise Violation("alarm", f"{name}: {edge.core.journal.conflicts} conflicts, and no content ever differed")


def _check_content(sim: Any) -> None:
    """Read the whole store once more, as a reader does."""
    connection = sim.city.drive.connect(sim.city.store.committer.path)
    query = (
        "SELECT f.thing, f.boot, f.first, f.n, substr(b.data, f.at + 1, f.n * 12)"
        " FROM frames f JOIN blobs b USING (commit_no)"
    )
    for thing, boot, first, n, records in connection.execute(query):
        if bytes(records) != sim.oracle.of(thing, boot, "store").records(first, first + n):
            raise Violation("content", f"the store's {thing} {boot} {first}+{n} is not what was acquired")
