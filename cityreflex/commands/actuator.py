"""`city actuator`: what can be moved, what stands still, and who may let it go on. See docs/tasks.md."""

import rich_click as click

from cityreflex.commands import task_text, terminal
from cityreflex.commands.options import json_option, together, where_options
from cityreflex.commands.task import wait_option
from cityreflex.task_desk import TaskDesk
from cityreflex.where import Where

reason_option = click.option("--reason", required=True, help="Why, 3 characters or more; it stays in the audit logs.")
name_argument = click.argument("name", metavar="THING/NAME")
latch_options = together(name_argument, reason_option, wait_option, where_options, json_option)


@click.group()
def actuator() -> None:
    """List actuators, trip and reset them. See docs/tasks.md.

    Example: city actuator list
    """


@actuator.command("list")
@where_options
@json_option
def list_(where: Where, as_json: bool) -> None:
    """Show every actuator: limits, risk, who holds it, and what keeps it from moving.

    Example: city actuator list --json
    """
    found = TaskDesk(where).actuators()
    none = "no actuator is known yet: are boards linked? city status"
    terminal.tell_each(found, as_json, task_text.actuator, none)


@actuator.command()
@latch_options
def trip(where: Where, name: str, reason: str, wait_s: float, as_json: bool) -> None:
    """Send an actuator to its safe state, and let nothing move it until somebody resets it.

    Example: city actuator trip gate-1/opening --reason "a boat in the gate"
    """
    _latch(where, name, "trip", reason, wait_s, as_json)


@actuator.command()
@latch_options
def reset(where: Where, name: str, reason: str, wait_s: float, as_json: bool) -> None:
    """Let an actuator move again. Look at it before.

    Example: city actuator reset gate-1/opening --reason "the boat is gone"
    """
    _latch(where, name, "reset", reason, wait_s, as_json)


def _latch(where: Where, name: str, what: str, reason: str, wait_s: float, as_json: bool) -> None:
    row = TaskDesk(where).ask(f"actuators/{name}/{what}", {"reason": reason}, wait_s)
    terminal.tell(row, as_json, task_text.outcome)
