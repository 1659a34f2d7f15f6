"""Which city or edge node a command speaks to: its address, the certificate it is known by, the token file."""

from dataclasses import dataclass
from pathlib import Path

from cityreflex.address import of_run
from cityreflex.client import Client


@dataclass(frozen=True)
class Where:
    """What the options --dir, --at, --ca and --token-file said."""

    folder: Path
    at: str = ""
    ca: Path | None = None
    token_file: Path | None = None

    @property
    def address(self) -> str:
        """Return the address of the city."""
        return self.at or of_run(self.folder).text

    def client(self, part: str = "city", *, anonymous: bool = False) -> Client:
        """Return a client of the city, or of the edge node of the run directory; an anonymous one shows no token."""
        if self.at:
            return Client(self.at, ca=self.ca, token_file=self.token_file, anonymous=anonymous)
        address = of_run(self.folder, part)
        pin = None if self.ca else address.pin
        return Client(address.text, ca=self.ca, pin=pin, token_file=self.token_file, anonymous=anonymous)
