"""What is copied to both boards of a bench: `python -m hil_tests.files DIR` writes board/, fixture/ and bench.key.

Then, in each of the two folders, with that Pico on USB: `mpremote connect PORT cp -r * : + reset`.
The key is made once; tests that command the board need it: `--key DIR/bench.key`.
"""

import argparse
import json
import re
import secrets
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from firmware.kit import board_file, bundle
from firmware.kit.errors import BoardFileError, KitError
from service.files import write_once

from . import wires
from .wires import FOLDER

THING = "bench-1"
BOARD, WIRES = FOLDER / "bench_board.toml", FOLDER / "bench.toml"
FIXTURE = ("main.py", "bench.py")
CONFIG_WRONG = 3
NEXT = "next: mend that file or name another (docs/hil.md), then run this again"
THING_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
"""As `service.sections.Identifier`: what an edge node takes for a board's name."""


def write(folder: Path, board_toml: Path = BOARD, wires_toml: Path = WIRES, thing: str = THING) -> None:
    """Write all files of a bench; nothing where an input is wrong. Raises: WiresError, KitError, OSError."""
    table = wires.load(wires_toml)
    try:
        board_file.load(board_toml)
    except UnicodeDecodeError as error:
        raise BoardFileError(str(board_toml), [f"not TOML: {error}"]) from error
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


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2; a message of ours has its next step already."""
        hint = "" if "; next: " in message else f"; next: python -m {self.prog} --help"
        self.exit(2, f"error: {message}{hint}\n")


def thing_name(text: str) -> str:
    """Return the name of a board. Raises: argparse.ArgumentTypeError when it cannot be one."""
    if not re.fullmatch(THING_NAME, text):
        raise argparse.ArgumentTypeError(
            f"found {text!r}; expected a lower-case letter or digit, then up to 62 of a-z 0-9 _ -; "
            f"next: give a name such as {THING}"
        )
    return text


def main() -> None:
    """Write them, and say where; a wrong file ends it with exit code 3, wrong words with argparse's 2."""
    parser = Parser(prog="hil_tests.files", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to")
    parser.add_argument("--board-file", type=Path, default=BOARD, help="board file of the board under test")
    parser.add_argument("--wires", type=Path, default=WIRES, help="the wiring table")
    parser.add_argument(
        "--thing", type=thing_name, default=THING, help=f"name of the board under test (default {THING})"
    )
    options = parser.parse_args()
    try:
        write(options.folder, options.board_file, options.wires, options.thing)
    except (OSError, KitError, ValueError) as error:
        print(f"error: {'; '.join(str(error).splitlines())}; {NEXT}", file=sys.stderr)
        sys.exit(CONFIG_WRONG)
    print(f"copy {options.folder}/board and {options.folder}/fixture; the key is {options.folder}/bench.key")


if __name__ == "__main__":
    main()
