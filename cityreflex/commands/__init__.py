"""The subcommands of `city`, one file each, imported when its command is called for: all take many seconds on a Pi."""

from importlib import import_module

import rich_click as click

COMMANDS = (
    "actuator", "aggregator", "alarm", "audit", "backup", "config", "console", "datastream", "demo", "edge", "incident",
    "keys", "ledger", "login", "logout", "operator", "process", "replay", "report", "restore", "signer", "sim",
    "status", "task", "whoami",
)  # fmt: skip
_FILES = {"logout": "login", "whoami": "login"}


def load(name: str) -> click.Command:
    """Return a subcommand; imports its file."""
    command: click.Command = getattr(import_module(f"{__name__}.{_FILES.get(name, name)}"), name)
    return command
