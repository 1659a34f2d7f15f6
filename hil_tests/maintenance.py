"""An unmodified mpremote at the port of a board that is in text mode."""

import subprocess
import sys

from tests.waiting import LIMIT_S


def mpremote(port: str, *words: str) -> str:
    """Return what mpremote printed. Raises: AssertionError with that, if it failed."""
    command = [sys.executable, "-m", "mpremote", "connect", port, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 0, f"mpremote {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout
