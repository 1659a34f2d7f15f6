"""Writes docs/boards.md from the board files: what each senses and moves, and what goes to which pin.

make chip-pages
"""

from collections.abc import Iterator
from pathlib import Path

from drivers.hints import FULL_NAMES
from firmware.kit import board_file, schema
from firmware.kit.schema import BoardFile
from tests.drivers import pages

PAGE = Path(__file__).parents[2] / "docs" / "boards.md"
PULLS = {"external-up": "resistor to 3.3 V", "external-down": "resistor to GND", "none": "no resistor"}
AT_TRANSCEIVER = {"tx": "DI", "rx": "RO", "de": "DE and /RE"}


def boards() -> list[str]:
    """Return the names of the board files that come with the firmware."""
    return sorted(path.stem for path in board_file.FOLDER.glob("*.toml"))


def page() -> str:
    """Return the page as it should be."""
    lines = [_support(), *(_section(board_file.load(board_file.board_path(name))) for name in boards())]
    return pages.replaced(PAGE.read_text(encoding="utf-8"), "boards", "\n\n".join(lines))


def _support() -> str:
    real = pages.tried("boards")
    rows = [f"| {name} | {how['board']} | {how['day']} | {how['report']} |" for name, how in real.items()]
    table = "\n".join(("| file | board | day | report |", "|---|---|---|---|", *rows)) if rows else "none yet."
    simulated = ", ".join(f"`{name}`" for name in boards() if name not in real)
    return f"Tried on hardware:\n\n{table}\n\nSimulated only: {simulated}."


def _section(board: BoardFile) -> str:
    rows = "\n".join(f"| {pin} | {what} | {where} |" for pin, what, where in _wires(board))
    head = f'## {board.board}\n\n{board.description}. `mcu = "{board.mcu}"`'
    return f"{head}\n\n| pin | wire | to |\n|---|---|---|\n{rows}"


def _wires(board: BoardFile) -> Iterator[tuple[str, str, str]]:
    """Yield (pin, its function, what is at the other end), a row for each pin of the board file."""
    for pin, use in schema.pin_uses(board):
        group, _, rest = use.partition(".")
        name, _, key = rest.partition(".")
        if group == "link":
            yield pin, f"link {name.upper()}", f"{'RX' if name == 'tx' else 'TX'} of the adapter to the edge node"
        elif group in ("buses", "uarts", "i2s"):
            yield pin, f"{name} {key.upper()}", _chips_on(board, name, key)
        elif group == "sensors":
            yield pin, key.removeprefix("options.") or "input", _sensor(board, name)
        elif group == "actuators":
            yield pin, *_load(board, name, key)
        else:
            yield pin, group, {"led": "status LED", "stop": "stop input", "jumper": "jumper for moving outputs"}[group]


def _sensor(board: BoardFile, name: str) -> str:
    sensor = next(sensor for sensor in board.sensors if sensor.name == name)
    pull = {"up": ", to GND; the pin pulls up", "down": ", to 3.3 V; the pin pulls down", "none": ""}[sensor.pull]
    return f"`{name}`: {_linked(sensor.chip)}{pull}"


def _chips_on(board: BoardFile, wire: str, key: str) -> str:
    parts = [(s.name, s.chip, s.address) for s in board.sensors if wire in (s.bus, s.uart, s.i2s)]
    parts += [(a.name, a.kind, a.address) for a in board.actuators if a.bus == wire]
    ends = [f"`{name}`: {_linked(kind)}" + (f" at 0x{at:02x}" if at else "") for name, kind, at in parts]
    other = {"tx": " RX", "rx": " TX"}.get(key, "")
    if wire in board.uarts and board.uarts[wire].de:
        other = f", {AT_TRANSCEIVER[key]} of its transceiver"
    return ", ".join(end + other for end in ends)


def _load(board: BoardFile, name: str, key: str) -> tuple[str, str]:
    actuator = next(actuator for actuator in board.actuators if actuator.name == name)
    if key in actuator.outputs and not key.startswith("limit"):
        output = actuator.outputs[key]
        return f"output, on when {output.active}, {PULLS[output.pull]}", f"`{name}`: {_linked(actuator.kind)}, {key}"
    wire = actuator.inputs[key]
    return f"input, met when {wire.active}, pull {wire.pull}", f"`{name}`: {_linked(actuator.kind)}, {key}"


def _linked(kind: str) -> str:
    return f"[{FULL_NAMES.get(kind, kind)}](chips/{kind}.md)"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
