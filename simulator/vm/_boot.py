"""Start of a virtual board: mount the board's folder as `/`, put the shims on the path, run main.py.

The environment carries BOARD_FS, BOARD_SHIM and the inherited descriptors (see `_bridge.py`).
"""

import os
import sys


def _mount():
    files = os.getenv("BOARD_FS")
    shims = os.getenv("BOARD_SHIM")
    os.umount("/")
    os.mount(os.VfsPosix(files), "/")
    os.mount(os.VfsPosix(shims), "/shim")
    os.chdir("/")
    sys.path[:] = ["", "/shim", "/lib", ".frozen"]


_mount()
del _mount
with open("main.py") as _file:
    _source = _file.read()
exec(compile(_source, "main.py", "exec"), globals())
