"""Scaffolds a chip: driver, virtual chip, a test of each, page. They fail until every FILL-IN is filled in.

make new-driver NAME=tmp117
"""

import keyword
import re
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[2]
TEMPLATES = Path(__file__).parent / "scaffold"
FILL_IN = "FILL" + "-IN"
SIBLINGS = {
    "driver.txt": "drivers/{}.py",
    "chip.txt": "simulator/chips/{}.py",
    "test.txt": "tests/drivers/test_{}.py",
    "chip_test.txt": "tests/chips/test_virtual_{}.py",
    "page.txt": "docs/chips/{}.md",
}
NEXT = """Next: fill in what is marked {mark}, from the datasheet, the virtual chip not from the driver; then
  make chip-pages                                  # the page's table and the list of chips, from CHANNELS
  pytest tests/drivers tests/chips -k {name}       # sweep, faults at every step, golden vectors
A driver of somebody else goes to tests/chips/third_party/{name}.py; what to check at a fault to drivers/hints.py."""


def new_driver(name: str, root: Path = ROOT) -> list[Path]:
    """Return the files that were written. Raises: ValueError for a bad name, FileExistsError if one is there."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"NAME={name}: expected a module's name in lower case, such as tmp117")
    targets = {template: root / place.format(name) for template, place in SIBLINGS.items()}
    if there := [str(path.relative_to(root)) for path in targets.values() if path.exists()]:
        raise FileExistsError(f"NAME={name}: {', '.join(there)} exists; expected a chip that is not there yet")
    for template, path in targets.items():
        text = Template((TEMPLATES / template).read_text(encoding="utf-8"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.substitute(NAME=name, CLASS=name.upper()), encoding="utf-8")
    return list(targets.values())


def unfinished(name: str, root: Path = ROOT) -> list[str]:
    """Return what a driver's siblings lack: files that are missing, lines that are to be filled in."""
    found = []
    for place in SIBLINGS.values():
        path = root / place.format(name)
        if not path.exists():
            found.append(f"{place.format(name)} is missing")
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [f"{place.format(name)}:{number}" for number, line in enumerate(lines, 1) if FILL_IN in line]
    return found


def main(arguments: list[str]) -> int:
    """Scaffold the named chip; 2 if that cannot be done."""
    if len(arguments) != 1:
        print("usage: make new-driver NAME=tmp117", file=sys.stderr)
        return 2
    try:
        written = new_driver(arguments[0])
    except (ValueError, FileExistsError) as error:
        print(f"new-driver: {error}", file=sys.stderr)
        return 2
    print(*(path.relative_to(ROOT) for path in written), sep="\n")
    print(NEXT.format(mark=FILL_IN, name=arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
