"""Planted bugs: each a small, realistic mistake in the product. `old` must be in the file exactly once.

`area` names the world that must find it. `make exhaustive-mutants` prints how long the shortest trace is and how many
states were looked at; one that survives means that an invariant, a fault or a world is missing.
"""

from tests.simtest.mutation import Mutation

# ruff: noqa: E501 - the product's lines stay whole, so that they can be found

GUARD, FOLLOWING, LATCHES = (
    "edge_node/reaction/guard.py",
    "edge_node/reaction/following.py",
    "edge_node/reaction/latches.py",
)
STATE, CHECKS, ARBITER = (
    "edge_node/reaction/guard_state.py",
    "edge_node/reaction/checks.py",
    "edge_node/reaction/arbiter.py",
)
ENTRY, REACTION, CODES = "edge_node/reaction/task_entry.py", "edge_node/reaction/reaction.py", "protocol/task_codes.py"
LEASE, INTERLOCK = "protocol/lease.py", "protocol/interlock.py"
REFLEXES, KEYRING, TASKS = "aggregator/keys/reflexes.py", "aggregator/keys/keyring.py", "protocol/tasks.py"
HEADS, WITNESS, BOOKS = "aggregator/audit/heads.py", "service/audit_witness.py", "service/audit_heads.py"
TURNS, BOOK, DISPATCH, PEOPLE = (
    "aggregator/turns.py", "aggregator/tasks/book.py", "aggregator/tasks/dispatch.py", "aggregator/tasks/people.py",
)  # fmt: skip
DESK, ACTUATORS = "firmware/core/tasks.py", "firmware/core/actuators.py"

ANY_BOOT = (
    CHECKS, '        return codes.STALE_CLOCK, f"the deadline is in the clock of boot {task.edge_boot}, this is {node.boot}"\n',
    "        pass\n",
)  # fmt: skip

