"""Staging a setting: set. Both VMs.

`console.staged` holds the settings as they would be after a commit, None while nothing is staged.
"""

from . import facts, settings
from .settings import staged

LEVELS = ["all", "info", "warning"]


def set(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Stage a setting; without a value show it, without a key show all."""
    if len(words) > 2:
        raise ValueError("E-WORDS found %d words; expected set KEY VALUE; try set" % len(words))
    if not words:
        yield shown(console, "log")
        for sensor in console.node.sensors.sensors:
            yield shown(console, "period." + sensor.name)
        return
    if len(words) == 2:
        stage(console, words[0], words[1])
    yield shown(console, words[0])


def shown(console, key: str) -> str:  # type: ignore[no-untyped-def]
    """Return a setting with its value, range and source. Raises: ValueError."""
    now = settings.present(console)
    if key == "log":
        place = now.get("log", 0)
        return "log = %s   (all, info or warning)   %s" % (LEVELS[place], "set" if place else "board file")
    name = sensor_of(key)
    entry = facts.sensor_entry(console.node, name)
    value = now.get("period", {}).get(name)
    source = "board file" if value is None else "set, board file %s" % entry[5]
    return "%s = %s ms   (%s to 86400000)   %s" % (key, value or entry[5], entry[6], source)


def sensor_of(key: str) -> str:
    """Return the sensor of a key period.SENSOR. Raises: ValueError."""
    kind, _, name = key.partition(".")
    if kind != "period" or not name:
        raise ValueError("E-KEY found %s; expected log or period.SENSOR; set shows all, cal calibrates" % key)
    return name


def stage(console, key: str, word: str) -> None:  # type: ignore[no-untyped-def]
    """Take a value, or `default` for the board file's. Raises: ValueError."""
    if key == "log":
        if word not in LEVELS and word != "default":
            raise ValueError("E-VALUE found %s; expected all, info, warning or default" % word)
        staged(console)["log"] = LEVELS.index(word) if word in LEVELS else 0
        return
    name = sensor_of(key)
    entry = facts.sensor_entry(console.node, name)
    if word == "default":
        staged(console).get("period", {}).pop(name, None)
        return
    value = facts.number(word, "a period in ms")
    if value != int(value) or not int(entry[6]) <= value <= 86400000:
        raise ValueError("E-RANGE found %s; expected a whole number of ms, %s to 86400000" % (word, entry[6]))
    staged(console).setdefault("period", {})[name] = int(value)
