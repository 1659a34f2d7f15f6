"""House style as a test. Limits start at the worst there was and only tighten."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = (
    "protocol", "drivers", "models", "durable", "processes", "service", "firmware", "edge_node", "aggregator",
    "simulator", "cityreflex",
)  # fmt: skip
WITH_README = (*FOLDERS, "tests", "docs", "hil_tests")
MODULE_LINES = 400
FUNCTION_LINES = 60
MEDIAN_LINES = 8
README_LINES = 40
WIRING = {"edge_node/node.py": 150, "aggregator/app.py": 150}
# The shims speak with the names and signatures of MicroPython's own modules; its documentation is theirs.
UNDOCUMENTED = ("simulator/vm/",)
TEXT = (".py", ".toml", ".md", ".ini", ".json", ".mjs", ".yml")
MACHINE_PATH = re.compile(r"(?<![\w.:/~])/(?:home|root|Users|work|mnt)/\w")


def tracked(*suffixes: str) -> list[Path]:
    """Files of the repository with one of the suffixes."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in done.stdout.split("\0") if name.endswith(suffixes)]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product by its path."""
    paths = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return {name_of(path): ast.parse(path.read_text()) for path in paths}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public functions, classes and methods; neither setters nor what is defined inside a function."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
            if not any(isinstance(how, ast.Attribute) and how.attr == "setter" for how in node.decorator_list):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def test_modules_are_short() -> None:
    found = {name_of(path): len(path.read_text().splitlines()) for path in tracked(".py")}
    assert {name: n for name, n in found.items() if n >= MODULE_LINES} == {}


def test_functions_are_short() -> None:
    long = {
        f"{name}:{node.lineno} {node.name}": lines(node)
        for name, tree in modules().items()
        for node in functions(tree)
        if lines(node) > FUNCTION_LINES
    }
    assert long == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_most_functions_are_very_short(folder: str) -> None:
    trees = (tree for name, tree in modules().items() if name.startswith(f"{folder}/"))
    found = [lines(node) for tree in trees for node in functions(tree)]
    assert statistics.median(found) <= MEDIAN_LINES


@pytest.mark.parametrize("name", WIRING)
def test_wiring_files_only_wire(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= WIRING[name]


def test_public_names_are_documented() -> None:
    missing = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in modules().items()
        if not name.startswith(UNDOCUMENTED)
        for node in public(tree.body)
        if not ast.get_docstring(node)
    ]
    assert missing == []


def test_modules_say_what_they_are_for() -> None:
    silent = [name for name, tree in modules().items() if not ast.get_docstring(tree)]
    assert [name for name in silent if not (ROOT / name).read_text().startswith("# ")] == []


@pytest.mark.parametrize("folder", WITH_README)
def test_folder_has_a_short_readme(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text()
    assert 3 <= len(text.splitlines()) <= README_LINES


def test_every_readme_is_short() -> None:
    pages = [path for path in tracked("README.md") if path.parent != ROOT]
    assert {name_of(p): n for p in pages if (n := len(p.read_text().splitlines())) > README_LINES} == {}


def test_templates_are_complete() -> None:
    for process in sorted((ROOT / "processes").glob("*/process.py")):
        there = {path.name for path in process.parent.iterdir()}
        assert {"__init__.py", "README.md", "site.toml"} <= there, process.parent.name


def chips() -> list[str]:
    """Drivers that sense: they have channels. Actuators have no virtual chip, the world turns them."""
    names = [path.stem for path in sorted((ROOT / "drivers").glob("*.py"))]
    return [name for name in names if re.search(r"^CHANNELS\b", (ROOT / "drivers" / f"{name}.py").read_text(), re.M)]


def test_there_are_chips() -> None:
    assert {"a02yyuw", "bme280", "ads1115", "scd41", "tipping_bucket", "contact"} <= set(chips())


@pytest.mark.parametrize("chip", chips())
def test_driver_has_its_siblings(chip: str) -> None:
    assert (ROOT / "simulator" / "chips" / f"{chip}.py").exists()
    assert (ROOT / "tests" / "drivers" / f"test_{chip}.py").exists()


def test_no_paths_of_one_machine() -> None:
    found = [
        f"{name_of(path)}:{number}"
        for path in tracked(*TEXT)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if MACHINE_PATH.search(line) and path != Path(__file__)
    ]
    assert found == []


def test_tests_never_sleep() -> None:
    pause = re.compile(r"\btime\.sleep\(")
    tests = [path for path in tracked(".py") if name_of(path).startswith(("tests/", "hil_tests/"))]
    assert [name_of(path) for path in tests if pause.search(path.read_text()) and path != Path(__file__)] == []


def test_every_test_file_has_its_own_name() -> None:
    names = [path.name for path in tracked(".py") if path.name.startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_no_lonely_markers() -> None:
    marker = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    assert [name_of(p) for p in tracked(".py", ".md", ".toml") if marker.search(p.read_text(errors="replace"))] == []
