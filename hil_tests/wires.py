"""The wires of a bench: which pin of the fixture goes where on the board under test, read from a TOML file."""

import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
DOES = {
    "contact": "closes a contact to ground",
    "tips": "closes the reed of a tipping bucket, counted",
    "flow": "makes the pulses of a flow meter, counted",
    "relay": "reads an output of the board, with times",
    "jumper": "sets the jumper that allows moving by hand",
    "stop": "holds the stop contact closed; let go, somebody stops",
    "i2c fault": "holds SDA of a bus low",
    "power": "cuts the board's power",
}
NAMED = ("contact", "tips", "flow", "relay", "i2c fault")
SERIAL = ("GP0", "GP1")
FREE = tuple(f"GP{number}" for number in (*range(2, 23), 26, 27, 28))
_KEYS = {"does", "fixture", "board", "of"}


class WiresError(ValueError):
    """A wiring table is wrong; the text names each mistake."""


@dataclass(frozen=True)
class Wire:
    """One wire. `of`: the sensor, actuator or bus of the board file that it belongs to."""

    name: str
    does: str
    fixture: str
    board: str
    of: str = ""


def load(path: Path) -> list[Wire]:
    """Return the wires of a file. Raises: WiresError, OSError."""
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WiresError(f"{path}: not TOML: {error}") from error
    entries = table.get("wires", {})
    if not isinstance(entries, dict):
        raise WiresError(f"{path}: wires: found {entries!r}; expected a table for each wire: [wires.NAME]")
    problems = [f"{path}: wires.{name}: {text}" for name, entry in entries.items() for text in _mistakes(entry)]
    problems += [f"{path}: {text}" for text in _shared(entries)]
    if not entries:
        problems.append(f"{path}: found no table [wires.NAME]; expected one for each wire")
    if problems:
        raise WiresError("\n".join(problems))
    return [Wire(name, **entry) for name, entry in entries.items()]


def _mistakes(entry: Any) -> Iterator[str]:
    """Yield what is wrong with one wire."""
    keys = set(entry) if isinstance(entry, dict) else set()
    if not _KEYS - {"of"} <= keys <= _KEYS or not all(isinstance(value, str) for value in entry.values()):
        yield f"found {entry!r}; expected texts does, fixture, board and perhaps of"
        return
    if entry["does"] not in DOES:
        yield f"found does = {entry['does']!r}; expected one of {', '.join(DOES)}"
    if entry["fixture"] not in FREE:
        yield f"found fixture = {entry['fixture']!r}; expected a free pin of a Pico: {', '.join(FREE)}"
    if (entry["does"] in NAMED) != bool(entry.get("of")):
        yield f"found of = {entry.get('of', '')!r}; expected what the wire belongs to, for {', '.join(NAMED)} alone"


def _shared(entries: dict[str, Any]) -> Iterator[str]:
    """Yield pins that serve two wires, and what two wires do."""
    for key in ("fixture", "board", "does"):
        first: dict[str, str] = {}
        for name, entry in entries.items():
            value = entry.get(key) if isinstance(entry, dict) else None
            if isinstance(value, str) and first.setdefault(value, name) != name:
                yield f"wires.{name}: found {key} = {value!r} again; expected another than that of wires.{first[value]}"


def as_json(wires: list[Wire]) -> list[dict[str, str]]:
    """Return the wires as the fixture reads and tells them."""
    return [asdict(wire) for wire in wires]


def told(entries: Any) -> list[Wire]:
    """Return the wires that a fixture tells of. Raises: WiresError."""
    try:
        return [Wire(**entry) for entry in entries]
    except TypeError as error:
        raise WiresError(f"the fixture tells of wires {entries!r}; expected name, does, fixture, board, of") from error
