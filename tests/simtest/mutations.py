"""Planted bugs: each a small, realistic mistake in the product. `old` must be in the file exactly once.

To add one: a `Mutation` here. `make simtest-mutants` says by which invariant it is caught and after how many seeds;
one that survives means that an invariant or a fault is missing.
"""

from .mutation import Mutation
from .people_mutations import PEOPLE

# ruff: noqa: E501 - the product's lines stay whole, so that they can be found


GROUP, JOURNAL, ROWS = "durable/group.py", "edge_node/journal/journal.py", "edge_node/journal/rows.py"
BOARD_SIDE, STREAMS, UPLINK = "edge_node/boards/side.py", "edge_node/journal/streams.py", "edge_node/city/uplink.py"
GUARD, CHECKS, REACTION = "edge_node/reaction/guard.py", "edge_node/reaction/checks.py", "edge_node/reaction/reaction.py"
TURNS, INGEST, STORE, CITY = "aggregator/turns.py", "aggregator/ingest.py", "aggregator/store/store.py", "aggregator/city.py"
RING, OUTBOX, BOOT = "firmware/core/ring.py", "firmware/core/outbox.py", "firmware/core/boot.py"
LOSSES, LINK, DESK = "firmware/core/losses.py", "firmware/core/link.py", "firmware/core/tasks.py"
ACTUATORS, LEASE, RANGES = "firmware/core/actuators.py", "protocol/lease.py", "protocol/ranges.py"

