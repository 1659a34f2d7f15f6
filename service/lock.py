"""One process at a time in a data directory: two writers of one journal would both believe they are the node."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from service.errors import InUseError


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold `folder` until the block ends; the kernel lets go when the process dies, however it dies.

    Raises: InUseError naming the process that holds it; OSError when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise InUseError(folder, file.read().strip() or "unknown") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
