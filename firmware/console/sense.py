"""Look at a channel as its readings come: watch. Both VMs."""

from . import facts


def watch(console, editor, words: list):  # type: ignore[no-untyped-def,type-arg]
    """Yield a channel's readings as they come, until a key or so many, 1000 at most."""
    node = console.node
    sensor, index, entry = facts.channel(node, words)
    left = int(facts.number(words[1], "how many readings")) if len(words) > 1 else 1000
    if not 1 <= left <= 1000:
        raise ValueError("E-RANGE found %d readings; expected 1 to 1000" % left)
    due_ms = sensor.every.due_ms
    while left and not editor.held:
        if facts.due(sensor, due_ms):
            due_ms = sensor.every.due_ms
            left -= 1
            yield facts.reading(node, sensor, index, entry)
        else:
            yield ""
    if left:
        editor.clear()
