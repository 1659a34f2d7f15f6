"""How often things that carry no news repeat in the simulation, and how long silence is tolerated with that.

A virtual hour has to fit into some seconds, and at the product's own pace nine tenths of its events would be
heartbeats, clock requests and status lines. So chatter, and the silences that are judged by it, are forty times
slower here. What protects something keeps its own time: deadlines, resends, start windows, saves, commits.
`PACE=product` leaves the product as it is.
"""

import importlib

SLOW = {
    "edge_node.city.side": {"HEARTBEAT_US": 20_000_000, "GAPS_AGAIN_US": 20_000_000},
    "edge_node.city.presence": {"SILENT_US": 60_000_000, "RENEW_US": 60_000_000},
    "edge_node.city.pacing": {"RESEND_US": 10_000_000},
    "edge_node.journal.keeper": {"IDLE_US": 60_000_000},
    "edge_node.boards.session": {
        "HELLO_EVERY_US": 4_000_000, "SYNC_EVERY_US": 28_000_000, "QUIET_US": 45_000_000, "DOWN_US": 90_000_000,
    },
    "edge_node.clocks.clocks": {"REVIEW_US": 120_000_000},
    "edge_node.reaction.following": {"RENEW_US": 18_000_000},
    "aggregator.city": {"HEARTBEAT_US": 20_000_000},
    "aggregator.ledger.watch": {"ROUND_US": 40_000_000},
    "aggregator.turns": {"FREEZE_US": 120_000_000},
    "aggregator.link.sessions": {"SILENT_US": 70_000_000, "STALE_US": 45_000_000},
    "aggregator.tasks.dispatch": {"LEASE_REQUEST_US": 25_000_000},
    "firmware.core.link": {"SILENCE_MS": 90_000},
    "firmware.core.losses": {"REPEAT_MS": 8_000},
}  # fmt: skip
STATUS_MS = 40_000
BOARD_LEASE_MS = 45_000
CITY_LEASE_MS = 70_000


def apply() -> None:
    """Set the slow pace. Raises: AttributeError when the product has no such constant any more."""
    for name, values in SLOW.items():
        module = importlib.import_module(name)
        for constant, value in values.items():
            getattr(module, constant)
            setattr(module, constant, value)
