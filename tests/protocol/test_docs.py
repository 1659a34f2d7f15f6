"""docs/protocol.md says what the code does: its tables are compared with the code."""

import dataclasses
import json
import re
from pathlib import Path

import msgpack
import pytest

from aggregator.link import sessions
from drivers import errors
from edge_node.boards import session as board_session
from edge_node.city import presence
from edge_node.city import side as city_side
from firmware.core import link as firmware_link
from firmware.core import losses, outbox
from firmware.core import tasks as firmware_tasks
from protocol import board_link, checks, city_link, commands, frames, manifest, record, task_codes, task_diagram, tasks
from protocol.errors import LimitError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/protocol.md").read_text()


def table(header: str) -> list[list[str]]:
    """Return the cells of the table whose header row is `header`, row by row."""
    rows = []
    for line in TEXT.partition(f"\n{header}\n")[2].splitlines()[1:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert rows, f"docs/protocol.md has no table {header}"
    return rows


def numbered(header: str) -> dict[int, str]:
    return {int(row[0]): row[1] for row in table(header)}


def test_board_link_kinds():
    rows = table("| kind | name | direction | items after the kind |")
    assert {int(row[0]): row[1] for row in rows} == board_link.KINDS


def test_driver_codes_of_a_fault():
    rows = numbered("| code | name | what happened |")
    assert rows == dict(enumerate(errors.NAMES[1:], 1))


@pytest.mark.parametrize("direction", ["to board", "to host"])
def test_number_of_items_is_that_of_the_golden_vectors(direction):
    path = ROOT / f"protocol/vectors/{direction.replace(' ', '_')}.json"
    bodies = {case["name"]: bytes.fromhex(case["body"]) for case in json.loads(path.read_text())}
    sizes = {name: len(msgpack.unpackb(body)) for name, body in bodies.items()}
    rows = table("| kind | name | direction | items after the kind |")
    used = [(name, items) for _, name, to, items in rows if to == direction and items != "reserved"]
    assert {name: 1 + len(items.split(",")) for name, items in used} == sizes


def test_qualities_causes_states_and_codes():
    assert tuple(numbered("| quality | name |")) == record.QUALITIES
    assert numbered("| cause | name |") == frames.GAP_CAUSES
    assert numbered("| state | name | may become |") == task_codes.STATES
    assert numbered("| code | name | meaning |") == task_codes.CODES


def test_transitions():
    numbers = {name: state for state, name in task_codes.STATES.items()}
    for state, _, targets in table("| state | name | may become |"):
        found = {numbers[name] for name in targets.split(", ") if name}
        assert found == set(task_codes.TRANSITIONS[int(state)])


def test_verbs_of_a_task():
    assert numbered("| verb | name | what the guard does |") == tasks.VERBS


def test_the_diagram_in_tasks_md_is_drawn_from_the_table():
    text = (ROOT / "docs/tasks.md").read_text()
    assert task_diagram.drawing() in text, "run python -m protocol.task_diagram and put it into docs/tasks.md"
    arrows = re.findall(r"^    (\w+) --> (\w+)$", text, re.M)
    names = {name: state for state, name in task_codes.STATES.items()}
    found = {(names[a], names[b]) for a, b in arrows}
    assert found == {(a, b) for a, targets in task_codes.TRANSITIONS.items() for b in targets}


def described(field: dataclasses.Field) -> str:
    """Return how the table writes a field: with `=x` if a peer may leave it out."""
    if "since" not in field.metadata:
        return field.name
    default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
    return f"{field.name}={default}"


def test_city_link_messages():
    rows = table("| kind | message | direction | header items | payload |")
    assert {int(row[0]): row[1] for row in rows} == {k: m.__name__ for k, m in city_link.KINDS.items()}
    for kind, _, direction, items, payload in rows:
        fields = [described(field) for field in dataclasses.fields(city_link.KINDS[int(kind)])]
        assert items.split(", ") + ([payload] if payload else []) == fields
        assert direction == ("to city" if int(kind) < 16 else "to edge")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sensor", manifest.SensorInfo),
        ("channel", manifest.ChannelInfo),
        ("actuator", manifest.ActuatorInfo),
    ],
)
def test_manifest_fields(name, kind):
    rows = {row[0]: row[1] for row in table("| part | fields |")}
    assert rows[name].split(", ") == [field.name for field in dataclasses.fields(kind)]


