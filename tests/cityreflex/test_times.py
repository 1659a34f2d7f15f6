"""All commands take times in the same way."""

from datetime import UTC, datetime
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cityreflex.cli import city
from cityreflex.commands.options import iso_time, utc_us

NOW = datetime(2026, 3, 1, 12, 34, 56, 789, UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-01T12:34:56Z"), ("today", "2026-03-01T00:00:00Z"), (" yesterday ", "2026-02-28T00:00:00Z"),
        ("90s", "2026-03-01T12:33:26Z"), ("90m", "2026-03-01T11:04:56Z"), ("2h", "2026-03-01T10:34:56Z"),
        ("3d", "2026-02-26T12:34:56Z"), ("2012-09-24T06:00", "2012-09-24T06:00"), ("20120924", "20120924"),
    ],
)  # fmt: skip
def test_words_and_spans_are_counted_from_now_in_utc(text: str, expected: str) -> None:
    assert iso_time(text, NOW) == expected
    assert utc_us(expected, 0) % 1_000_000 == 0


@pytest.mark.parametrize("text", ["", "h", "-2h", "2 h", "1.5h", "tomorrow", "2w", "9" * 30 + "d", "\u00b2h"])
def test_what_is_no_time_is_none(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        iso_time(text, NOW)


def commands(group: Any, path: tuple[str, ...] = ()) -> Any:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


TIMED = [(path, one.opts[0]) for path, command in commands(city) for one in command.params if one.metavar == "TIME"]


def test_there_are_commands_that_take_times() -> None:
    named = {path[0] for path, _ in TIMED}
    assert len(TIMED) >= 14 and named == {"audit", "demo", "process", "replay", "report", "sim"}


@pytest.mark.parametrize(("path", "flag"), TIMED, ids=lambda one: one if isinstance(one, str) else " ".join(one))
def test_each_says_how_a_time_is_written(path: tuple[str, ...], flag: str) -> None:
    done = CliRunner().invoke(city, [*path, flag, "last week"])
    assert done.exit_code == 2
    told = " ".join(done.output.replace("\u2502", " ").split())
    assert "found 'last week'; expected ISO 8601 in UTC such as 2026-03-01T06:00, now, today, yesterday" in told
