"""The worlds that are searched. To add one: a Plan here; its `depth` is what the gate searches."""

from protocol.tasks import CANCEL, OPERATE, RESET, SELECT, TRIP
from service.risk import Rule

from .acting import Acting
from .book import AGAIN, BOOK
from .lines import Command, Line, LinePlan
from .lone import Lone, LonePlan
from .named import KEYS
from .plans import Plan, Wish
from .witness import HEADS, LOGS

PUMP = (("pump", ("fill", "drain")),)
GATE = (("gate", ("opening",)),)
TWO = (("left", ("run",)), ("right", ("run",)))

PLANS: tuple[Plan | LinePlan | LonePlan, ...] = (
    LinePlan(
        "line", "one board with two outputs that exclude each other: any order of commands, forged ones, lost power",
        ("fill", "drain"), (Command(0, 1.0, 2000), Command(1, 1.0, 2000), Command(0, None, 2000), Command(1, None, 0)),
        steps=4, restarts=1, depth=6,
    ),
    LinePlan(
        "silence", "a lease longer than the silence of the link that a board bears",
        ("fill", "drain"), (Command(0, 1.0, 9000),), steps=8, silence=True, depth=12,
    ),
    Plan(
        "order", "one order of the city; edge node and board crash, orders and commands are forged",
        GATE, (Wish("city", "gate/opening", 1.0),), steps=5, edge_crashes=1, board_crashes=1, forged=True, depth=7,
    ),
    Plan(
        "rivals", "city and a local process want two outputs that exclude each other",
        PUMP, (Wish("city", "pump/fill", 1.0), Wish("edge", "pump/drain", 1.0)), steps=4, depth=6,
    ),
    Plan(
        "ranks", "city, a person, safety and a local process want the same output",
        GATE,
        (Wish("city", "gate/opening", 1.0), Wish("operator", "gate/opening", 0.0), Wish("safety", "gate/opening", 1.0),
         Wish("edge", "gate/opening", 1.0)), steps=4, depth=6,
    ),
    Plan(
        "set", "two boards whose outputs exclude each other; a link is cut, a board crashes",
        TWO, (Wish("edge", "left/run", 1.0), Wish("edge", "right/run", 1.0)), steps=6, cuts=1, board_crashes=1,
        sets=(("left/run", "right/run"),), lease_ms=3000, board_lease_ms=3000, valid_ms=6000, depth=5,
    ),
    Plan(
        "mute", "the same two boards, whose answers may never come: far enough for the guard to give up",
        TWO, (Wish("edge", "left/run", 1.0), Wish("edge", "right/run", 1.0)), steps=2,
        sets=(("left/run", "right/run"),), lease_ms=3000, board_lease_ms=3000, valid_ms=6000, wire=1, depth=10,
    ),
    Plan(
        "halt", "trip and local stop of a city's order, each ended again; the edge node crashes",
        GATE, (Wish("city", "gate/opening", 1.0),), steps=3, halts=1, edge_crashes=1, depth=6,
    ),
    Plan(
        "trip", "trip and local stop of what a local process asked for",
        GATE, (Wish("edge", "gate/opening", 1.0),), steps=3, halts=1, depth=7,
    ),
    Plan(
        "effect", "the effect of a task is observed or not; the setpoint's time ends; a board crashes, a link is cut",
        GATE, (Wish("edge", "gate/opening", 1.0),), steps=5, feedback=True, board_crashes=1, cuts=1, valid_ms=2000,
        depth=7,
    ),
    Plan(
        "select", "two people want a hazardous output; orders that are not what was selected bear the same id",
        GATE,
        (Wish("operator", "gate/opening", 1.0, "ann", verbs=(SELECT, OPERATE)),
         Wish("operator", "gate/opening", 0.5, "ann", verbs=(OPERATE,), of=0),
         Wish("operator", "gate/opening", 1.0, "bob", verbs=(OPERATE,), of=0),
         Wish("operator", "gate/opening", 1.0, "bob", verbs=(SELECT,))),
        steps=3, start_ms=3500, ready=(0, 1, 2, 3), halts=1, rule=Rule(hazardous=True), select_ms=2000, lease_ms=3000,
        depth=5,
    ),
    Plan(
        "approve", "orders of one person, of the same one twice, of two distinct people, where two must be",
        GATE,
        (Wish("operator", "gate/opening", 1.0, "ann"), Wish("operator", "gate/opening", 1.0, "ann", ("ann",)),
         Wish("operator", "gate/opening", 1.0, "ann", ("bob",))),
        steps=3, start_ms=2500, ready=(0, 1, 2), edge_crashes=1, rule=Rule("high", approvals=2, automation=False),
        depth=5,
    ),
    Plan(
        "behalf", "the same, of a process that may not act alone",
        GATE,
        (Wish("city", "gate/opening", 1.0), Wish("city", "gate/opening", 1.0, approved=("ann",)),
         Wish("city", "gate/opening", 1.0, approved=("ann", "bob"))),
        steps=3, start_ms=2500, ready=(0, 1, 2), rule=Rule("high", approvals=2, automation=False), depth=5,
    ),
    Plan(
        "cancel", "a person takes back an order, before it comes, while it is under way and after; another one follows",
        GATE,
        (Wish("operator", "gate/opening", 1.0, "ann", verbs=(OPERATE, CANCEL)), Wish("city", "gate/opening", 1.0)),
        steps=3, start_ms=2500, ready=(0,), edge_crashes=1, depth=5,
    ),
    Plan(
        "rate", "more orders than may leave in a minute; one to the safe setpoint",
        GATE,
        (Wish("operator", "gate/opening", 1.0, "ann"), Wish("operator", "gate/opening", 1.0, "ann"),
         Wish("operator", "gate/opening", 0.0, "ann")),
        steps=3, start_ms=2500, ready=(0, 1, 2), rule=Rule(max_per_min=1), depth=5,
    ),
    Plan(
        "evidence", "orders on fresh causes, on old ones and on none; the actuator's own feedback comes or not",
        GATE,
        (Wish("city", "gate/opening", 1.0), Wish("city", "gate/opening", 1.0),
         Wish("city", "gate/opening", 1.0, dated=False)),
        steps=4, start_ms=3500, ready=(0, 2), edge_crashes=1, feedback=True, rule=Rule(evidence_s=1.0),
        lease_ms=4000, depth=5,
    ),
    Plan(
        "person", "trips and resets by orders of people, of nobody and again; the local stop; the edge node crashes",
        GATE,
        (Wish("city", "gate/opening", 1.0), Wish("operator", "gate/opening", 0.0, "ann", verbs=(TRIP,)),
         Wish("operator", "gate/opening", 0.0, "ann", verbs=(RESET,)),
         Wish("city", "gate/opening", 0.0, verbs=(RESET,)),
         Wish("operator", "gate/opening", 0.0, "bob", verbs=(TRIP,))),
        steps=3, start_ms=2500, ready=(1, 2, 3, 4), halts=1, edge_crashes=1, depth=4,
    ),
    Plan(
        "reflex", "a node that signs what its processes ask; they, and others in their name, want more than they may",
        GATE,
        (Wish("edge", "gate/opening", 1.0),
         Wish("edge", "gate/opening", 0.0, "ann", verbs=(RESET,), own=True),
         Wish("city", "gate/opening", 1.0),
         Wish("edge", "gate/opening", 1.0, verbs=(CANCEL,), of=2, own=True)),
        steps=2, halts=1, reflex=True, depth=4,
    ),
    Plan(
        "alone", "the same, where two people must stand behind what a process asks",
        GATE,
        (Wish("edge", "gate/opening", 1.0), Wish("edge", "gate/opening", 1.0, approved=("ann", "bob"), own=True),
         Wish("operator", "gate/opening", 1.0, "ann", ("bob",))),
        steps=2, start_ms=2500, ready=(2,), reflex=True, rule=Rule("high", approvals=2, automation=False), depth=5,
    ),
    BOOK,
    AGAIN,
    KEYS,
    HEADS,
    LOGS,
)  # fmt: skip


def world(plan: Plan | LinePlan | LonePlan) -> Acting | Line | Lone:
    """Return the world of a plan."""
    if isinstance(plan, LonePlan):
        return Lone(plan)
    return Acting(plan) if isinstance(plan, Plan) else Line(plan)
