"""Does an unmodified mpremote reach the files of a board, does the application come back, even one that hangs?"""

from typing import Any

import pytest

from hil_tests.maintenance import mpremote

pytestmark = pytest.mark.system
SPOIL = """
import json
with open("board.json") as file:
    chip = json.load(file)["sensors"][0]["chip"]
with open("lib/drivers/%s.py" % chip, "w") as file:
    file.write("import machine\\nmachine.WDT(timeout=1)\\nwhile True:\\n    pass\\n")
"""
"""Puts source beside the bytecode of a driver, which comes first when it is imported: every start hangs in it."""
MEND = """
import json, os
from firmware.core.boot import sealed
with open("board.json") as file:
    chip = json.load(file)["sensors"][0]["chip"]
try:
    os.remove("lib/drivers/%s.py" % chip)
except OSError:
    pass
with open("state.json") as file:
    state = json.loads(file.read()[:-9])
state["tries"] = 0
with open("state.json", "w") as file:
    file.write(sealed(json.dumps(state)))
"""
"""Takes it away, and forgets the failed starts, as twenty seconds of safe mode and a reset would."""


def test_mpremote_reads_files_and_a_soft_reset_brings_the_application_back(board: Any, bench: Any) -> None:
    board.text()
    board.port.close()
    words = ("exec", "print(sum(range(10)))", "+", "ls", "+", "sha256sum", ":board.json", "+", "soft-reset")
    printed = mpremote(bench.board, *words)
    assert printed.startswith("45") and "main.py" in printed
    board.port.open()
    board.until(lambda: b"firmware " in board.ask("id"), "the application")


@pytest.mark.needs("spoilt file")
def test_three_failed_starts_give_safe_mode_and_a_mended_board_comes_back(board: Any, bench: Any) -> None:
    def status() -> bytes:
        return b" ".join(board.ask("status").split())

    board.text()
    board.port.close()
    try:
        mpremote(bench.board, "exec", SPOIL, "+", "reset")
        board.port.open()
        board.until(lambda: b"SAFE MODE" in status(), "safe mode")
        told = status()
        assert b"watchdog" in told and b"failed before: 3" in told and b"the loop hung" in told
    finally:
        board.port.close()
        mpremote(bench.board, "exec", MEND, "+", "soft-reset")
        board.port.open()
    told = board.until(lambda: (text := status()).count(b"works") > 0 and text, "a board whose sensors work")
    assert b"SAFE MODE" not in told
