"""Finds the command of a line, ends its reply with ok or err. Both VMs."""

from firmware.core.console import borrow

PLACES = (
    ("about", "help"),
    ("look", "id status get"),
    ("sense", "watch"),
    ("scan", "scan"),
    ("selftest", "selftest"),
    ("calibrate", "cal"),
    ("change", "set"),
    ("keep", "diff commit revert"),
    ("look", "link clock log report"),
    ("act", "outputs reboot"),
)


def names() -> list:  # type: ignore[type-arg]
    """Return the names of all commands."""
    return " ".join([commands for _, commands in PLACES]).split()


def run(console, editor, line: str):  # type: ignore[no-untyped-def]
    """Yield the reply to a line, a line of at most 79 columns at a time, "" for none yet."""
    sensors = console.node.sensors
    late = sensors.late()
    words = line.split()
    try:
        if not line:
            raise ValueError("E-LONG found more than 80 characters; expected fewer; type it again")
        yield ""  # code is loaded in a turn of its own
        reply = command(words[0])(console, editor, words[1:])
        yield ""
        yield from reply
        end = "ok"
    except Exception as error:
        end = "err " + str(error)
        if not end.startswith("err E-"):
            end = "err E-FAULT found %s; expected no fault; tell support, with a report" % repr(error)
    if sensors.late() > late:
        yield "note     %d sensor periods had no turn meanwhile" % (sensors.late() - late)
    yield from fold(end)


def command(name: str):  # type: ignore[no-untyped-def]
    """Return the function of a command. Raises: ValueError."""
    for place, commands in PLACES:
        if name in commands.split():
            return getattr(borrow(place), name)
    raise ValueError("E-COMMAND found %s; expected a command; try help" % name)


def fold(text: str):  # type: ignore[no-untyped-def]
    """Yield text in lines of at most 79 columns, broken between words."""
    line = None
    for word in text.split(" "):
        if line and len(line) + len(word) >= 79:
            yield line
            line = " "
        line = word if line is None else line + " " + word
    yield line
