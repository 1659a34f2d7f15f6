"""Two-point calibration of a channel: cal. Both VMs."""

from protocol.frames import boot_text
from protocol.record import GOOD

from . import facts, run, settings


def cal(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Take one point, who did it, or the calibration away; without these show it."""
    node = console.node
    sensor, index, entry = facts.channel(node, words)
    what = words[1] if len(words) > 1 else "show"
    if what in ("low", "high") and len(words) in (3, 4):
        yield from point(console, sensor, index, entry, what, words[2:])
    elif what == "by" and len(words) >= 4:
        part(console, entry[0])["by"] = [words[2], words[3], " ".join(words[4:]), boot_text(node.boot.id)]
    elif what == "off" and len(words) == 2:
        settings.staged(console).get("cal", {}).pop(entry[0], None)
    elif what != "show":
        raise ValueError(
            "E-WORDS found cal %s; expected CHANNEL low|high REFERENCE [SIGMA], CHANNEL by WHO DATE WITH-WHAT or "
            "CHANNEL off; try help cal" % " ".join(words)
        )
    yield from show(console, entry)


def part(console, name: str) -> dict:  # type: ignore[no-untyped-def,type-arg]
    """Return the staged calibration of a channel, begun if there is none."""
    return settings.staged(console).setdefault("cal", {}).setdefault(name, {})


def in_use(node, name: str) -> tuple:  # type: ignore[no-untyped-def,type-arg]
    """Return (offset, gain) of a channel since this start. Raises: ValueError if other settings are stored by now."""
    stored = settings.load(node.files)[0]
    if stored["n"] != node.settings:
        raise ValueError(
            "E-REBOOT found settings %d stored and %d in use; expected the same; reboot %s first"
            % (stored["n"], node.settings, node.identity_data.thing)
        )
    cal = stored.get("cal", {}).get(name)
    return settings.line(cal)[:2] if cal else (0.0, 1.0)


def point(console, sensor, index: int, entry: list, what: str, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Average readings against a reference. Raises: ValueError for a bad reading or a key."""
    reference = facts.number(words[0], "the reference in " + entry[2])
    lower, upper = float(entry[3]), float(entry[4])
    if not lower <= reference <= upper:
        able = "E-RANGE found %s %s; expected %s to %s by the board file"
        raise ValueError(able % (words[0], entry[2], entry[3], entry[4]))
    doubt = facts.number(words[1], "the reference's standard deviation") if len(words) > 1 else float(entry[5])
    if doubt < 0:
        raise ValueError("E-RANGE found sigma %s; expected 0 or more" % words[1])
    offset, gain = in_use(console.node, entry[0])
    values = []
    yield from averaged(console, sensor, index, values)
    count = len(values)
    mean = sum(values) / count
    spread = (sum([(value - mean) ** 2 for value in values]) / (count - 1) / count) ** 0.5
    new = part(console, entry[0])
    new.pop("by", None)
    new[what] = [(mean - offset) / gain, spread / gain, reference, doubt]
    yield "%s: %d readings, mean %.6g %s, reference %.6g" % (what, count, mean, entry[2], reference)


def averaged(console, sensor, index: int, values: list):  # type: ignore[no-untyped-def,type-arg]
    """Collect the next readings into `values`, all good ones, within a bounded time."""
    clock = console.node.clock
    period_ms = sensor.every.period_ms
    wanted = 8 if period_ms <= 2000 else 3
    end_ms = clock.ms + (wanted + 1) * period_ms + 2000
    turn = sensor.every.due_ms
    while len(values) < wanted:
        yield ""
        if facts.due(sensor, turn):
            turn = sensor.every.due_ms
            if sensor.quality[index] != GOOD:
                raise ValueError("E-READING found a reading that is not good; expected good ones; try selftest")
            values.append(sensor.latest[index])
        elif clock.ms > end_ms:
            raise ValueError("E-READING found %d readings in time; expected %d; try watch" % (len(values), wanted))


def show(console, entry: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield a channel's calibration as staged or stored, and check it. Raises: ValueError."""
    stored = settings.present(console)
    values = stored.get("cal", {}).get(entry[0])
    if not values:
        yield "%s is not calibrated" % entry[0]
        return
    for name in ("low", "high"):
        if name in values:
            yield "%-4s measured %.6g (sigma %.2g), reference %.6g (sigma %.2g)" % tuple([name] + values[name])
    if "low" in values and "high" in values:
        check(values)
        if "by" in values:
            yield from run.fold(settings.told(entry[0], values))
        after = settings.sigma_after(values, float(entry[5]))
        yield "a reading's sigma was %s %s, is then %.3g" % (entry[5], entry[2], after)
    missing = [name for name in ("low", "high", "by") if name not in values]
    if missing:
        yield "before a commit it needs: " + ", ".join(missing)


def check(values: dict) -> None:  # type: ignore[type-arg]
    """Refuse points that make no sensible line. Raises: ValueError, with the point in question taken away."""
    apart = values["high"][0] - values["low"][0]
    noise = values["high"][1] + values["low"][1]
    gain = (values["high"][2] - values["low"][2]) / apart if abs(apart) > 10 * noise and apart else 0.0
    if not 0.5 <= gain <= 2.0:
        del values["high"]
        raise ValueError(
            "E-GAIN found points %.6g apart that make a gain of %.3g; expected points well apart and a gain of 0.5 "
            "to 2; check the references' unit, then take high again" % (apart, gain)
        )
