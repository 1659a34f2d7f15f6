"""docs/architecture.md is true: its code exists, its map is what the code imports, links lead somewhere."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()
STEPS = re.findall(r"^\| (\d+) \| `([^`]+)` \|", PAGE, re.M)
PLACES = sorted(set(re.findall(r"`([\w/]+\.py)::([\w.]+)`", PAGE)))
# The path that the design fixes: a sample must still travel through these folders in this order.
ROUTE = [
    "drivers", "firmware", "protocol", "edge_node", "aggregator", "processes", "aggregator", "edge_node", "firmware",
    "drivers", "edge_node", "aggregator",
]  # fmt: skip
MAP = {
    name: set(re.findall(r"\w+", allowed))
    for name, allowed in re.findall(r"^\| `(\w+)` \| .* \| ([^|]+) \|$", PAGE, re.M)
}


def names_in(path: Path) -> set[str]:
    """Functions, classes and `Class.method` of a module."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{item.name}" for item in inner}
    return found


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_named_code_exists(file: str, name: str) -> None:
    assert name in names_in(ROOT / file)


def test_page_opens_with_the_sample() -> None:
    assert PAGE.split("\n## ")[1].startswith("Follow one sample")
    assert [int(number) for number, _ in STEPS] == list(range(1, len(STEPS) + 1))


def test_sample_takes_the_route_of_the_design() -> None:
    folders = [place.split("/")[0] for _, place in STEPS]
    assert [b for a, b in zip(["", *folders], folders, strict=False) if a != b] == ROUTE


def imports_of(folder: str) -> dict[str, set[str]]:
    """Folders of ours that the modules of `folder` import, with the modules that do."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                modules = [node.module]
            for module in modules:
                found.setdefault(module.split(".")[0], set()).add(path.relative_to(ROOT).as_posix())
    return found


@pytest.mark.parametrize("folder", MAP)
def test_map_is_what_the_code_imports(folder: str) -> None:
    allowed = set(MAP) if "all" in MAP[folder] else MAP[folder] | {folder}
    found = {name: files for name, files in imports_of(folder).items() if name in MAP and name not in allowed}
    assert found == {}


def test_map_has_every_folder() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(MAP) == packages - {"tests"}


def test_only_the_front_door_reaches_the_simulator() -> None:
    allowed = re.compile(r"cityreflex/(demo/|commands/(sim|sim_i2c|demo)\.py|config\.py|run_dir\.py|trial_world\.py)")
    assert [name for name in sorted(imports_of("cityreflex")["simulator"]) if not allowed.match(name)] == []


def test_the_world_and_the_chips_are_no_twins() -> None:
    """The simulator has only the bus contract of drivers; chips and worlds have nothing of them."""
    for path in sorted((ROOT / "simulator").rglob("*.py")):
        found = re.findall(r"^\s*(?:from|import) (drivers[\w.]*)", path.read_text(), re.M)
        assert set(found) <= {"drivers.bus", "drivers.errors"}, path
        if path.parent.name in ("chips", "world"):
            assert not found, path


def links(path: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    return [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


PAGES = [*ROOT.glob("*.md"), *(p for p in ROOT.glob("*/**/*.md") if not p.relative_to(ROOT).parts[0].startswith("."))]


@pytest.mark.parametrize("page", [p for p in PAGES if "typings" not in p.parts], ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if link and not (page.parent / link).exists()] == []


def test_decisions_are_listed() -> None:
    listed = set(links(ROOT / "docs" / "decisions" / "README.md"))
    assert listed == {path.name for path in (ROOT / "docs" / "decisions").glob("0*.md")}


def test_import_names_do_not_hide_the_standard_library() -> None:
    assert not set(MAP) & set(sys.stdlib_module_names)
