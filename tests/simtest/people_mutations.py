"""Planted bugs in what people do and are told: approvals, selections, trips, alarms, messages."""

from .mutation import Mutation

# ruff: noqa: E501 - the product's lines stay whole, so that they can be found

CHECKS, GUARD, PEOPLE_PY = "edge_node/reaction/checks.py", "edge_node/reaction/guard.py", "aggregator/tasks/people.py"
LIFE, TABLE = "processes/alarms/life.py", "processes/alarms/table.py"
NOTIFY, OUTBOX = "aggregator/notify/desk.py", "aggregator/notify/outbox.py"

PEOPLE = (
    # people
    Mutation(
        "guard: nobody counts the people", CHECKS, "    if len(behind) >= rule.approvals:\n", "    if True:\n", "orders",
    ),
    Mutation(
        "guard: nothing has to be selected", CHECKS,
        "    if entry.selected or not limits.actuator.rule.hazardous:\n", "    if True:\n", "orders",
    ),
    Mutation(
        "guard: trips are not looked at", CHECKS, "    if limits.actuator.tripped:\n", "    if False:\n", "",
    ),
    Mutation(
        "guard: what waits for its intent is not taken back", GUARD,
        "        if entry.state != codes.DISPATCHED or entry.sends:\n", "        if entry.sends:\n", "",
        ((GUARD, '        code, text = self._refusal(entry, now_us)\n        if code != codes.OK:\n            self._count(code, entry.who', '        code, text = codes.OK, ""\n        if code != codes.OK:\n            self._count(code, entry.who'),),
    ),
    Mutation(
        "city: one person approves twice", PEOPLE_PY, "        if who in behind:\n", "        if False:\n", "",
        ((PEOPLE_PY, ".approvals - len(behind) - 1\n", ".approvals - len(record.task.approved) - 1\n"),
         (CHECKS, "    behind = {name for name in (task.person, *task.approved) if name}\n",
          "    behind = [name for name in (task.person, *task.approved) if name]\n")),
    ),
    # alarms
    Mutation(
        "alarms: one that returns is normal", TABLE,
        '    Transition(UNACK, "return", RETURNED),\n', '    Transition(UNACK, "return", NORMAL),\n',
    ),
    Mutation(
        "alarms: one that was acknowledged has to be again", TABLE,
        '    Transition(ACK, "return", NORMAL),\n', '    Transition(ACK, "return", RETURNED),\n',
    ),
    Mutation(
        "alarms: a shelf ends before its time", LIFE,
        "row.shelf.until_utc_us <= upto_utc_us]\n", "row.shelf.since_utc_us <= upto_utc_us]\n",
    ),
    Mutation(
        "alarms: one that comes again counts as acknowledged", TABLE,
        '    Transition(RETURNED, "raise", UNACK),\n', '    Transition(RETURNED, "raise", ACK),\n',
    ),
    # messages to people
    Mutation(
        "notify: a message leaves before it is saved", NOTIFY,
        "        await self.save()\n        for entry, delivery in due:\n            self._begin(box, entry, delivery, now)\n",
        "        for entry, delivery in due:\n            self._begin(box, entry, delivery, now)\n        await self.save()\n",
    ),
    Mutation(
        "notify: what failed counts as delivered", OUTBOX,
        "        done = None if error else now_utc_us\n", "        done = now_utc_us\n",
    ),
    Mutation(
        "notify: what is over still leaves", OUTBOX,
        "        if now_utc_us >= entry.expires_utc_us:\n            return EXPIRED\n", "",
    ),
    Mutation(
        "notify: nothing is written down of what went out", NOTIFY, "        if not error or new.attempts == 1:\n", "        if error:\n",
    ),
)  # fmt: skip
