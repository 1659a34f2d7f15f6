"""City and edge node are cut off from each other for an hour, and both want the gate: real code, virtual time.

    python -m tests.simtest.partition 1        # a seed; in a process of its own, as the simulation takes the clock away
"""

import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from processes.contract import Outcome, Proposal
from processes.engine import Decision
from protocol import task_codes as codes
from protocol.tasks import task_id

from .city import TASK_ORDER
from .rest import at_rest, final_check
from .simulation import Setup, Simulation
from .world import MINUTE, SECOND

EDGE, GATE = "edge-1", "gate-1/opening"
HOUR = 60 * MINUTE


@dataclass
class Move:
    """The gate's board executed a task."""

    at_us: int
    task_id: bytes
    fence: int
    made_us: int
    requester: str


class Story:
    """One run: together, apart for an hour, together again. The oracle of the simulation watches all of it."""

    def __init__(self, seed: int) -> None:
        self.sim = Simulation(Setup(seed, minutes=180, edges=1, boards=2, keep=()))
        self.moves: list[Move] = []
        self.orders: list[Any] = []
        acting, executed = self.sim.oracle.acting, self.sim.oracle.acting._executed

        def watched(board: Any, actuator: Any, task_id: bytes, setpoint: float) -> None:
            executed(board, actuator, task_id, setpoint)
            entry = self.sim.edges[EDGE].core.guard.entries[task_id]
            intent = acting.intents[task_id]
            move = Move(self.now_us, task_id, intent.fence, entry.task.step_utc_us, entry.requester)
            self.moves.append(move)

        acting._executed = watched

    @property
    def now_us(self) -> int:
        return int(self.sim.world.now_us)

    @property
    def city(self) -> Any:
        return self.sim.city.core.dispatcher

    def begin(self) -> None:
        """Everything starts, and the city moves the gate."""
        for board in self.sim.boards.values():
            self.sim.world.at(SECOND, board.power_on)
        for host in (self.sim.city, *self.sim.edges.values()):
            self.sim.world.at(SECOND, host.start)
        self.until(lambda: any(move.requester == "city" for move in self.moves), "the city to move the gate")

    def until(self, condition: Any, what: str, limit_us: int = HOUR) -> None:
        """Let time pass until something is so."""
        end_us = self.now_us + limit_us
        while not condition():
            assert self.now_us < end_us, f"not within {limit_us / MINUTE:.0f} virtual minutes: {what}"
            self.sim.world.run_until(self.now_us + SECOND)

    def apart(self) -> int:
        """An order gets stuck on its way, then nothing gets through for an hour; return how many orders are stuck."""
        wire = self.sim.wires[EDGE]
        acting, says = self.sim.oracle.acting, self.sim.oracle.acting.city_says
        stuck: list[bytes] = []

        def cut(city: Any, header: list[Any], parts: list[bytes]) -> None:
            says(city, header, parts)
            if header[0] == TASK_ORDER:
                wire.blocked = {"up": False, "down": True}
                stuck.append(parts[1])

        acting.city_says = cut
        self.until(lambda: stuck, "the city to order something")
        acting.city_says = says
        self.sim.world.run_until(self.now_us + SECOND)
        wire.blocked = {"up": True, "down": True}
        healed_us = self.now_us + HOUR
        self.sim.world.run_until(self.now_us + 3 * MINUTE)
        while self.now_us < healed_us:
            self.orders += self.city.decided(self.forecast(), self.sim.city.core.now(self.sim.city.now()), {})
            self.sim.world.run_until(min(healed_us, self.now_us + MINUTE))
        return len(stuck)

    def forecast(self) -> Decision:
        """Return a decision of the city's process that needs no news from the river: it wants the gate elsewhere."""
        now_us = self.sim.city.core.now(self.sim.city.now()).utc_us
        outcome = Outcome(None, (), (), (Proposal("gate", 0.4, 150_000, "forecast"),))
        ids = {"gate": task_id("open-1", now_us, "gate")}
        return Decision("open-1", now_us, outcome, False, True, "act", ids, {"gate": GATE}, (), ())

    def together(self) -> None:
        """The wire is whole again; what was stuck arrives in one burst, and some time passes."""
        self.sim.wires[EDGE].unblock()
        self.sim.world.run_until(self.now_us + 30 * MINUTE)

    def rest(self) -> None:
        """No more samples; everything comes to its end. Raises: Violation."""
        for board in self.sim.boards.values():
            board.stop_sampling()
        self.sim.world.run_until(self.now_us + 8 * MINUTE)
        self.until(lambda: at_rest(self.sim) == "", "all at rest", 20 * MINUTE)
        final_check(self.sim)

    def rows(self) -> list[dict[str, Any]]:
        """Return the city's log of the gate's tasks, oldest first."""
        return [row for row in reversed(self.city.book.rows()) if row["actuator"] == GATE]


