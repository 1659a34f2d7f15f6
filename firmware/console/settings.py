"""Settings: what a technician changed of the board file. Both VMs.

    {"n": 3, "period": {"level": 200}, "log": 2, "cal": {"water_level": {"low": [...], "high": [...], "by": [...]}}}

They are in one of two files, in which turn follows from their number `n`: text and, in a second line, its CRC-32. A
commit writes the file that does not hold the present ones to a new name, then renames it: after a power cut at any
moment there are the old or the new ones, and if the new ones are damaged later, the former are still there.

A point of a calibration is [measured, standard deviation of that mean, reference, its standard deviation], `by` is
[who, date, reference, boot id]. Between two points the value is offset + gain * measured.
Source: JCGM 100:2008 (GUM), 5.1.2: the variance of a line through two points is at most that of its worse end
between them: reference^2 + (gain * measured)^2; the sensor's own sigma, times the gain, adds to it.
"""

import json

from firmware.core.boot import sealed


def load(files) -> tuple:  # type: ignore[no-untyped-def,type-arg]
    """Return (settings, damaged): the newest that are whole, {"n": 0} without any, and names of damaged files."""
    newest, damaged = {"n": 0}, []
    for name in ("settings.0", "settings.1"):
        text = files.read(name)
        if text is None:
            continue
        found = _load(text)
        if found is None:
            damaged.append(name)
        elif found["n"] > newest["n"]:
            newest = found
    return newest, damaged


def _load(text: str):  # type: ignore[no-untyped-def]
    """Return the settings in a file's text, None if it is damaged."""
    if text != sealed(text[:-9]):
        return None
    try:
        found = json.loads(text[:-9])
        return found if found["n"] > 0 else None
    except (ValueError, KeyError, TypeError):
        return None


def save(files, settings: dict) -> None:  # type: ignore[no-untyped-def,type-arg]
    """Make these the newest settings, durably. Raises: ValueError if they read otherwise, OSError."""
    settings["n"] = load(files)[0]["n"] + 1
    name = "settings.%d" % (settings["n"] % 2)
    text = sealed(json.dumps(settings))
    files.replace(name, text)
    if files.read(name) != text:
        raise ValueError("E-FLASH found other bytes in %s than were written; expected the same; commit again" % name)


def present(console) -> dict:  # type: ignore[no-untyped-def,type-arg]
    """Return what is staged, else what is stored, without staging anything."""
    return console.staged or load(console.node.files)[0]


def staged(console) -> dict:  # type: ignore[no-untyped-def,type-arg]
    """Return the staged settings, those stored if nothing was staged yet."""
    console.staged = present(console)
    return console.staged


def line(cal: dict) -> tuple:  # type: ignore[type-arg]
    """Return (offset, gain, sigma) of a calibration with both points; sigma is what it adds between them."""
    m1, s1, r1, u1 = cal["low"]
    m2, s2, r2, u2 = cal["high"]
    gain = (r2 - r1) / (m2 - m1)
    return r1 - gain * m1, gain, max(u1 * u1 + (gain * s1) ** 2, u2 * u2 + (gain * s2) ** 2) ** 0.5


def sigma_after(cal: dict, sigma: float) -> float:  # type: ignore[type-arg]
    """Return the standard deviation of a calibrated reading whose sensor has `sigma`."""
    _, gain, added = line(cal)
    return ((gain * sigma) ** 2 + added * added) ** 0.5


def told(name: str, cal: dict) -> str:  # type: ignore[type-arg]
    """Return a calibration in one line, for logs and reports."""
    offset, gain, added = line(cal)
    who = " ".join([str(part) for part in cal["by"]])
    return "calibrated %s: %.6g + %.6g * measured, adds sigma %.3g, by %s" % (name, offset, gain, added, who)
