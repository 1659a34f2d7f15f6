"""What boards refuse, from the counters in their status, into the one place where a node counts refusals. Pure.

A board has no room for reasons and senders: it counts commands with a wrong HMAC (`unsigned`), all that it refused
(`refused`, those included), and what was no command at all (`bad`, `oversize`). The first status of a boot that this
node hears brings what was refused before.
"""

from collections.abc import Mapping

from protocol.board_link import Status
from service.refusals import Refusals

UNSIGNED = "board_unsigned"
REFUSED = "board_refused"
MALFORMED = "board_malformed"
OVERSIZE = "board_oversize"
_TEXTS = {
    UNSIGNED: "commands with a wrong HMAC: who else writes to this wire, or is its key another one?",
    REFUSED: "commands under an old nonce or counter, late, out of range, or for what is not there",
    MALFORMED: "frames that are no command",
    OVERSIZE: "frames longer than a command may be",
}


def note(refused: Refusals, thing: str, old: Status | None, new: Status, now_us: int) -> None:
    """Count what the board refused between two of its statuses."""
    before = counts(old.counters) if old is not None and old.boot == new.boot else dict.fromkeys(_TEXTS, 0)
    for reason, count in counts(new.counters).items():
        if count > before[reason]:
            refused.note(reason, thing, _TEXTS[reason], now_us, count - before[reason])


def counts(counters: Mapping[str, int]) -> dict[str, int]:
    """Return how often the board refused, by reason, since its start."""
    unsigned = counters.get("unsigned", 0)
    return {
        UNSIGNED: unsigned,
        REFUSED: counters.get("refused", 0) - unsigned,
        MALFORMED: counters.get("bad", 0),
        OVERSIZE: counters.get("oversize", 0),
    }
