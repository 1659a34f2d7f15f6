"""What the guard wants done: effects that the shell (`reaction.py`) carries out in their order."""

from typing import NamedTuple, TypeAlias

from protocol.city_link import LeaseState, TaskReport

from .task_entry import TaskEntry


class Save(NamedTuple):
    """Keep the entry; if `intent`, call `intent_saved` once it is durable."""

    entry: TaskEntry
    intent: bool


class DoTask(NamedTuple):
    """Send the task to its board for the first time; `lease_ms` is the board's own lease."""

    entry: TaskEntry
    number: int
    lease_ms: int


class DoAgain(NamedTuple):
    """Send the very same bytes of the task again."""

    entry: TaskEntry


class Renew(NamedTuple):
    """Renew the board's lease of an actuator; 0 sends it to its safe state."""

    thing: str
    number: int
    lease_ms: int


class Latch(NamedTuple):
    """Keep over restarts that `name` (an actuator, or LOCAL) is tripped or stopped, and why; "" ends it.

    `after`: what may be told, to the city or a board, once that is durable.
    """

    name: str
    text: str
    after: tuple[TaskReport | Renew, ...] = ()


Effect: TypeAlias = Save | DoTask | DoAgain | Renew | Latch | TaskReport | LeaseState
LOCAL = ""
"""The name under which a stop of the whole node is latched."""
