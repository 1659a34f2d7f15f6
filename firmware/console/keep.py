"""What becomes of staged settings: diff shows, commit makes durable, revert forgets. Both VMs."""

import json

from . import run, settings

LEVELS = ["all", "info", "warning"]


def flat(found: dict) -> dict:  # type: ignore[type-arg]
    """Return settings as {key: text}."""
    keys = {}
    if found.get("log"):
        keys["log"] = LEVELS[found["log"]]
    for group in ("period", "cal"):
        for name, value in found.get(group, {}).items():
            keys[group + "." + name] = json.dumps(value)
    return keys


def differences(console) -> list:  # type: ignore[no-untyped-def,type-arg]
    """Return a line for each setting that a commit would change."""
    old, new = flat(settings.load(console.node.files)[0]), flat(settings.present(console))
    keys = list(old) + [key for key in new if key not in old]
    return [
        "%s: %s -> %s" % (key, old.get(key, "board file"), new.get(key, "board file"))
        for key in keys
        if old.get(key) != new.get(key)
    ]


def diff(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield what a commit would change."""
    found = differences(console)
    for text in found:
        yield from run.fold(text)
    if not found:
        yield "nothing is staged"


def revert(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Forget what is staged; `revert all` stages the board file's values for everything."""
    if words and words != ["all"]:
        raise ValueError("E-WORDS found %s; expected revert, or revert all" % words[0])
    console.staged = {"n": 0} if words else None
    yield "all settings are staged as the board file has them: diff, commit" if words else "nothing is staged"


def commit(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Make what is staged durable; it is used from the next start on."""
    node = console.node
    if not differences(console):
        raise ValueError("E-NOTHING found nothing staged; expected a change; try set or cal first")
    new = console.staged
    for name, cal in new.get("cal", {}).items():
        for part in ("low", "high", "by"):
            if part not in cal:
                raise ValueError(
                    "E-CAL found a calibration of %s without %s; expected low, high and by; try help cal" % (name, part)
                )
    settings.save(node.files, new)
    console.staged = None
    node.link.log(1, "settings %d are stored, for the next start" % new["n"])
    yield "settings %d are stored; they are used from the next start on: reboot %s" % (
        new["n"],
        node.identity_data.thing,
    )
