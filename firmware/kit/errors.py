"""Errors of the host side of the firmware. Each says what is wrong and what to do."""


class KitError(Exception):
    """Something went wrong while preparing a board."""


class BoardFileError(KitError, ValueError):
    """A board file is wrong; `problems` has one line for each mistake: place, found, expected."""

    def __init__(self, source: str, problems: list[str]) -> None:
        """Keep `problems` and show them all, each after the file's name."""
        self.source = source
        self.problems = problems
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))


class BundleError(KitError, RuntimeError):
    """The firmware files could not be built; the message has the tool's own words."""
