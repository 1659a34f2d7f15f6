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
        """The text of a file, "" if it is no text, or None if there is none."""
        data = self.read_bytes(name)
        try:
            return None if data is None else data.decode()
        except UnicodeError:
            return ""

    def read_bytes(self, name: str):  # type: ignore[no-untyped-def]
        """The content of a file, or None if there is none."""
        try:
            return read_bytes(name)
        except OSError:
            return None

    def replace(self, name: str, content) -> None:  # type: ignore[no-untyped-def]
        """Write a new file of text or bytes, flush it to flash, put it in the old one's place."""
        fresh = name + ".new"
        with open(fresh, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
        os.rename(fresh, name)
