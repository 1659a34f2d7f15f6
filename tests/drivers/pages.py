"""Writes what docs/chips takes from the drivers: each page's table of channels, and the list of chips.

make chip-pages
"""

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "chips"
LIST = "support.md"
HEAD = """| channel | property | unit | range | resolution | sigma | bound | response s |
|---|---|---|---|---|---|---|---|"""
WIRES = {
    "i2c": "I2C", "uart": "UART", "onewire": "1-Wire", "i2s": "I2S", "pulses": "pulses", "output": "pins out",
    "input": "pin",
}  # fmt: skip


def drivers() -> list[str]:
    """Return the names of all drivers: modules that make one."""
    return sorted(path.stem for path in (ROOT / "drivers").glob("*.py") if "\ndef make(" in path.read_text())


def channels(name: str) -> tuple[Any, ...]:
    """Return the channels that a driver declares, none for an actuator."""
    return tuple(getattr(importlib.import_module(f"drivers.{name}"), "CHANNELS", ()))


def channel_table(name: str) -> str:
    """Return the table of a driver's channels."""
    rows = [HEAD]
    for channel, observed, unit, lower, upper, sigma, resolution, bound, response_s in channels(name):
        limits = f"{lower:.12g} .. {upper:.12g}"
        rest = (
            f"{resolution:g}",
            f"{sigma:g}",
            f"{bound:g}" if bound else "-",
            f"{response_s:g}" if response_s else "-",
        )
        rows.append("| " + " | ".join((f"`{channel}`", observed, unit, limits, *rest)) + " |")
    return "\n".join(rows)


def replaced(text: str, what: str, block: str) -> str:
    """Return the text with the block between its two marks. Raises: ValueError without marks."""
    start, end = f"<!-- {what} -->\n", f"<!-- end of {what} -->"
    if start not in text or end not in text:
        raise ValueError(f"expected the marks {start.strip()} and {end}")
    return text[: text.index(start)] + f"{start}{block}\n" + text[text.index(end) :]


def page(name: str) -> str:
    """Return a driver's page as it should be."""
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    return replaced(text, "channels", channel_table(name)) if channels(name) else text


def tried(what: str = "chips") -> dict[str, Any]:
    """Return what was tried on hardware: for each of the `chips` or `boards` the board, the day and the report."""
    return dict(tomllib.loads((PAGES / "hardware.toml").read_text(encoding="utf-8")).get(what, {}))


def index() -> str:
    """Return the list of chips as it should be: what ran on hardware apart from what did not."""
    real = tried()
    simulated = [_row(name) for name in drivers() if name not in real]
    on_hardware = [f"{_row(name)} {how['board']} | {how['day']} | {how['report']} |" for name, how in real.items()]
    shown = [*_head("board", "day", "report"), *on_hardware] if on_hardware else ["none yet."]
    lines = ["Tried on hardware:", "", *shown, "", "Simulated only:", "", *_head(), *simulated]
    text = replaced((PAGES / LIST).read_text(encoding="utf-8"), "chips", "\n".join(lines))
    return replaced(text, "strangers", strangers())


def strangers() -> str:
    """Return what drivers of others read, from the first lines of their checks, and how many there are."""
    checks = sorted((ROOT / "tests" / "chips" / "third_party").rglob("*.py"))
    lines = [path.read_text(encoding="utf-8").splitlines()[0].strip('"') for path in checks]
    return "\n".join([f"{len(lines)} checks:", "", *(f"- {line}" for line in sorted(lines, key=str.lower))])


def _head(*more: str) -> list[str]:
    names = ("chip", "channels", "wired by", *more)
    return ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]


def _row(name: str) -> str:
    title = (PAGES / f"{name}.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    source = (ROOT / "drivers" / f"{name}.py").read_text(encoding="utf-8")
    wires = [text for call, text in WIRES.items() if re.search(rf"\bio\.{call}\(", source)]
    named = ", ".join(channel[0] for channel in channels(name)) or "setpoint"
    return f"| [{title}]({name}.md) | {named} | {', '.join(wires)} |"


def main() -> None:
    """Write the pages and the list."""
    for name in drivers():
        (PAGES / f"{name}.md").write_text(page(name), encoding="utf-8")
    (PAGES / LIST).write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main()
