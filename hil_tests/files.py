"""What is copied to both boards of a bench: `python -m hil_tests.files DIR` writes board/, fixture/ and bench.key.

Then, in each of the two folders, with that Pico on USB: `mpremote connect PORT cp -r * : + reset`.
The key is made once; tests that command the board need it: `--key DIR/bench.key`.
"""

import argparse
import json
import secrets
import shutil
from pathlib import Path

from firmware.kit import bundle
from service.files import write_once

from . import wires
from .wires import FOLDER

THING = "bench-1"
BOARD, WIRES = FOLDER / "bench_board.toml", FOLDER / "bench.toml"
FIXTURE = ("main.py", "bench.py")


def write(folder: Path, board_toml: Path = BOARD, wires_toml: Path = WIRES, thing: str = THING) -> None:
    """Write all files of a bench. Raises: WiresError, BoardFileError, OSError."""
    table = wires.load(wires_toml)
    key = folder / "bench.key"
    folder.mkdir(parents=True, exist_ok=True)
    if not key.exists():
        write_once(key, secrets.token_bytes(bundle.KEY_BYTES))
    bundle.build(board_toml, folder / "board", thing=thing, key=key.read_bytes())
    fixture = folder / "fixture"
    fixture.mkdir(exist_ok=True)
    for name in FIXTURE:
        shutil.copyfile(FOLDER / "fixture" / name, fixture / name)
    (fixture / "wires.json").write_text(json.dumps(wires.as_json(table)))


def main() -> None:
    """Write them, and say where."""
    parser = argparse.ArgumentParser(prog="hil_tests.files", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to")
    parser.add_argument("--board-file", type=Path, default=BOARD, help="board file of the board under test")
    parser.add_argument("--wires", type=Path, default=WIRES, help="the wiring table")
    parser.add_argument("--thing", default=THING, help=f"name of the board under test (default {THING})")
    options = parser.parse_args()
    write(options.folder, options.board_file, options.wires, options.thing)
    print(f"copy {options.folder}/board and {options.folder}/fixture; the key is {options.folder}/bench.key")


if __name__ == "__main__":
    main()
