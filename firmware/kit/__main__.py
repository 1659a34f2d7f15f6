"""Makes the files of a board with a new key: `python -m firmware.kit BOARD.toml DIR`; the thing is DIR's name."""

import os
import sys
from pathlib import Path

from . import bundle
from .errors import KitError

USAGE = "usage: python -m firmware.kit BOARD.toml DIR"
WRONG = 3


def main(words: list[str]) -> int:
    """Return 0, or 3 after saying what is wrong."""
    if len(words) != 2 or words[0].startswith("-"):
        sys.stderr.write(f"found {len(words)} words; {USAGE}\n")
        return WRONG
    source, folder = Path(words[0]), Path(words[1])
    try:
        if (folder / "key.bin").exists():
            raise KitError(f"{folder} holds a board's key already; name a new folder")
        made = bundle.build(source, folder, thing=folder.resolve().name, key=os.urandom(bundle.KEY_BYTES))
    except (KitError, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{error}; correct it, then again: {USAGE.removeprefix('usage: ')}\n")
        return WRONG
    sys.stdout.write(f"{folder}: {len(made.files)} files of {made.manifest.thing}; key.bin is secret\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
