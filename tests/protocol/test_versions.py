"""Versions: the highest common one, what release 0.1.0 wrote is read, and what it demands is written."""

import json
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import board_link, city_link, commands, tasks, versions

RECORDED = json.loads((Path(__file__).parent / "recorded_0_1_0.json").read_text())
"""Bytes that release 0.1.0 wrote, one message of each kind of both wires."""
spans = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted).map(tuple)


@given(spans, spans)
def test_the_highest_version_that_both_speak(theirs, ours):
    both = set(range(theirs[0], theirs[1] + 1)) & set(range(ours[0], ours[1] + 1))
    assert versions.common(*theirs, *ours) == max(both, default=0)


def test_a_mismatch_says_which_side_to_update():
    new, old = ("edge-1", 3, 4), ("this city", 1, 2)
    told = "edge-1 speaks city link versions 3 to 4, this city versions 1 to 2: update this city"
    assert versions.mismatch(new, old, "city link") == told
    assert versions.mismatch(old, new, "link").endswith("edge-1 versions 3 to 4: update this city")
    assert versions.mismatch(("a", 0, 0), ("b", 1, 2), "w") == "a speaks w version 0, b versions 1 to 2: update a"


@pytest.mark.parametrize("case", RECORDED["city_link"], ids=lambda case: case["message"])
def test_what_0_1_0_wrote_is_read_and_written_again_alike(case):
    parts = [bytes.fromhex(case["header"]), bytes.fromhex(case["payload"])]
    message = city_link.decode(parts)
    assert type(message).__name__ == case["message"]
    assert city_link.encode(message, 1) == parts


def test_all_kinds_of_0_1_0_are_recorded():
    kinds = {msgpack.unpackb(bytes.fromhex(case["header"]))[0] for case in RECORDED["city_link"]}
    assert kinds == {kind for kind, made in city_link.KINDS.items() if city_link.speaks(made, 1)}


def test_a_task_of_0_1_0_is_read_and_written_again_alike_so_its_signature_stays_good():
    data = bytes.fromhex(RECORDED["task"])
    task = tasks.decode(data)
    assert (task.reason, task.epoch) == ("level is high", 0)
    assert tasks.encode(task) == data


def test_what_boards_and_hosts_of_0_1_0_wrote_is_read():
    for name, body in RECORDED["to_host"].items():
        message = board_link.decode_board(bytes.fromhex(body))
        assert type(message).__name__.lower() in name.replace("_", "").replace("sync", "syncreply")
    for body in [*RECORDED["to_board"].values(), RECORDED["board_hello"]]:
        data = bytes.fromhex(body)
        assert commands.decode_command(data, 0, len(data)) == msgpack.unpackb(data)
