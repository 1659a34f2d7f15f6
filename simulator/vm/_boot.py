"""Start of a virtual board: mount the board's folder as `/`, put the shims on the path, run main.py.

The environment carries BOARD_FS, BOARD_SHIM and the inherited descriptors (see `_bridge.py`).
"""

import json
import os
import sys

import vfs


def _mount():
    files = os.getenv("BOARD_FS")
    shims = os.getenv("BOARD_SHIM")
    os.umount("/")
    os.mount(os.VfsPosix(files), "/")
    os.mount(os.VfsPosix(shims), "/shim")
    os.chdir("/")
    sys.path[:] = ["", "/shim", "/lib", ".frozen"]


def _mount_ring():
    """Mount the virtual flash, if the board has a ring there; formatted if it is none, as MicroPython's start does."""
    try:
        with open("board.json") as file:
            if "flash" not in json.load(file):
                return
    except OSError:  # another program than our firmware, which has no such file
        return
    from rp2 import Flash  # noqa: PLC0415 (a shim, on the path only now)

    try:
        files = vfs.VfsLfs2(Flash(), progsize=256)
    except OSError:
        vfs.VfsLfs2.mkfs(Flash(), progsize=256)
        files = vfs.VfsLfs2(Flash(), progsize=256)
    vfs.mount(files, "/ring")


_mount()
_mount_ring()
del _mount, _mount_ring
with open("main.py") as _file:
    _source = _file.read()
exec(compile(_source, "main.py", "exec"), globals())
