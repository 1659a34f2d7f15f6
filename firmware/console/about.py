"""What there is: help, and what Tab completes. Both VMs."""

from . import run

TEXTS = (
    ("help [COMMAND]", "this list, or one command in full"),
    ("id", "who this board is: name, boot, VM, firmware"),
    ("status", "samples, sensors with what to check at a fault, actuators"),
    ("get [CHANNEL]", "last readings with unit, quality and age"),
    ("watch CHANNEL [N]", "readings as they come; any key ends it"),
    ("scan [BUS]", "which I2C addresses answer, and who they should be"),
    ("selftest", "tries each sensor and each actuator's chip; says what to check"),
    ("cal CHANNEL [...]",
     "low REFERENCE [SIGMA] and high REFERENCE [SIGMA] take a point, by WHO DATE WITH-WHAT signs it, off takes it "
     "away; then diff, commit, reboot"),
    ("set [KEY [VALUE]]", "stages a setting: log, period.SENSOR; default is the board file's value"),
    ("diff", "what a commit would change"),
    ("commit", "stores what is staged; it is used from the next start on"),
    ("revert [all]", "forgets what is staged; all stages the board file's values"),
    ("link", "mode and counters of the link"),
    ("clock", "the board's time, and when the node asked for it"),
    ("log", "last log lines"),
    ("report", "one block to send to support"),
    ("outputs [test NAME SETPOINT]",
     "outputs, inputs, leases, stop, jumper; test moves an actuator while the jumper is set and no key is pressed"),
    ("reboot THING", "starts the board again"),
)  # fmt: skip


def help(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield all commands with what they are for, or one."""
    if words and words[0] not in run.names():
        run.command(words[0])
    for usage, text in TEXTS:
        name = usage.split(" ")[0]
        if words and name == words[0]:
            yield usage
            yield from run.fold("  " + text)
        elif not words:
            yield "%-9s %s" % (name, text.split(";")[0][:68])
    if not words:
        yield "Ctrl-C ends a command, Tab completes, %d commands" % len(run.names())


def complete(node, text: str) -> tuple:  # type: ignore[no-untyped-def,type-arg]
    """Return (what to add to the line, what to show): one of both is empty."""
    words = text.split(" ")
    begun = words[-1]
    able = sorted({word for word in candidates(node, words) if word.startswith(begun)})
    if len(able) == 1:
        return able[0][len(begun) :] + " ", ""
    more = shared(able)[len(begun) :]
    return more, "" if more or not able else "\r\n%s\r\n" % " ".join(able)[:79]


def candidates(node, words: list) -> list:  # type: ignore[no-untyped-def,type-arg]
    """Return what the last word may become."""
    sensors = node.sensors.sensors
    if len(words) == 1:
        return run.names()
    if len(words) == 2:
        if words[0] in ("get", "watch", "cal"):
            return [name for sensor in sensors for name in sensor.names]
        return {
            "help": run.names(),
            "set": ["log"] + ["period." + sensor.name for sensor in sensors],
            "scan": [sensor.bus.name for sensor in sensors if sensor.bus],
            "outputs": ["test"],
            "revert": ["all"],
            "reboot": [node.identity_data.thing],
        }.get(words[0], [])
    if len(words) == 3:
        if words[0] == "outputs":
            return [actuator.name for actuator in node.actuators.actuators]
        if words[0] == "cal":
            return ["low", "high", "by", "off"]
    return []


def shared(words: list) -> str:  # type: ignore[type-arg]
    """Return what all words begin with."""
    if not words:
        return ""
    common = words[0]
    for word in words:
        while not word.startswith(common):
            common = common[:-1]
    return common