def test_task_items():
    rows = table("| item | field | meaning |")
    assert [row[1].partition("=")[0] for row in rows] == [field.name for field in dataclasses.fields(tasks.Task)]
    assert [row[0] for row in rows if "=" in row[1]] == [str(n) for n in range(tasks.ITEMS_V1, tasks.ITEMS)]
    assert [int(row[0]) for row in rows] == list(range(len(rows)))


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        (r"Limits: (\d+)\s+bytes of body to the host", frames.MAX_BODY_TO_HOST),
        (r"to the host, (\d+) to the board", frames.MAX_BODY_TO_BOARD),
        (r"to the board, (\d+) records in a frame", frames.MAX_RECORDS_PER_FRAME),
        (r"most\s+(\d+) bytes together", city_link.MAX_MESSAGE),
        (r"at most (\d+) ranges and 8\s+gap ids", frames.MAX_ACK_RANGES),
        (r"At most (\d+) bytes\.", manifest.MAX_BYTES),
        (r"up to (\d+) of \[thing, boot, seq\]", tasks.MAX_CAUSES),
    ],
)
def test_limits(sentence, value):
    found = re.search(sentence, TEXT)
    assert found is not None, sentence
    assert int(found[1]) == value


LIMITS = {
    ("board link", "bytes of a body to the host"): frames.MAX_BODY_TO_HOST,
    ("board link", "bytes of a body to the board"): frames.MAX_BODY_TO_BOARD,
    ("board link", "levels of msgpack to the host"): 4,
    ("board link", "values of msgpack to the host"): 512,
    ("board link", "levels of msgpack to the board"): 3,
    ("board link", "values of msgpack to the board"): 64,
    ("board link", "surplus items"): frames.MAX_SURPLUS,
    ("board link", "records in a samples frame"): frames.MAX_RECORDS_PER_FRAME,
    ("board link", "ranges in an ack"): frames.MAX_ACK_RANGES,
    ("board link", "gap ids in an ack"): frames.MAX_ACK_GAPS,
    ("board link", "characters of a log line"): frames.MAX_LOG_TEXT,
    ("board link", "characters of vm"): 200,
    ("board link", "faults in a status"): frames.MAX_FAULTS,
    ("board link", "actuators in a status"): frames.MAX_ACTUATORS,
    ("board link", "counters in a status"): frames.MAX_COUNTERS,
    ("board link", "bytes of a manifest"): manifest.MAX_BYTES,
    ("board link", "levels of msgpack in a manifest"): 4,
    ("board link", "values of msgpack in a manifest"): 1024,
    ("both", "characters of a name (thing, boot, actuator, edge, hop ...), and at least 1"): checks.MAX_NAME,
    ("both", "characters of a reason or text for people"): 200,
    ("city link", "bytes of header and payload together"): city_link.MAX_MESSAGE,
    ("city link", "levels of msgpack in a header"): 8,
    ("city link", "values of msgpack in a header"): 8192,
    ("city link", "surplus items"): city_link.MAX_SURPLUS,
    ("city link", "records in a batch"): city_link.MAX_MESSAGE // record.SIZE,
    ("city link", "ranges, gaps or clocks in a message"): city_link.MAX_SPANS,
    ("city link", "accounts in a heartbeat"): city_link.MAX_ACCOUNTS,
    ("city link", "keys of a manifest or of health"): 256,
    ("city link", "hop stamps"): 16,
    ("city link", "parts of a Stored"): city_link.MAX_PARTS,
    ("city link", "credit"): city_link.MAX_CREDIT,
    ("city link", "milliseconds of a Wait"): city_link.MAX_WAIT_MS,
    ("city link", "bytes of a task"): tasks.MAX_BYTES,
    ("city link", "levels of msgpack in a task"): 4,
    ("city link", "values of msgpack in a task"): 256,
    ("city link", "causes of a task"): tasks.MAX_CAUSES,
    ("city link", "people that approved a task"): tasks.MAX_APPROVED,
    ("city link", "milliseconds of a task's lease"): tasks.MAX_LEASE_MS,
}