MUTATIONS = (
    # commit before ack
    Mutation(
        "group tells before it commits", GROUP,
        '                self._isolated(item)\n            self._connection.execute("COMMIT")\n',
        "                self._isolated(item)\n            for item in items:\n                self._tell(item)\n"
        '            self._connection.execute("COMMIT")\n',
        "disks",
        ((GROUP, "        self.commit(items)\n        for item in items:\n            self._tell(item)\n", "        self.commit(items)\n"),),
    ),
    Mutation(
        "city acks before it commits", TURNS,
        "        if await self._commit(group):\n            self.send(self._city.committed(group, self._now()))\n",
        "        self.send(self._city.committed(group, self._now()))\n        if await self._commit(group):\n            pass\n",
    ),
    Mutation(
        "city acks what a full disk refused", TURNS,
        '            _log.error("disk full: no acks", detail=str(error))\n            return False\n',
        '            _log.error("disk full: no acks", detail=str(error))\n            return True\n',
    ),
    Mutation(
        "city orders before it saves", TURNS,
        "        writes = Writes(tasks=(changed := book.take_changed()))\n",
        "        self.send(sends)\n        sends = []\n        writes = Writes(tasks=(changed := book.take_changed()))\n",
    ),
    Mutation("city forgets what a full disk did not save", TURNS, "                book.unsaved(changed)\n", "", "disks"),
    Mutation(
        "edge acks when it queues", BOARD_SIDE,
        "        self._core.journal.store(batch, own, lambda stored: self._stored(batch, stored))\n",
        "        self._core.journal.store(batch, own, lambda stored: self._stored(batch, stored))\n"
        "        self._core.boards[batch.thing].session.acknowledge(batch.boot, [(batch.first, batch.end)])\n",
    ),
    Mutation(
        "gap acked before it is durable", BOARD_SIDE,
        "        self._core.journal.gap(record, self._gap_stored)\n",
        "        self._gap_stored(record)\n        self._core.journal.gap(record, lambda _: None)\n",
    ),
    Mutation(
        "high-water mark instead of ranges (edge)", BOARD_SIDE,
        "        board.session.acknowledge(batch.boot, spans)\n",
        "        board.session.acknowledge(batch.boot, [(0, batch.end)])\n",
    ),
    Mutation(
        "high-water mark instead of ranges (city)", INGEST,
        "    spans = Ranges(owed.ranges).to_list()\n",
        "    spans = [(0, max((end for _, end in owed.ranges), default=0))] if owed.ranges else []\n",
    ),
    Mutation(
        "a full edge disk counts as taken", JOURNAL,
        "                stream.failed(part.first, part.end)\n", "                pass\n",
    ),
    Mutation(
        "an abandoned group stays known", INGEST,
        "            self._planned[frame.thing, frame.boot].remove(frame.first, frame.first + frame.n)\n",
        "            pass\n",
    ),
    # samples
    Mutation(
        "ranges: off by one", RANGES,
        "        low = bisect_left(self._ends, first)\n        high = bisect_right(self._starts, end)\n        if low < high:",
        "        low = bisect_left(self._ends, first - 1)\n"
        "        high = bisect_right(self._starts, end + 1)\n        if low < high:",
    ),
    Mutation("ring: acked bit not cleared", RING, "        self._acked[slot >> 3] &= 0xFF ^ (1 << (slot & 7))\n", ""),
    Mutation(
        "ring: an overflow is not noted", RING,
        "            if self.lost_to == self.lost_from:\n                self.lost_from = tail\n"
        "            self.lost_to = self.tail\n",
        "",
    ),
    Mutation(
        "ring: off by one in an ack", RING,
        "for seq in range(max(start, self.tail), min(end, self.head)):",
        "for seq in range(max(start, self.tail), min(end + 1, self.head)):",
    ),
    Mutation(
        "outbox: slots leak", OUTBOX,
        "            if not self._ring.is_acked(seq):\n                return True\n        return False\n",
        "            if not self._ring.is_acked(seq):\n                return True\n        return True\n",
        "boards",
    ),
    Mutation(
        "outbox: never sends again", OUTBOX,
        "now_ms - self._sent_ms[slot] >= RESEND_MS:", "now_ms - self._sent_ms[slot] >= 1000000 * RESEND_MS:",
    ),
    Mutation(
        "outbox: a new session forgets the backlog", OUTBOX,
        "        self._backlog = self._ring.tail\n", "        self._backlog = self._ring.head\n",
    ),
    Mutation(
        "boot: counter begins again", BOOT, '        self.counter = state["counter"] + 1\n', "        self.counter = 1\n",
    ),
    Mutation(
        "boot: the power gap's floor is too high", BOOT,
        "        self.floor = floor\n        self.reserved = head + self._block\n",
        "        self.floor = head\n        self.reserved = head + self._block\n",
        "boards",
    ),
    Mutation(
        "boot: nothing is declared after a power cut", BOOT,
        '        elif state["floor"] < state["reserved"]:\n', '        elif state["floor"] < 0:\n',
    ),
    Mutation(
        "boot: gaps are not kept over a restart", BOOT, '        self.gaps = state["gaps"]\n', "        self.gaps = []\n",
        "boards",
    ),
    Mutation(
        "losses: an overflow is told once", LOSSES,
        "        ring = self._ring\n        while ring.lost_before and len",
        "        self.overflows = []\n        ring = self._ring\n        while ring.lost_before and len",
    ),
    Mutation(
        "board: acks of other boots count", LINK,
        "        if items[1] == self._node.boot.id:\n", "        if items[1]:\n", "boards",
    ),
    Mutation(
        "journal: gaps are not durable", JOURNAL,
        "        self._submit(lambda c: rows.insert_gap(c, gap), done)\n",
        "        self._submit(lambda c: None, done)\n",
    ),
    Mutation(
        "journal: own samples are numbered in memory", ROWS,
        "    return int(row[0]) if row else 0\n\n\ndef ensure", "    return max(0, int(row[0]) - 1) if row else 0\n\n\ndef ensure",
    ),
    Mutation(
        "uplink: what was in flight is forgotten when the city is back", UPLINK,
        "        self._cursor, self._backlog_end = 0, self._end\n        self.pace.begin()\n",
        "        self._cursor = self._backlog_end = self._end\n        self.pace.begin()\n",
    ),
    Mutation(
        "uplink: the window is one too long", UPLINK,
        "while len(items) < limit and len(self.flying) < self.pace.credit:",
        "while len(items) < limit and len(self.flying) <= self.pace.credit:",
        "links",
    ),
    Mutation(
        "uplink: never sends again", UPLINK,
        "            if now_us - flight.sent_us <= self.pace.resend_us:\n", "            if True:\n",
    ),
    Mutation(
        "store: a gap record is lost", STORE,
        "    connection.executemany(_INSERT_GAP, [_gap_row(gap) for gap in writes.group.gaps])\n", "",
    ),
    Mutation(
        "store: frames of a group share an offset", STORE, "        at += len(f.records)\n", "        at = len(f.records)\n",
    ),
    Mutation(
        # the store's key (thing, boot, first) would only crash
        "ingest: a new piece begins one sample too early", INGEST,
        "        self.group.frames += [_piece(batch, a, b, now_us) for a, b in new]\n",
        "        self.group.frames += [_piece(batch, max(batch.first, a - 1), b, now_us) for a, b in new]\n",
        "links",
        (("aggregator/store/schema.py", "INSERT INTO frames(", "INSERT OR IGNORE INTO frames("),),
    ),
    # tasks
    Mutation(
        "guard: executes again after a crash", "edge_node/reaction/task_entry.py",
        '    entry.become(codes.UNKNOWN, codes.TIMEOUT, "the edge node restarted")\n',
        "    entry.state = codes.DISPATCHED if entry.open else entry.state\n",
    ),
    Mutation(
        "guard: forgets tasks over a restart", "edge_node/assembly.py",
        "    guard.restore(_kept_tasks(journal))\n", "", "orders",
    ),
    Mutation(
        "guard: the command leaves before its intent is durable", REACTION,
        "        self._core.journal.submit(lambda c: rows.put_task(c, task_id, state, now_us, blob, table), done)\n",
        "        self._core.journal.submit(lambda c: rows.put_task(c, task_id, state, now_us, blob, table))\n"
        "        if done is not None:\n            done(None)\n",
    ),
    Mutation(
        "guard: no second look at the deadline", GUARD,
        "        code, text = self._refusal(entry, now_us)\n        if code != codes.OK:\n"
        "            self._count(code, entry.who",
        "        code, text = codes.OK, \"\"\n        if code != codes.OK:\n            self._count(code, entry.who",
        "orders",
    ),
    Mutation(
        "guard: signatures are not looked at", GUARD, "        if not genuine:\n", "        if genuine is None:\n", "orders",
    ),
    Mutation(
        "guard: interlocks are skipped", CHECKS,
        "    if limits.engaged and task.setpoint != info.safe:\n", "    if False:\n",
    ),
    Mutation(
        "guard: an old fence is good enough", "edge_node/reaction/arbiter.py",
        "        return self.holder(now_us) == holder and fence == self._lease.fence\n",
        "        return self.holder(now_us) == holder\n",
        "orders",
    ),
    Mutation(
        "guard: fences begin again at a restart", "edge_node/assembly.py",
        "        first_fence=identity.starts * FENCES_PER_START,\n", "        first_fence=FENCES_PER_START,\n",
    ),
    Mutation(
        "guard: a higher rank takes over under the old fence", LEASE,
        "        self.fence += 1\n        self._holder = holder\n",
        "        self.fence += self._holder == \"\"\n        self._holder = holder\n",
    ),
    Mutation(
        "guard: a task of an older epoch is obeyed", CHECKS,
        "    if task.epoch < node.epoch", "    if task.epoch < 0", "keys",
    ),
    Mutation(
        "command counters begin again at a restart", ROWS,
        "    first = max(at_least, int(row[0]) if row else 1)\n", "    first = at_least\n",
    ),
    Mutation(
        "city: the deadline is in the city's own clock", "aggregator/tasks/dispatch.py",
        "        edge_now_us = session.edge_now_us(now.us) or 0\n", "        edge_now_us = now.us\n",
    ),
    Mutation(
        "city: sends again after a restart", "aggregator/tasks/book.py",
        "            elif record.state == codes.DISPATCHED:\n", "            elif record.state == codes.UNKNOWN:\n",
        "orders",
        (("aggregator/tasks/book.py", "record.deadline_us = record.done_us = now_us\n", "record.deadline_us = record.done_us = now_us + 5_000_000\n"),),
    ),
    # boards
    Mutation(
        "desk: nonce not checked", DESK, "        elif nonce != self._nonce:\n", "        elif not nonce:\n", "commands",
    ),
    Mutation(
        "desk: counter >= instead of >", DESK, "        elif counter <= self._counter:\n", "        elif counter < self._counter:\n", "commands",
    ),
    Mutation(
        "desk: MAC not checked", DESK,
        "        if mac.equal(mac.hmac_sha256(self._key, payload), signature):\n", "        if len(signature) == 32:\n", "commands",
    ),
    Mutation(
        "desk: acks of anybody count", DESK,
        "            if self._signed(payload, signature) and items[0] == self._nonce:\n", "            if items[0] == self._nonce:\n", "boards",
    ),
    Mutation(
        "desk: acks of an earlier start count", DESK,
        "            if self._signed(payload, signature) and items[0] == self._nonce:\n", "            if self._signed(payload, signature):\n", "boards",
    ),
    Mutation(
        "desk: unsigned acks count for ever", DESK, "        return not self._signs\n", "        return True\n", "boards",
    ),
    Mutation(
        "desk: deadlines are not looked at", DESK,
        "        elif diff_ms(clock.wrap, clock.ticks, not_after[0], not_after[1]) >= 0:\n",
        "        elif diff_ms(clock.wrap, clock.ticks, not_after[0], not_after[1]) >= 1 << 40:\n",
        "orders",
    ),
    Mutation(
        "a lease never lapses", LEASE,
        "        return not self._holder or now_ms >= self.until_ms\n", "        return not self._holder\n", "",
        ((LEASE, "else self.until_ms - now_ms\n", "else max(0, self.until_ms - now_ms)\n"),),  # which would only crash
    ),
    Mutation(
        "actuator: a lapsed lease leaves the output", ACTUATORS,
        "codes.LOCAL_STOP if reason == STOPPED else codes.LINK_DOWN)\n        self._go_safe(actuator, reason)\n",
        "codes.LOCAL_STOP if reason == STOPPED else codes.LINK_DOWN)\n",
    ),
    Mutation(
        "actuator: the lease is as long as the task wants", ACTUATORS,
        "        now_ms = self._clock.ms\n        lease_ms = min(lease_ms, actuator.lease_ms)\n",
        "        now_ms = self._clock.ms\n        lease_ms = 100 * lease_ms\n",
    ),
    Mutation(
        "silence leaves the outputs", "firmware/core/node.py",
        "            self.actuators.silent()\n", "            pass\n", "boards",
    ),
    Mutation(
        "outputs: the interlock lets both on", "protocol/interlock.py",
        "        if outputs_on_mask & ~bit:\n            return False\n", "", "",
        ((CHECKS, "    if limits.engaged and", "    if not limits and"),),
    ),
    Mutation(
        "session: another run under a known boot id is believed", "edge_node/boards/session.py",
        "        if self.nonces.setdefault(hello.boot, hello.nonce) != hello.nonce:\n",
        "        if self.nonces.setdefault(hello.boot, hello.nonce) == b\"\":\n", "boards",
    ),
    Mutation(
        "journal: what has decayed is sent", JOURNAL,
        "            records = opened(stored)\n", "            records = stored[:-4]\n", "disks",
    ),
    # keys and epochs
    Mutation(
        "gate fails open", "aggregator/link/zap.py",
        "    user = allowed.keys.get(bytes(request[6]))\n", '    user = allowed.keys.get(bytes(request[6]), "edge-1/nobody")\n', "keys",
    ),
    Mutation(
        "messages of dead keys are taken", CITY,
        "        if refusal:\n            raise PeerError(refusal,", "        if refusal == \"\":\n            raise PeerError(refusal,", "keys",
    ),
    Mutation(
        "revoked keys are still served", "aggregator/keys/keyring.py",
        "        key = self.keys.pop(name)\n", "        key = self.keys[name]\n", "keys",
    ),
    Mutation(
        "the old key is never retired", "aggregator/keys/keyring.py",
        "            if key.retire_us and self.now_us >= key.retire_us:\n", "            if False:\n", "keys",
    ),
    Mutation(
        "a restore keeps the epoch", "aggregator/backup/swap.py",
        "    return max(copy + 1, present + 1, now_utc_s)\n", "    return max(copy, 1)\n", "keys",
    ),
    *PEOPLE,
)  # fmt: skip
