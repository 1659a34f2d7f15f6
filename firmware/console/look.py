"""How the board is: id, status, get, link, clock, log, report. Both VMs."""

from protocol.frames import boot_text
from protocol.stamp import diff_ms

from . import facts, run


def id(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield who this board is."""
    node = console.node
    who = node.identity_data
    yield "thing    " + who.thing
    yield "boot     " + boot_text(node.boot.id)
    yield from run.fold("vm       " + who.vm)
    yield "firmware " + who.sha256.hex()


def status(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield how samples, sensors and actuators are."""
    node = console.node
    yield from run.fold(node.start_text())
    yield samples(node.ring)
    for sensor in node.sensors.sensors:
        yield "sensor   %-24s %s%s" % (sensor.name, facts.state(sensor), facts.later(sensor, node.clock.ms))
        if sensor.code:
            yield from facts.hint(node, "s\t%s\t" % sensor.name, sensor.code)
    yield from facts.actuators(node)


def samples(ring) -> str:  # type: ignore[no-untyped-def]
    """Return how many samples there are."""
    return "samples  %d, of these wait for the node %d, dropped %d" % (ring.head, ring.head - ring.tail, ring.dropped)


def get(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield the last reading of one channel, or of all."""
    node = console.node
    if words:
        sensor, index, entry = facts.channel(node, words)
        yield facts.reading(node, sensor, index, entry)
        yield "  sensor %s, range %s to %s, sigma %s by the board file" % (sensor.name, entry[3], entry[4], entry[5])
        return
    facts.has_sensors(node)
    for entry in facts.lines(node, "c\t"):
        sensor = node.sensors.sensors[int(entry[1])]
        yield facts.reading(node, sensor, sensor.names.index(entry[0]), entry)


def link(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield the link's state and counters."""
    node = console.node
    yield "mode     text, last session %d, version %d" % (node.link.session, node.link.proto)
    yield samples(node.ring)
    yield from counters(node, 0)


def counters(node, least: int):  # type: ignore[no-untyped-def]
    """Yield the counters that are at least so many."""
    found = node.counters()
    line = "counters"
    for name in sorted(found):
        if found[name] >= least:
            word = " %s %d" % (name, found[name])
            if len(line) + len(word) >= 79:
                yield line
                line = " "
            line += word
    yield line


def clock(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield the board's time, and when the node asked for it last."""
    node = console.node
    now = node.clock
    yield "running  %.1f s since start; stamp %d wraps + %d us" % (now.ms / 1000, now.wrap, now.ticks)
    wrap, ticks = node.link.rx_wrap, node.link.rx_ticks
    if not wrap and not ticks:
        yield "sync     the node has not asked for the time since start"
    else:
        ago_s = diff_ms(now.wrap, now.ticks, wrap, ticks) / 1000
        yield "sync     the node asked for the time %.1f s ago; it keeps offset and skew" % ago_s
    yield "the board knows no UTC: city status at the node says how well it does"


def log(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield the last log lines, the newest at the end."""
    yield from logs(console.node, 0)


def logs(node, first: int):  # type: ignore[no-untyped-def]
    """Yield log lines from index `first` on."""
    for level, text in node.link.logs[first:]:
        yield from run.fold("%s  %s" % ("warning" if level > 1 else "info   ", text))


def report(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield who and how the board is, as one block to copy."""
    from . import settings  # noqa: PLC0415 (its code takes room only here)

    node = console.node
    yield "--- report"
    yield from id(console, editor, words)
    values, damaged = settings.load(node.files)
    yield "settings %d in use, %d stored%s%s" % (
        node.settings, values["n"],
        ", damaged: " + " ".join(damaged) if damaged else "", ", others staged" if console.staged else "",
    )  # fmt: skip
    for name, cal in values.get("cal", {}).items():
        yield from run.fold("  " + settings.told(name, cal))
    yield "running  %.1f s since start" % (node.clock.ms / 1000)
    yield from run.fold(node.start_text())
    yield samples(node.ring)
    states = ["%s %s" % (sensor.name, facts.state(sensor)) for sensor in node.sensors.sensors]
    yield from run.fold("sensors  " + "; ".join(states))
    yield from facts.actuators(node)
    yield from counters(node, 1)
    yield from logs(node, -3)
    yield "--- end of report"
