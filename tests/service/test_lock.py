"""A directory belongs to one process, and to nobody once that process is dead."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import InUseError
from service.lock import hold

HOLDER = """
import sys
from pathlib import Path
from service.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InUseError, match=f"in use by process {other.pid}"), hold(tmp_path):
            pass
        other.kill()
        other.wait(90)
        with hold(tmp_path):
            assert (tmp_path / "lock").read_text().strip() != str(other.pid)


def test_a_directory_is_free_again_after_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path / "deep"):
            pass
