"""docs/protocol.md says what the code does: its tables are compared with the code."""

import dataclasses
import json
import re
from pathlib import Path

import msgpack
import pytest

from protocol import city_link, frames, manifest, record, task_codes, tasks

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
    assert {int(row[0]): row[1] for row in rows} == frames.KINDS


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
