"""Draws the table of task states: `python -m protocol.task_diagram` prints what docs/tasks.md holds. CPython."""

from .task_codes import STATES, TRANSITIONS, is_final

BEGIN, END = "<!-- drawn by python -m protocol.task_diagram -->", "<!-- end of drawing -->"
_ORDER = (
    "proposed", "waiting", "authorised", "selected", "dispatched", "accepted", "acting", "done", "observed",
    "unknown", "failed", "refused", "expired", "superseded", "cancelled",
)  # fmt: skip


def ordered() -> list[int]:
    """Return all states in the order of a life: the way that leads to an effect first, then the other ends."""
    by_name = {name: state for state, name in STATES.items()}
    return [by_name.pop(name) for name in _ORDER] + sorted(by_name.values())


def matrix() -> str:
    """Return the table as text, a row for each state that something can follow; x: may become, . never."""
    states = ordered()
    columns = states[1:]
    wide = max(map(len, STATES.values()))
    heads = [STATES[state].rjust(wide) for state in columns]
    lines = [" " * wide + "  " + " ".join(head[row] for head in heads).rstrip() for row in range(wide)]
    for state in states:
        if not is_final(state):
            marks = " ".join("x" if new in TRANSITIONS[state] else "." for new in columns)
            lines.append(f"{STATES[state].ljust(wide)}  {marks}")
    return "\n".join(lines)


def mermaid() -> str:
    """Return the table as a mermaid state diagram: an arrow for each transition."""
    states = ordered()
    lines = ["stateDiagram-v2", f"    [*] --> {STATES[states[0]]}"]
    for state in states:
        lines += [f"    {STATES[state]} --> {STATES[new]}" for new in states if new in TRANSITIONS[state]]
    lines += [f"    {STATES[state]} --> [*]" for state in states if is_final(state)]
    return "\n".join(lines)


def drawing() -> str:
    """Return the block that docs/tasks.md holds, marks included."""
    parts = (BEGIN, "```text", matrix(), "```", "```mermaid", mermaid(), "```", END)
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(drawing(), end="")
