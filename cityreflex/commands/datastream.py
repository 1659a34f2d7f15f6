"""`city datastream`: what is measured and what can be moved, with the property and unit that ports ask for."""

import json

import rich_click as click

from cityreflex import known_streams
from cityreflex.commands import terminal
from cityreflex.commands.options import json_option, where_options
from cityreflex.where import Where
from processes.fitting import Stream


@click.group()
def datastream() -> None:
    """List datastreams and actuators. What processes do with them: docs/processes.md.

    Example: city datastream list
    """


@datastream.command("list")
@click.argument("pattern", default="*")
@where_options
@json_option
def list_(where: Where, pattern: str, as_json: bool) -> None:
    """Show datastreams and actuators of the Things that fit PATTERN, with property and unit.

    They are those of the running city, else those of the boards in the run directory.

    Example: city datastream list 'river-*'
    """
    senses, responds = ([one for one in some if one.of([pattern])] for some in known_streams.find(where))
    if as_json:
        click.echo(json.dumps([_row(one, "sense") for one in senses] + [_row(one, "respond") for one in responds]))
        return
    for one in (*senses, *responds):
        click.echo("\n".join(terminal.harmless(_lines(one, acts=one in responds))))
    if not senses and not responds:
        click.echo(f"no datastream of {pattern}", err=True)


def _row(stream: Stream, role: str) -> dict[str, str | None]:
    return {"role": role, **stream._asdict()}


def _lines(stream: Stream, *, acts: bool) -> list[str]:
    """Return the name, and further in what it measures, or what shows its effect."""
    what = f"{stream.property} in {stream.unit}" if stream.property else "of no known property"
    if acts:
        what = f"actuator, shown by {stream.observe}: {what}" if stream.observe else "actuator without feedback"
    return [stream.name, f"  {what}"]
