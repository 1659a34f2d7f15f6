"""What the hardware suite did not try is told: in a list with its count, in the exit code, in JUnit XML."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil_tests import conftest
from hil_tests.needs import NOT_TRIED
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]
CONFTEST = """
import pytest
from hil_tests.conftest import *
from hil_tests.conftest import _needed, Bench

@pytest.fixture(scope="session")
def bench():
    return Bench("/dev/null", None, bytes(32), False, False)
"""
TESTS = """
import pytest

@pytest.mark.needs("key")
def test_what_only_needs_the_key(measured):
    measured("42 ms")

@pytest.mark.needs("power", "key")
def test_what_needs_more():
    raise AssertionError("there is no power to cut")
"""
FAILING = """
def test_what_fails():
    assert False
"""
UNKNOWN = """
import pytest

@pytest.mark.needs("luck")
def test_what_needs_what_nobody_has_heard_of():
    pass
"""


def run(folder: Path, *words: str, **files: str) -> tuple[int, str]:
    """Exit code and output of a suite of these files, with the plugins of the hardware suite."""
    suite = folder / "sample_hil_tests"
    suite.mkdir()
    for name, text in {"conftest": CONFTEST, **files}.items():
        (suite / f"{name}.py").write_text(text)
    return pytest_at(folder, "--rootdir", str(folder), "-o", "addopts=--import-mode=importlib", *words, str(suite))


def pytest_at(folder: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_not_tried_is_a_list_a_count_and_an_exit_code_of_its_own(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--junit-xml", "junit.xml", test_some=TESTS)
    assert code == NOT_TRIED, said
    assert "not tried: needs power: sample_hil_tests/test_some.py::test_what_needs_more" in said
    assert "1 tried, 1 NOT TRIED" in said and "1 passed, 1 skipped" in said
    assert "test_what_only_needs_the_key: 42 ms" in said
    xml = (tmp_path / "junit.xml").read_text()
    assert '<property name="not_tried" value="power"' in xml and 'message="not tried: needs power"' in xml


def test_a_failure_is_a_failure_whatever_else_was_not_tried_and_so_is_a_need_of_nobody_s(tmp_path: Path) -> None:
    code, said = run(tmp_path, test_some=TESTS, test_worse=FAILING, test_odd=UNKNOWN)
    assert code == pytest.ExitCode.TESTS_FAILED and "2 tried, 1 NOT TRIED" in said
    assert "needs ['luck']; expected some of contact, tips" in said


def test_a_real_board_without_a_fixture_leaves_most_untried_and_says_so() -> None:
    code, said = pytest_at(ROOT, "-q", "hil_tests/test_outputs.py", "hil_tests/test_fixture.py", "--board", "/dev/null")
    assert code == NOT_TRIED, said
    assert "0 tried, " in said and "not tried: needs relay, stop, key" in said and "not tried: needs fixture" in said


@pytest.mark.parametrize(
    ("options", "found"),
    [({"key": "k"}, "found --key or --fixture without --board"), ({"board": "x", "numprocesses": 2}, "found -n with")],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], found: str) -> None:
    option = SimpleNamespace(**{"board": None, "key": None, "fixture": None, **options})
    manager = SimpleNamespace(register=lambda *_: None)
    with pytest.raises(pytest.UsageError, match=found):
        conftest.pytest_configure(SimpleNamespace(option=option, pluginmanager=manager, addinivalue_line=print))


def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, said = pytest_at(ROOT, "-q", "hil_tests/test_board_answers.py", "--board", str(tmp_path / "none"))
    assert code == pytest.ExitCode.USAGE_ERROR and "--board: " in said and str(tmp_path / "none") in said
    assert "next: plug it in" in said


def test_a_port_at_which_nobody_answers_ends_the_run_with_what_to_check() -> None:
    host, port = os.openpty()
    try:
        began = time.monotonic()
        name = os.ttyname(port)
        code, said = pytest_at(ROOT, "-q", "hil_tests/test_board_answers.py", "--board", name)
    finally:
        os.close(host)
        os.close(port)
    assert code == pytest.ExitCode.USAGE_ERROR, said
    assert f"--board: {name}: expected a hello within 12 s, found nothing; next: check that TX and RX" in said
    assert time.monotonic() - began < LIMIT_S


@pytest.mark.parametrize("content", [None, bytes(31)])
def test_a_key_that_is_none_is_refused_with_the_options(tmp_path: Path, content: bytes | None) -> None:
    key = tmp_path / "bench.key"
    if content is not None:
        key.write_bytes(content)
    code, said = pytest_at(ROOT, "-q", "hil_tests", "--board", "/dev/null", "--key", str(key))
    assert code == pytest.ExitCode.USAGE_ERROR, said
    assert f"--key {key}: found " in said and "expected the 32 bytes" in said and "Traceback" not in said
