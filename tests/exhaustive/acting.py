"""Worlds of one edge node with its boards, and adversaries who ask: city, local processes, people, safety.

The wires forget nothing until a few newer messages were sent: what was ever sent may arrive never, late, more than
once, in any order. So loss, delay, duplication and reordering need no actions of their own. Orders of the city are
never forgotten. Time passes in steps; a board has stepped before the next one begins, an edge node need not have.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from protocol import tasks

from .board import BoardPart
from .edge import FORGED, NOT_OWN, OWN, EdgePart
from .hands import STEP_US
from .parts import Broken, Parts
from .plans import Plan, Wish, forged, manifest, say, signed
from .search import Action

CALM_STEPS = 14


class At(NamedTuple):
    """A state. Parts are numbers in `Parts`; `seen`: (fence, boot) that the city was last told, per actuator."""

    t: int
    edge: int
    boards: tuple[int, ...]
    down: tuple[tuple[Any, ...], ...]
    up: tuple[tuple[Any, ...], ...]
    orders: tuple[tuple[int, int, int, str, int], ...]
    asked: frozenset[int]
    seen: tuple[tuple[int, str], ...]
    left: tuple[int, int, int, int]
    ticked: bool = False
    stepped: tuple[int, ...] = ()


class Acting:
    """The world of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.name = plan, plan.name
        self.edges, self.boards = Parts(), Parts()
        self._things = [thing for thing, _ in plan.boards]
        self._actuators = [f"{thing}/{name}" for thing, names in plan.boards for name in names]
        self._calm: set[tuple[Any, ...]] = set()

    def start(self) -> At:
        """Return the first state: nobody has heard of anybody."""
        plan = self.plan
        manifests = [manifest(thing, names, plan.board_lease_ms, plan.feedback) for thing, names in plan.boards]
        sets = [list(group) for group in plan.sets]
        rules = dict.fromkeys(self._actuators, plan.rule)
        more = {"lease_ms": plan.lease_ms, "within_s": 2.0, "interlocks": sets, "reflex": OWN if plan.reflex else None}
        edge = EdgePart.make(manifests, rules=rules, select_ms=plan.select_ms, **more)
        boards = tuple(
            self.boards.number(BoardPart(thing, list(names), plan.board_lease_ms, thing != "apart"))
            for thing, names in plan.boards
        )
        left = (plan.edge_crashes, plan.board_crashes, plan.cuts, plan.halts)
        at = At(0, self.edges.number(edge), boards, (), (), (), frozenset(), ((0, ""),) * len(self._actuators), left)
        for place in range(len(boards)):
            at = self._step(self._hello(at, place), place)
        for place, holder in self._leased():
            at = self._lease(at, place, holder)
        for place, (_, names) in enumerate(plan.boards):
            for index in range(len(names)):
                at = self._status(at, place, index)
        for number in plan.ready:
            for verb in plan.wishes[number].verbs:
                at = self._make(at, number, verb)
        return at._replace(up=(), stepped=())

    # what may happen

    def actions(self, at: At) -> Iterator[Action]:
        """Return what may happen now."""
        facts = self.edges.facts(at.edge)
        boards = [self.boards.facts(b) for b in at.boards]
        for place, board in enumerate(boards):
            if not board.idle and place not in at.stepped:
                yield ("step", place)  # a turn of a board's loop: more may arrive first, nobody else comes in between
                yield from (("arrive", n) for n, m in enumerate(at.down) if m[0] == self._things[place])
                return
        if at.t < self.plan.steps:
            yield ("pass",)
        if not at.ticked:
            yield ("tick",)
        if facts.pending:
            yield ("commit",)
        yield from (("arrive", n) for n in range(len(at.down)))
        yield from (("told", n) for n in range(len(at.up)))
        yield from self._requests(at)
        for place, board in enumerate(boards):
            knows = facts.nonce[place] == board.nonce and facts.up[place]
            if not knows:
                yield ("hello", place)
            elif at.left[2]:
                yield ("cut", place)
            if knows:
                yield from (("status", place, index) for index in range(len(board.held)))
            if at.left[1]:
                yield ("restart", place)
        yield from self._rare(at, facts)

    def _requests(self, at: At) -> Iterator[Action]:
        made = {(order[0], order[4]) for order in at.orders}
        for number, wish in enumerate(self.plan.wishes):
            if not wish.by_city:
                if number not in at.asked:
                    yield ("ask", number)
            elif at.seen[self._actuators.index(wish.actuator)][0]:
                yield from (("make", number, verb) for verb in wish.verbs if (number, verb) not in made)
        yield from (("lease", place, holder) for place, holder in self._leased())
        yield from (("order", n) for n in range(len(at.orders)))

    def _leased(self) -> list[tuple[int, str]]:
        """Return (place, rank) of the leases that the city asks for: for processes, for people."""
        wanted = {(self._actuators.index(wish.actuator), wish.holder) for wish in self.plan.wishes if _leases(wish)}
        return sorted(wanted)

    def _rare(self, at: At, facts: Any) -> Iterator[Action]:
        if at.left[0]:
            for saved in (False, True) if facts.pending else (False,):
                yield ("crash", saved, False)
            yield ("crash", False, True)
        if facts.latched:
            yield from (("reset", place) for place, actuator in enumerate(self._actuators) if actuator in facts.latched)
            yield from [("clear",)] if "" in facts.latched else []
        elif at.left[3]:
            yield ("stop",)
            yield from (("trip", place) for place in range(len(self._actuators)))
        if self.plan.forged:
            yield ("forged_order",)
            yield from (("forged", n) for n, message in enumerate(at.down) if message[2])
        if self.plan.reflex:
            yield from (("forged_own", how) for how in NOT_OWN)
        if self.plan.feedback:
            yield from (("seen", place, value) for place in range(len(self._things)) for value in (0.0, 1.0))

    # what comes of it

    def after(self, at: At, action: Action) -> At:
        """Return the state after an action. Raises: Broken."""
        return getattr(self, f"_{action[0]}")(at, *action[1:])

    def _edge(self, at: At, name: str, *words: Any) -> At:
        """The edge node takes an event; what it sends is on its way, the city hears of leases."""
        number, out = self.edges.step(at.edge, (name, at.t, *words))
        down, seen = list(at.down), list(at.seen)
        for kind, *what in out:
            if kind == "down":
                message = tuple(what)
                down = [m for m in down if m != message] + [message]
            elif kind == "lease" and what[1] in ("city", "operator"):
                seen[self._actuators.index(what[0])] = (what[2], self.edges.facts(number).boot)
        return at._replace(edge=number, down=tuple(down[-self.plan.wire :]), seen=tuple(seen))

    def _board(self, at: At, place: int, name: str, *words: Any) -> At:
        number, out = self.boards.step(at.boards[place], (name, at.t, *words))
        up = list(at.up)
        for message in out:
            up = [m for m in up if m != message] + [message]
        boards = (*at.boards[:place], number, *at.boards[place + 1 :])
        stepped = tuple(p for p in at.stepped if p != place) + ((place,) if name == "step" else ())
        at = at._replace(boards=boards, up=tuple(up[-self.plan.wire :]), stepped=tuple(sorted(stepped)))
        self._check_sets(at)
        return at

    def _check_sets(self, at: At) -> None:
        """Outputs of a set across boards are never on together."""
        if not self.plan.sets:
            return
        on = set()
        for number, (thing, names) in zip(at.boards, self.plan.boards, strict=True):
            on |= {f"{thing}/{name}" for name, is_on in zip(names, self.boards.facts(number).on, strict=True) if is_on}
        for group in self.plan.sets:
            if len(on & set(group)) > 1:
                raise Broken("both_on", f"{' and '.join(sorted(on & set(group)))} exclude each other and are on")

    def _pass(self, at: At) -> At:
        return at._replace(t=at.t + 1, ticked=False, stepped=())

    def _step(self, at: At, place: int) -> At:
        return self._board(at, place, "step")

    def _tick(self, at: At) -> At:
        return self._edge(at, "tick")._replace(ticked=True)

    def _commit(self, at: At) -> At:
        return self._edge(at, "commit")

    def _arrive(self, at: At, n: int) -> At:
        thing, body, task, fence, deadline_us, _ = at.down[n]
        return self._board(at, self._things.index(thing), "command", body, task, fence, deadline_us)

    def _forged(self, at: At, n: int) -> At:
        """A command as on the line, under a fresh counter, that nobody signed."""
        thing, body, task, fence, deadline_us, _ = at.down[n]
        return self._board(at, self._things.index(thing), "command", forged(body), task, fence, deadline_us)

    def _forged_order(self, at: At) -> At:
        """An order under the fence in force that nobody signed."""
        fence, boot = next((seen for seen in at.seen if seen[0]), (1, "boot-1"))
        words = (FORGED, self.plan.wishes[0], fence, at.t * STEP_US + 1_000_000, boot, self.plan)
        return self._edge(at, "order", signed(*words)[0], bytes(64))

    def _forged_own(self, at: At, how: str) -> At:
        """A task of nobody here comes the way that those of the node's own processes come."""
        return self._edge(at, "forged_own", self._actuators[0], how)

    def _told(self, at: At, n: int) -> At:
        return self._edge(at, "result", *at.up[n][1:])

    def _lease(self, at: At, place: int, holder: str) -> At:
        return self._edge(at, "lease", self._actuators[place], holder)

    def _ask(self, at: At, number: int) -> At:
        wish, plan = self.plan.wishes[number], self.plan
        at = at._replace(asked=at.asked | {number})
        return self._edge(at, "ask", wish, number, (plan.start_ms, plan.valid_ms))

    def _make(self, at: At, number: int, verb: int) -> At:
        fence, boot = at.seen[self._actuators.index(self.plan.wishes[number].actuator)]
        until_us = at.t * STEP_US + self.plan.start_ms * 1000
        return at._replace(orders=(*at.orders, (number, fence, until_us, boot, verb)))

    def _order(self, at: At, n: int) -> At:
        number, fence, until_us, boot, verb = at.orders[n]
        words = (number, self.plan.wishes[number], fence, until_us, boot, self.plan, verb)
        return self._edge(at, "order", *signed(*words))

    def _hello(self, at: At, place: int) -> At:
        at = self._board(at, place, "hello")
        facts = self.boards.facts(at.boards[place])
        return self._edge(at, "hello", self._things[place], facts.nonce, facts.zero)

    def _cut(self, at: At, place: int) -> At:
        return self._edge(self._spend(at, 2), "down", self._things[place])

    def _status(self, at: At, place: int, index: int) -> At:
        thing, names = self.plan.boards[place]
        board = self.boards.facts(at.boards[place])
        return self._edge(at, "status", f"{thing}/{names[index]}", float(board.on[index]), board.held[index])

    def _restart(self, at: At, place: int) -> At:
        return self._board(self._spend(at, 1), place, "restart", at.t)

    def _crash(self, at: At, saved: bool, reboot: bool) -> At:
        return self._edge(self._spend(at, 0), "crash", saved, reboot)

    def _trip(self, at: At, place: int) -> At:
        return self._edge(self._spend(at, 3), "trip", self._actuators[place])

    def _reset(self, at: At, place: int) -> At:
        return self._edge(at, "reset", self._actuators[place])

    def _stop(self, at: At) -> At:
        return self._edge(self._spend(at, 3), "stop")

    def _clear(self, at: At) -> At:
        return self._edge(at, "clear")

    def _seen(self, at: At, place: int, value: float) -> At:
        return self._edge(at, "seen", f"{self._things[place]}/shown", value)

    def _spend(self, at: At, which: int) -> At:
        left = list(at.left)
        left[which] -= 1
        return at._replace(left=tuple(left))

    # when faults end

    def settle(self, at: At) -> None:
        """Faults end, messages arrive, time passes: every task comes to its end, every output to rest."""
        passed, end = [], at.t + CALM_STEPS
        at = at._replace(down=(), up=(), orders=(), asked=frozenset(), seen=at.seen[:0] or at.seen)
        while at.t < end:
            key = (at.t, at.edge, at.boards)
            if key in self._calm:
                break
            passed.append(key)
            if not self._restless(at):
                break
            at = self._calm_step(at)
        else:
            raise Broken("not_at_rest", f"faults are over for {CALM_STEPS} s, and still: {self._restless(at)}")
        self._calm.update(passed)

    def _calm_step(self, at: At) -> At:
        facts = self.edges.facts(at.edge)
        for place in range(len(at.boards)):
            if not facts.up[place] or facts.nonce[place] != self.boards.facts(at.boards[place]).nonce:
                at = self._hello(at, place)
        if facts.pending:
            at = self._commit(at)
        at = self._carry(self._tick(at))
        for place in range(len(at.boards)):
            at = self._board(at, place, "step")
        return self._pass(self._carry(at))

    def _carry(self, at: At) -> At:
        """Deliver all that is on its way, in order."""
        while at.down or at.up:
            down, up = at.down, at.up
            at = at._replace(down=(), up=())
            for thing, body, task, fence, deadline_us, _ in down:
                at = self._board(at, self._things.index(thing), "command", body, task, fence, deadline_us)
            for message in up:
                at = self._edge(at, "result", *message[1:])
        return at

    def _restless(self, at: At) -> str:
        """Return what is not at rest: an open task, something to write, an output that is on."""
        facts = self.edges.facts(at.edge)
        names = [task.rstrip(b"\0").decode() + " is open" for task in facts.open]
        names += ["something is to be written"] if facts.pending else []
        on = [thing for thing, n in zip(self._things, at.boards, strict=True) if any(self.boards.facts(n).on)]
        return ", ".join(names + [f"an output of {thing} is on" for thing in on])

    def words(self, action: Action) -> str:
        """Return what happens, for people."""
        return say(self.plan, self._things, self._actuators, action)


def _leases(wish: Wish) -> bool:
    """Whether the city needs a lease for what somebody wants through it; a trip or reset needs none."""
    return wish.by_city and tasks.OPERATE in wish.verbs
