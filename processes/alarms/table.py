"""The one table of an alarm's life after ISA-18.2 (IEC 62682), and the diagram it draws of itself.

    python -m processes.alarms.table docs/alarms.md      # puts the diagram between the marks of the page

A pair of state and event that has no row does nothing: to acknowledge what is normal is no fault.
"""

import sys
from pathlib import Path
from typing import NamedTuple

NORMAL = "normal"
UNACK = "unacknowledged"
ACK = "acknowledged"
RETURNED = "returned"
SHELVED = "shelved"
SUPPRESSED = "suppressed"
OUT = "out_of_service"
STATES = {
    NORMAL: "the condition does not hold, nobody has to know",
    UNACK: "the condition holds, nobody has said that they know",
    ACK: "the condition holds, somebody knows",
    RETURNED: "the condition held and is gone, nobody has said that they know",
    SHELVED: "somebody silenced it, with a reason and an end",
    SUPPRESSED: "by design: another alarm holds that makes this one pointless",
    OUT: "the process file takes it out of service, with a reason",
}
ACTIVE = (UNACK, ACK)


class Transition(NamedTuple):
    """One row: from `state` by `event` to `then`; `holds`: only if the condition does (True) or does not (False)."""

    state: str
    event: str
    then: str
    holds: bool | None = None


_HEARD = (NORMAL, UNACK, ACK, RETURNED)
TABLE = (
    Transition(NORMAL, "raise", UNACK),
    Transition(RETURNED, "raise", UNACK),
    Transition(UNACK, "return", RETURNED),
    Transition(ACK, "return", NORMAL),
    Transition(UNACK, "ack", ACK),
    Transition(RETURNED, "ack", NORMAL),
    *(Transition(state, "shelve", SHELVED) for state in (*_HEARD, SHELVED)),
    Transition(SHELVED, "unshelve", UNACK, True),
    Transition(SHELVED, "unshelve", NORMAL, False),
    *(Transition(state, "suppress", SUPPRESSED) for state in _HEARD),
    Transition(SUPPRESSED, "unsuppress", UNACK, True),
    Transition(SUPPRESSED, "unsuppress", NORMAL, False),
    *(Transition(state, "remove", OUT) for state in (*_HEARD, SHELVED, SUPPRESSED)),
    Transition(OUT, "restore", UNACK, True),
    Transition(OUT, "restore", NORMAL, False),
)
_BEGIN, _END = "<!-- drawn: python -m processes.alarms.table docs/alarms.md -->", "<!-- end of what is drawn -->"


def follow(state: str, event: str, holds: bool) -> str | None:
    """Return the state after an event, None if the table has no such row."""
    rows = (row for row in TABLE if (row.state, row.event) == (state, event))
    return next((row.then for row in rows if row.holds in (None, holds)), None)


def drawing() -> str:
    """Return the table as a Mermaid state diagram and a list of its states, in Markdown."""
    words = {True: " [holds]", False: " [does not hold]", None: ""}
    rows = [f"    {row.state} --> {row.then}: {row.event}{words[row.holds]}" for row in TABLE]
    states = [f"| `{state}` | {text} |" for state, text in STATES.items()]
    diagram = ["```mermaid", "stateDiagram-v2", f"    [*] --> {NORMAL}", *rows, "```"]
    return "\n".join(["| state | what it says |", "|---|---|", *states, "", *diagram])


def put_into(page: str) -> str:
    """Return a page with the drawing between its marks. Raises: ValueError for a page without them."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has no marks for the drawing: put {_BEGIN!r} and {_END!r} into it")
    return f"{before}{_BEGIN}\n{drawing()}\n{_END}{after}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(put_into(target.read_text(encoding="utf-8")), encoding="utf-8")