def check(seed: int) -> None:
    """Tell the story of a seed and look whether it is right. Raises: AssertionError, Violation."""
    story = Story(seed)
    story.begin()
    stuck_since_us = story.now_us
    wanted = story.city.held_back.total()
    stuck = story.apart()
    healed_us = story.now_us
    assert stuck and story.city.held_back.total() > wanted + 50, "the city wanted the gate all the while"
    assert story.orders == [], "and ordered nothing, as it does not hold it"
    during = [move for move in story.moves if healed_us - HOUR + 5 * MINUTE < move.at_us <= healed_us]
    assert during and {move.requester for move in during} == {"edge"}, "only the local process moved it"
    story.together()
    after = [move for move in story.moves if move.at_us > healed_us]
    assert any(move.requester == "city" for move in after), "the city has the gate again"
    story.rest()
    no_move_conflicts(story)
    nothing_stale_was_done(story, stuck_since_us, healed_us)
    the_log_tells_it_in_order(story, during)


def no_move_conflicts(story: Story) -> None:
    """Whoever moves the gate has a fence of its own, higher than all before; nobody comes back under an old one."""
    fences = [move.fence for move in story.moves]
    assert fences == sorted(fences)
    holders: dict[int, str] = {}
    for move in story.moves:
        assert holders.setdefault(move.fence, move.requester) == move.requester
    assert len({move.task_id for move in story.moves}) == len(story.moves)


def nothing_stale_was_done(story: Story, stuck_since_us: int, healed_us: int) -> None:
    """No order that was made before the wire healed moved the gate after it."""
    boundary = [row["step_utc_us"] for row in story.rows() if row["requester"] == "city"]
    late = [m for m in story.moves if m.at_us > healed_us and m.requester == "city"]
    offset_us = story.sim.city.utc_s() * 1e6 - story.now_us
    assert boundary and all(move.made_us - offset_us > healed_us - MINUTE for move in late)
    executed = {move.task_id.hex() for move in story.moves}
    lost = [row for row in story.rows() if row["requester"] == "city" and row["id"] not in executed]
    assert lost, "what was stuck is in the log too"
    ends = {row["state"] for row in lost}
    assert ends <= {"expired", "refused", "unknown", "superseded", "failed"}, ends


def the_log_tells_it_in_order(story: Story, during: list[Move]) -> None:
    """The city's log has what the edge node did meanwhile, each task's states and the fences in their order."""
    rows = story.rows()
    by_id = {row["id"]: row for row in rows}
    assert all(by_id[move.task_id.hex()]["requester"] == "edge" for move in during)
    for row in rows:
        times = [step["utc_us"] for step in row["history"]]
        assert times == sorted(times), row
        states = [next(n for n, name in codes.STATES.items() if name == step["state"]) for step in row["history"]]
        assert all(codes.may_become(a, b) for a, b in pairwise(states)), row
    fences = [by_id[move.task_id.hex()]["fence"] for move in story.moves if move.task_id.hex() in by_id]
    assert fences == sorted(fences)
    told = [row["requester"] for row in sorted(rows, key=lambda row: (row["fence"], row["step_utc_us"]))]
    turns = [who for at, who in enumerate(told) if at == 0 or told[at - 1] != who]
    assert turns[0] == "city" and turns[-1] == "city" and "edge" in turns


if __name__ == "__main__":
    check(int(sys.argv[1]))
