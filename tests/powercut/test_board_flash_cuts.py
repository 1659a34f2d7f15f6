"""A board's `state.json` on real littlefs: a power cut at any flash operation leaves the old text or the new one."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("check_board_flash_cuts.py")


def cuts(*arguments: str) -> list[str]:
    environment = {**os.environ, "MICROPYPATH": f":{REPOSITORY}:.frozen"}
    command = [str(Path(sys.executable).parent / "micropython"), "-X", "heapsize=8M", str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True, env=environment)
    return done.stdout.splitlines()


def test_a_power_cut_leaves_the_old_or_the_new_file() -> None:
    *harm, last = cuts()
    assert harm == []
    assert int(last.split()[1]) > 50


def test_a_file_removed_before_the_rename_is_found_out() -> None:
    assert len(cuts("remove_first")) > 2