def test_the_table_of_limits():
    rows = table("| wire | what | at most |")
    assert {(wire, what): int(most) for wire, what, most in rows} == LIMITS


def deep(levels: int) -> object:
    """Return an array in an array ..., so many levels in all."""
    return [deep(levels - 1)] if levels > 1 else []


def test_depths_and_counts_of_the_table_are_those_of_the_readers():
    """A log, a sync, a heartbeat with as much in a surplus item as the table allows, and one more."""
    readers = [
        (board_link.decode_board, [4, 30, "x"], 4, 512),
        (lambda body: commands.decode_command(body, 0, len(body)), [5, 7], 3, 64),
        (lambda body: city_link.decode([body, b""]), [19, 88, 99, 64], 8, 8192),
        (tasks.decode, msgpack.unpackb(TASK), 4, 256),
    ]
    for read, items, levels, values in readers:
        read(msgpack.packb([*items, deep(levels - 1)]))
        with pytest.raises(LimitError, match="nested"):
            read(msgpack.packb([*items, deep(levels)]))
        inside = sum(len(item) for item in items if isinstance(item, list | dict))
        inside += sum(len(inner) for item in items if type(item) is list for inner in item if type(inner) is list)
        room = values - len(items) - 1 - inside
        read(msgpack.packb([*items, [0] * room]))
        with pytest.raises(LimitError, match=r"items|more than"):
            read(msgpack.packb([*items, [0] * (room + 1)]))


TASK = tasks.encode(
    tasks.Task(
        bytes(16), "gate-1/opening", 0.5, 1, "flood", 1, "edge-1", "b", 1, 1,
        epoch=3, rank="operator", person="anna", approved=["ben"],
    )
)  # fmt: skip


def test_the_examples_byte_by_byte():
    sections = TEXT.split("| bytes | what |\n|---|---|\n")[1:]
    found = [re.findall(r"^\| `([0-9a-f ]+)` \|", section.partition("\n\n")[0], re.M) for section in sections]
    frame, message = (bytes.fromhex("".join(rows).replace(" ", "")) for rows in found)
    assert frame == board_link.build_frame(board_link.encode_sync(77))
    assert [message, b""] == city_link.encode(city_link.CityHeartbeat(88, 99, 64))


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        (r"board link is at version (\d+)", frames.PROTO),
        (r"city link at version (\d+)", city_link.PROTO),
        (r"ignores up to (\d+) surplus items", frames.MAX_SURPLUS),
        (r"not acked for (\d+) s they are sent again", outbox.RESEND_MS // 1000),
        (r"At most (\d+) frames are unacked", outbox.SLOTS),
        (r"as soon as (\d+) wait", outbox.FLUSH_RECORDS),
        (r"the oldest is (\d+) ms old", outbox.FLUSH_MS),
        (r"A gap is sent again each (\d+) s", losses.REPEAT_MS // 1000),
        (r"Keep (\d+) task ids", firmware_tasks.REMEMBERED),
        (r"\| (\d+) s without a valid frame \| -", firmware_link.SILENCE_MS // 1000),
        (r"\| (\d+) s without a valid frame \| down", board_session.DOWN_US // 1_000_000),
        (r"first six: each (\d+) ms", board_session.FIRST_SYNC_EVERY_US // 1000),
        (r"nothing heard for (\d+) s \| not connected", presence.SILENT_US // 1_000_000),
        (r"a gap unacked for (\d+) s", city_side.GAPS_AGAIN_US // 1_000_000),
        (r"silent for (\d+) s", sessions.SILENT_US // 1_000_000),
        (r"does not say it means (\d+)", city_link.DEFAULT_CREDIT),
    ],
)
def test_versions_and_timers(sentence, value):
    found = re.search(sentence, TEXT)
    assert found is not None, sentence
    assert int(found[1]) == value
