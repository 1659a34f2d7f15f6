"""Who put ID.ack into the folder of a channel: only a file is an answer, and nothing there holds the city up."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aggregator.notify.sending import acked_by

ENTRY: Any = SimpleNamespace(id="0a")


@pytest.mark.parametrize(
    ("text", "who"), [("warden Lee\nat the gate\n", "warden Lee"), ("", "somebody"), ("x" * 99, "x" * 64)]
)
def test_its_first_line_says_who(tmp_path: Path, text: str, who: str) -> None:
    assert acked_by(tmp_path, ENTRY) is None
    (tmp_path / "0a.ack").write_text(text)
    assert acked_by(tmp_path, ENTRY) == who


def link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_suffix(".fifo"))
    path.symlink_to(path.with_suffix(".fifo"))


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, link_to_fifo, lambda path: path.symlink_to("/dev/zero")],
    ids=["a FIFO", "a folder", "a link to a FIFO", "a device"],
)  # fmt: skip
def test_what_is_no_file_is_no_answer_and_nobody_waits_for_it(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "0a.ack")
    assert acked_by(tmp_path, ENTRY) is None
