"""`city WORDS` as an operator says it, run in the test's own process: to start one costs two seconds of a core."""

import contextlib
import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from cityreflex.cli import main


class Said(NamedTuple):
    """What a command ended with: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def city(folder: Path, *words: str, given: str = "") -> Said:
    """What `city WORDS` says when called in `folder` with this stdin."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.chdir(folder), redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["city", *words])
        patch.setattr(sys, "stdin", io.StringIO(given))
        patch.setenv("COLUMNS", "200")
        patch.setenv("NO_COLOR", "1")
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return Said(code, out.getvalue(), err.getvalue())
