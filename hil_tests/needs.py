"""What tests declare to need, and the report of those that were not tried for want of it.

`@pytest.mark.needs("contact", "key")`: the test runs where the bench has both, else it is reported as not tried, in a
list of its own at the end, as skipped with `not tried: needs ...` in JUnit XML, and in the exit code.
"""

from collections.abc import Iterable
from typing import Any, NoReturn

import pytest

from .wires import DOES

NOT_TRIED = 8
"""Exit code: nothing failed, something was not tried. pytest's own codes end at 5."""
KEY, FIXTURE, SPOIL = "key", "fixture", "spoilt file"
NEEDS = {
    **DOES,
    FIXTURE: "a fixture, whatever its wires",
    KEY: "--key, which commands the board",
    SPOIL: "--spoil, which lets tests put a broken file on the board and take it away",
}
WANTING, MEASURED = "not_tried", "measured"


def of(item: pytest.Item) -> list[str]:
    """Return what a test declares to need. Raises: pytest.UsageError for what nobody has heard of."""
    found = [str(need) for marker in item.iter_markers("needs") for need in marker.args]
    unknown = [need for need in found if need not in NEEDS]
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: needs {unknown}; expected some of {', '.join(NEEDS)}")
    return found


def refuse(item: pytest.Item, there: Iterable[str]) -> None:
    """Give a test up unless all that it needs is there."""
    missing = ", ".join(need for need in of(item) if need not in set(there))
    if missing:
        give_up(item, missing)


def give_up(item: pytest.Item, missing: str) -> NoReturn:
    """Skip a test as not tried for want of something."""
    item.user_properties.append((WANTING, missing))
    pytest.skip(f"not tried: needs {missing}")


class Report:
    """Gathers what was not tried and what was measured, also from the processes of xdist."""

    def __init__(self) -> None:
        self.wanting: dict[str, str] = {}
        self.measured: dict[str, list[str]] = {}
        self.tried: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test."""
        told: dict[str, list[Any]] = {}
        for name, value in report.user_properties:
            told.setdefault(name, []).append(value)
        if WANTING in told:
            self.wanting[report.nodeid] = told[WANTING][0]
        elif report.when == "call" and "hil_tests" in report.nodeid and not report.skipped:
            self.tried.add(report.nodeid)
            self.measured[report.nodeid] = told.get(MEASURED, [])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print both lists."""
        lines = [f"{name.rpartition('::')[2]}: {text}" for name, texts in self.measured.items() for text in texts]
        if lines:
            terminalreporter.section("hardware suite: measured")
            terminalreporter.write("\n".join(lines) + "\n")
        if self.wanting:
            terminalreporter.section("hardware suite: NOT TRIED")
            for name, missing in self.wanting.items():
                terminalreporter.write_line(f"not tried: needs {missing}: {name}")
            terminalreporter.write_line(f"{len(self.tried)} tried, {len(self.wanting)} NOT TRIED")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End with NOT_TRIED where all else would be well."""
        if self.wanting and session.exitstatus == pytest.ExitCode.OK and not hasattr(session.config, "workerinput"):
            session.exitstatus = NOT_TRIED
