"""Does an unmodified mpremote reach the files of a board, and does the application come back?"""

import subprocess
import sys
from typing import Any

import pytest

from tests.waiting import LIMIT_S

pytestmark = pytest.mark.system


def mpremote(port: str, *words: str) -> str:
    """What mpremote printed."""
    command = [sys.executable, "-m", "mpremote", "connect", port, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S).stdout


def test_mpremote_reads_files_and_a_soft_reset_brings_the_application_back(board: Any, port: str) -> None:
    thing = board.greet().thing
    board.until(lambda: b"thing" in board.ask(b"id\r\n"), "text mode, five seconds after the last frame")
    board.port.close()
    printed = mpremote(port, "exec", "print(sum(range(10)))", "+", "ls", "+", "sha256sum", ":board.json")
    assert printed.startswith("45") and "main.py" in printed
    mpremote(port, "soft-reset")
    board.port.open()
    assert board.greet().thing == thing
