"""Files on the board's flash, replaced so that a power cut leaves the old or the new one."""

import os

MAINTENANCE = "maintenance.txt"


def read_bytes(name: str) -> bytes:
    """The content of a file. Raises: OSError."""
    with open(name, "rb") as file:
        return file.read()


class Files:
    """What `firmware.core.boot` needs."""

    def read(self, name: str):  # type: ignore[no-untyped-def]
        """The text of a file, or None if there is none."""
        try:
            return read_bytes(name).decode()
        except (OSError, UnicodeError):
            return None

    def replace(self, name: str, text: str) -> None:
        """Write a new file, flush it to flash, put it in the old one's place."""
        fresh = name + ".new"
        with open(fresh, "w") as file:
            file.write(text)
            file.flush()
        os.rename(fresh, name)
