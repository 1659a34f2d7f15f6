"""`city task`: ask for a setpoint, approve, take back, look. How a task lives is docs/tasks.md."""

import rich_click as click

from cityreflex.commands import task_text, terminal
from cityreflex.commands.options import json_option, seconds, where_options
from cityreflex.task_desk import TaskDesk
from cityreflex.where import Where

wait_option = click.option("--wait", "wait_s", callback=seconds, default="20s", show_default=True,
                           help="How long to follow it; 0s: do not.")  # fmt: skip


@click.group()
def task() -> None:
    """Request, approve, cancel, list and show tasks. Their life: docs/tasks.md.

    A refusal has exit code 7, and says its code and what to do next.

    Example: city task request gate-1/opening 0.5 --for 10m --reason "maintenance"
    """


@task.command()
@click.argument("actuator", metavar="THING/NAME")
@click.argument("setpoint", type=float)
@click.option("--for", "valid_s", callback=seconds, required=True, help="How long it holds, such as 90s, 15m or 2h.")
@click.option("--reason", required=True, help="Why, 3 characters or more; it stays in the audit logs.")
@wait_option
@where_options
@json_option
def request(
    where: Where, actuator: str, setpoint: float, valid_s: float, reason: str, wait_s: float, as_json: bool
) -> None:
    """Ask for a setpoint, in the actuator's unit. You outrank automation until it is over.

    Example: city task request gate-1/opening 0.5 --for 10m --reason "maintenance"
    """
    body = {"actuator": actuator, "setpoint": setpoint, "valid_s": valid_s, "reason": reason}
    terminal.tell(TaskDesk(where).ask("tasks", body, wait_s), as_json, task_text.outcome)


@task.command()
@click.argument("task_id", metavar="ID")
@wait_option
@where_options
@json_option
def approve(where: Where, task_id: str, wait_s: float, as_json: bool) -> None:
    """Stand behind what another person, or a process, asks for. ID: its first digits are enough.

    Example: city task approve 5ad01f
    """
    desk = TaskDesk(where)
    terminal.tell(desk.ask(f"tasks/{desk.whole(task_id)}/approve", {}, wait_s), as_json, task_text.outcome)


@task.command()
@click.argument("task_id", metavar="ID")
@click.option("--reason", default="", help="A remark for the audit logs.")
@wait_option
@where_options
@json_option
def cancel(where: Where, task_id: str, reason: str, wait_s: float, as_json: bool) -> None:
    """Take a task back: what it holds ends, the actuator goes to its safe state, automation may go on.

    Example: city task cancel 5ad01f --reason "done earlier"
    """
    terminal.tell(TaskDesk(where).cancelled(task_id, reason, wait_s), as_json, task_text.taken_back)


@task.command("list")
@click.option("--limit", default=20, show_default=True, help="How many, newest first.")
@click.option("--waiting", is_flag=True, help="Only what waits for approval.")
@where_options
@json_option
def list_(where: Where, limit: int, waiting: bool, as_json: bool) -> None:
    """Show the newest tasks, of people and of processes.

    Example: city task list --waiting
    """
    found = TaskDesk(where).tasks(1000 if waiting else limit)
    found = [row for row in found if row["state"] == "waiting"][:limit] if waiting else found
    none = "no task waits" if waiting else "there is no task yet"
    terminal.tell_each(found, as_json, task_text.line, none)


@task.command()
@click.argument("task_id", metavar="ID")
@where_options
@json_option
def show(where: Where, task_id: str, as_json: bool) -> None:
    """Show one task with all its states: who asked, who approved, when, and why it ended so.

    Example: city task show 5ad01f
    """
    found = TaskDesk(where).task(task_id)
    terminal.tell(found, as_json, task_text.whole)