MUTATIONS = (
    # the guard
    Mutation(
        "guard: the command leaves before its intent is durable", GUARD,
        "        self._watch(entry)\n        self._keep(entry)\n        return [Save(entry, True)]\n",
        "        self._watch(entry)\n        self._keep(entry)\n        return [Save(entry, True), *self.intent_saved(entry.task.task_id, now_us)]\n",
        "order",
    ),
    Mutation(
        "guard: nothing is checked again once the intent is durable", GUARD,
        "        if entry.state != codes.DISPATCHED or entry.sends:\n            return []\n        code, text = self._refusal(entry, now_us)\n",
        "        if entry.state != codes.DISPATCHED or entry.sends:\n            return []\n        code, text = codes.OK, \"\"\n",
        "order",
    ),
    Mutation(
        "guard: a task that ended may come again", GUARD,
        "        if known is not None:\n            return self._known(", "        if known is not None and known.open:\n            return self._known(",
        "order",
    ),
    Mutation("guard: the signature is not checked", GUARD, "        if not genuine:\n", "        if False:\n", "order"),
    Mutation(
        "guard: tasks of earlier lives are forgotten", STATE,
        "        self.entries.update((entry.task.task_id, entry) for entry in entries)\n", "        return\n",
        "order", (ANY_BOOT,),
    ),
    Mutation(
        "guard: after a crash open tasks stay open", ENTRY,
        '    entry.become(codes.UNKNOWN, codes.TIMEOUT, "the edge node restarted")\n', "", "order",
    ),
    Mutation(
        "guard: nobody asks who holds the lease", CHECKS,
        "    if arbiter.allows(entry.requester, entry.task.fence, now_us):\n", "    if arbiter:\n", "rivals",
    ),
    Mutation(
        "guard: an old fence will do", ARBITER,
        "        return self.holder(now_us) == holder and fence == self._lease.fence\n",
        "        return self.holder(now_us) == holder\n", "ranks",
    ),
    Mutation(
        "guard: a deadline may be over", CHECKS,
        "after its deadline\") if late_ms >= 0 else OK\n", "after its deadline\") if late_ms >= 9000 else OK\n", "order",
    ),
    Mutation(
        "guard: sent again under a fence that is no more", FOLLOWING,
        " and self._still_meant(entry):\n", ":\n", "order",
    ),
    Mutation(
        "guard: sent again as a new command", REACTION,
        "        body = self._bodies.get(effect.entry.task.task_id)\n",
        "        index = self._core.guard.actuators[effect.entry.task.actuator].info.index\n"
        "        if board is not None:\n            return self._do(DoTask(effect.entry, index, 1000))\n        body = None\n",
        "order",
    ),
    Mutation(
        "guard: waits for an answer for ever", FOLLOWING,
        "        if waiting_us > ANSWER_US:\n", "        if waiting_us > 1000 * ANSWER_US:\n", "order",
    ),
    Mutation(
        "guard: renews beyond the setpoint's time", FOLLOWING,
        "        lease_ms = min(actuator.info.lease_ms or self.lease_ms, left_ms)\n",
        "        lease_ms = actuator.info.lease_ms or self.lease_ms\n", "effect",
    ),
    Mutation(
        "guard: sets across boards are not kept apart", CHECKS,
        "    if limits.engaged and task.setpoint != info.safe:\n", "    if False:\n", "set",
    ),
    Mutation(
        "guard: a board that does not answer counts as safe", STATE,
        "        if now_us < actuator.away_until_us:\n", "        if False:\n", "mute",
    ),
    # ranks and fences
    Mutation(
        "arbiter: the lower rank takes over", ARBITER,
        "            if held and RANKS[holder] > RANKS[held]:\n", "            if held and RANKS[holder] < RANKS[held]:\n", "ranks",
    ),
    Mutation("lease: a new holder has the old fence", LEASE, "        self.fence += 1\n", "", "ranks"),
    Mutation(
        "lease: whoever asks gets it", LEASE,
        "            if holder != self._holder:\n                return 0\n", "            self._holder = holder\n", "ranks",
    ),
    # trips and stops
    Mutation("halt: trips are not looked at", CHECKS, "    if limits.actuator.tripped:\n", "    if False:\n", "halt"),
    Mutation(
        "halt: the local stop is not looked at", CHECKS,
        "    if found[0] == codes.OK and node.stopped:\n", "    if False:\n", "halt",
    ),
    Mutation(
        "halt: a command is sent again", LATCHES, "                entry.sends = NO_MORE", "                pass", "halt",
        ((LATCHES, "        actuator.arbiter.refence(now_us)\n", ""),),
    ),
    Mutation(
        "halt: the lease is renewed", LATCHES,
        "        actuator.active = actuator.selection = None\n", "        actuator.selection = None\n", "trip",
    ),
    Mutation(
        "halt: a trip does not outlast a crash", LATCHES,
        "        self.latched = {name: text for name, text in kept.items() if text}\n", "", "halt",
    ),
    # people
    Mutation(
        "select: nothing has to be selected", CHECKS,
        "    if entry.selected or not limits.actuator.rule.hazardous:\n", "    if True:\n", "select",
    ),
    Mutation(
        "select: another setpoint will do", GUARD,
        "    mine = (task.task_id, task.setpoint, entry", "    mine = (task.task_id, selection and selection.setpoint, entry", "select",
    ),
    Mutation(
        "select: another person will do", GUARD,
        "entry.requester, task.person, task.fence)\n    return", "entry.requester, selection and selection.person, task.fence)\n    return", "select",
    ),
    Mutation(
        "select: a selection is never over", GUARD, " and now_us < selection.until_us and ", " and ", "select",
    ),
    Mutation(
        "select: two tasks may be selected at once", GUARD,
        "        if code == codes.OK and actuator is not None and actuator.kept_from(task, now_us):\n", "        if False:\n", "select",
    ),
    Mutation(
        "select: a selection outlasts a trip", LATCHES,
        "        actuator.active = actuator.selection = None\n", "        actuator.active = None\n", "select",
        ((LATCHES, "        actuator.arbiter.refence(now_us)\n", ""),),
    ),
    Mutation(
        "approve: nobody counts the people", CHECKS, "    if len(behind) >= rule.approvals:\n", "    if behind:\n", "approve",
    ),
    Mutation(
        "approve: one person counts twice", CHECKS,
        "    behind = {name for name in (task.person, *task.approved) if name}\n",
        "    behind = [name for name in (task.person, *task.approved) if name]\n", "approve",
    ),
    Mutation(
        "approve: a process acts alone", CHECKS,
        '    if entry.requester != "operator" and rule.automation:\n', '    if entry.requester != "operator":\n', "behalf",
    ),
    Mutation(
        "cancel: one that has not come yet is executed when it comes", GUARD,
        "        if known is None:\n            self._keep(asked)\n", "", "cancel",
    ),
    Mutation(
        "cancel: a command that waits for its intent leaves", GUARD,
        "        if entry.state != codes.DISPATCHED or entry.sends:\n", "        if entry.sends:\n", "cancel",
    ),
    Mutation(
        "cancel: what is in force is held", GUARD,
        "        if actuator is not None and actuator.active is entry:\n", "        if False:\n", "cancel",
    ),
    Mutation(
        "rate: one more leaves", CHECKS, "actuator.sent_lately(now_us) < most:\n", "actuator.sent_lately(now_us) <= most:\n", "rate",
    ),
    Mutation("rate: a minute is a second", STATE, "MINUTE_US = 60_000_000\n", "MINUTE_US = 1_000_000\n", "rate"),
    Mutation(
        "evidence: a cause of unknown age will do", CHECKS, "        if not sample_us or now_us", "        if now_us", "evidence",
    ),
    Mutation(
        "evidence: an old cause will do", CHECKS, "        if not sample_us or now_us - sample_us > limit_us:\n", "        if not sample_us:\n", "evidence",
    ),
    Mutation(
        "evidence: an actuator that nobody has seen yet moves", CHECKS,
        "(actuator.seen_us is None or now_us", "(actuator.seen_us is not None and now_us", "evidence",
    ),
    Mutation(
        "evidence: what was seen once is seen for ever", CHECKS, "now_us - actuator.seen_us > limit_us):\n", "False):\n", "evidence",
    ),
    Mutation(
        "person: a process resets", GUARD,
        '        if code == codes.OK and not (task.rank == "operator" and task.person):\n', "        if False:\n", "person",
    ),
    Mutation(
        "person: a reset that comes again ends a later trip", GUARD,
        "        if known is not None:\n            return self._known(", "        if known is not None and task.verb != tasks.RESET:\n            return self._known(", "person",
    ),
    Mutation(
        "person: a trip is let go before that is durable", REACTION,
        "        self._core.journal.submit(lambda c: rows.put(c, \"snapshots\", \"name\", key, blob), kept, failed)\n", "        kept(None)\n", "person",
    ),
    # the board
    Mutation(
        "board: a used counter will do", DESK,
        "        elif counter <= self._counter:\n", "        elif counter < 0:\n", "line",
    ),
    Mutation("board: any boot's nonce will do", DESK, "        elif nonce != self._nonce:\n", "        elif not nonce:\n", "line"),
    Mutation(
        "board: the signature is not checked", DESK,
        "        if not self._signed(payload, signature):\n            self._refuse", "        if False:\n            self._refuse", "line",
    ),
    Mutation(
        "board: deadlines are not checked", DESK,
        "not_after[0], not_after[1]) >= 0:\n", "not_after[0], not_after[1]) >= 1 << 30:\n", "line",
    ),
    Mutation(
        "board: a lapsed lease ends nothing", ACTUATORS,
        "            if actuator.held and actuator.lease.lapsed(now_ms):\n", "            if False:\n", "line",
    ),
    Mutation(
        "board: a lapsed lease is renewed", LEASE,
        "        if fence != self.fence or ms <= 0 or self.lapsed(now_ms):\n", "        if fence != self.fence or ms <= 0:\n", "line",
    ),
    Mutation(
        "board: going safe does nothing", ACTUATORS,
        "        actuator.next_ms = self._clock.ms\n        actuator.driver.safe()\n", "        actuator.next_ms = self._clock.ms\n", "line",
    ),
    Mutation(
        "interlock: what is on is not looked at", INTERLOCK,
        "        if outputs_on_mask & ~bit:\n", "        if False:\n", "line",
        ((INTERLOCK, "        return now_ms - self._off_at_ms >= self.min_off_ms\n", "        return True\n"),),
    ),
    Mutation(
        "interlock: no rest between two outputs", INTERLOCK,
        "        return now_ms - self._off_at_ms >= self.min_off_ms\n", "        return True\n", "line",
    ),
    Mutation(
        "board: the silence of the host ends nothing", ACTUATORS,
        "                self._end_lease(actuator, LINK_SILENT)\n", "                pass\n", "silence",
    ),
    # the table
    Mutation(
        "table: a task may go back", CODES,
        "    return new == state or new in TRANSITIONS[state]\n", "    return new in STATES and state in STATES\n", "order",
    ),
    # what a node signs by itself
    Mutation(
        "reflex: the node's own signature is not checked", GUARD,
        "        if self.reflex and not tasks.verify_reflex(self.reflex.public, payload, signature):\n", "        if False:\n", "reflex",
    ),
    Mutation(
        "reflex: signed and checked as an order of a city", TASKS,
        "    return verify(public, REFLEX + data, signature)\n", "    return verify(public, data, signature)\n", "reflex",
        ((TASKS, "    return sign(private, REFLEX + data)\n", "    return sign(private, data)\n"),),
    ),
    Mutation(
        "reflex: a node's key speaks for people", CHECKS,
        '    return task.rank != "city" or bool(task.person or task.approved) or task.verb not in (OPERATE, SELECT)\n', "    return False\n", "reflex",
    ),
    Mutation("reflex: it takes back what people ordered", CHECKS, " or task.verb not in (OPERATE, SELECT)\n", "\n", "reflex"),
    Mutation("reflex: it names who approved", CHECKS, "bool(task.person or task.approved)", "bool(task.person)", "alone"),
    # the keys that nodes name for it
    Mutation("keys: the last reflex key that is named counts", KEYRING, "        if key.reflex:\n            text", "        if False:\n            text", "keys"),
    Mutation("keys: reflex keys of retired link keys count no more", KEYRING, "for key in [*live, *past] if key]", "for key in live if key]", "keys"),
    Mutation("keys: a key that dies leaves no reflex key", KEYRING, "key.origin, key.by, key.reflex)", "key.origin, key.by)", "keys"),
    Mutation("keys: a rotated key has no forebears", KEYRING, 'NEXT, "rotation", by=name)', 'NEXT, "rotation")', "keys"),
    Mutation("keys: what was offered under a revoked key lives on", KEYRING, "and named & self._lineage(name)]", "and name in named]", "keys"),
    Mutation("keys: nobody looks at the signature", REFLEXES, "        if tasks.verify_reflex(public, report.task, report.signature):\n", "        if public:\n", "keys"),
    # heads of audit logs
    Mutation("heads: one that was lost never comes again", HEADS, " or now_us - told_us >= AGAIN_US\n", "\n", "heads"),
    Mutation("heads: a new connection is not told", HEADS, "(routing_id, told) != (session.routing_id, n)", "told != n", "heads"),
    Mutation("heads: who is not there is told", HEADS, "news and session.connected and speaks", "news and speaks", "heads"),
    Mutation("heads: a node that reads none is told", HEADS, " and speaks(AuditHead, session.proto)\n", "\n", "heads"),
    Mutation("heads: told each turn", HEADS, "        return news and", "        return", "heads"),
    Mutation("witness: nobody looks whether a head is genuine", WITNESS, " or not head.genuine():\n", ":\n", "heads", ((WITNESS, "        wrong = contradiction(self._top[who], head)\n", '        wrong = ""\n'),)),
    Mutation("witness: a forged head is kept", WITNESS, " or not head.genuine():\n", ":\n", "logs"),
    Mutation("witness: nobody looks whether a head contradicts", WITNESS, "        wrong = contradiction(self._top[who], head)\n", '        wrong = ""\n', "heads"),
    Mutation("witness: what contradicts is kept all the same", WITNESS, "        if not wrong and head", "        if head", "logs"),
    Mutation("witness: after a full disk a head is not tried again", WITNESS, "                self._heard.pop(who, None)\n", "", "heads"),
    Mutation("witness: a restart forgets the book", WITNESS, "            self._top[who] = book.top()\n", "            self._top[who] = None\n", "logs"),
    Mutation("witness: a restart tells nothing of the book", WITNESS, "            self._top[who] = self._book(who).top()\n", "            pass\n", "heads"),
    Mutation("witness: a log that was rolled back is believed", BOOKS, "    if head.n < before.n:\n", "    if False:\n", "logs"),
    Mutation("witness: a line that was changed is believed", BOOKS, 'if head.n == before.n else ""', "if False else \"\"", "logs"),
    Mutation("witness: another key will do", BOOKS, "    if head.key != before.key:\n", "    if False:\n", "heads"),
    # the city's book of tasks
    Mutation(
        "book: an order leaves before it is saved", TURNS, "        if writes:\n            try:\n", "        self.send(sends)\n        if writes:\n            try:\n", "book",
    ),
    Mutation("book: a full disk holds no order back", TURNS, "                sends = []\n", "", "book"),
    Mutation("book: what a full disk did not take is saved no more", TURNS, "                book.unsaved(changed)\n", "", "again"),
    Mutation("book: after a restart what had left is as it was", BOOK, "            elif record.state == codes.DISPATCHED:\n", "            elif False:\n", "again"),
    Mutation(
        "book: after a restart what had left has expired", BOOK,
        "(codes.PROPOSED, codes.AUTHORISED, codes.SELECTED):\n", "(codes.PROPOSED, codes.AUTHORISED, codes.SELECTED, codes.DISPATCHED):\n", "again",
    ),
    Mutation("book: what was authorised before a restart still leaves", BOOK, "(codes.PROPOSED, codes.AUTHORISED, codes.SELECTED):\n", "(codes.PROPOSED, codes.SELECTED):\n", "book", ((BOOK, "            record.deadline_us = record.done_us = now_us\n", "            record.deadline_us = record.done_us = now_us + WAIT_AGAIN_US\n"),)),
    Mutation("book: any state may follow", BOOK, "        if state not in codes.STATES or not codes.may_become(record.state, state):\n", "        if state not in codes.STATES:\n", "again"),
    Mutation("book: a step that is decided again is ordered again", DISPATCH, "            return known is not None\n", "            return False\n", "again"),
    Mutation("book: sent again after its deadline", DISPATCH, "        if now.us >= record.deadline_us:\n            if now.us >= record.deadline_us + GRACE_US", "        if now.us >= record.deadline_us + GRACE_US:\n            if now.us >= record.deadline_us + GRACE_US", "again"),
    Mutation("book: nothing is given up", DISPATCH, "        if self.book.move(record, codes.UNKNOWN, codes.TIMEOUT, now.utc_us, \"no report from the edge\"):\n", "        if False:\n", "again"),
    Mutation("book: what waits is not taken back", PEOPLE, "        if record.state in _NOT_SENT:\n", "        if False:\n", "book"),
    Mutation("book: one person approves alone", PEOPLE, "        if rule.approvals > 1:\n", "        if rule.approvals > 2:\n", "book"),
    Mutation("book: an approval is not written down", PEOPLE, "approved=[*record.task.approved, who])", "approved=list(record.task.approved))", "book"),
)  # fmt: skip
