"""Errors of edge_node/: our own configuration apart from what a peer or a port does."""


class EdgeError(Exception):
    """Base of every error raised in edge_node/."""


class PortError(EdgeError, OSError):
    """A serial port cannot be used: `state` is absent, permission, busy or error; `hint` says what to do."""

    def __init__(self, state: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.state, self.hint = state, hint


class EnrolError(EdgeError, ValueError):
    """The city did not enrol this node; `reason` is its word for why, or "unreachable"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WrongBoardError(EdgeError, ValueError):
    """The board behind a port is not the Thing that the configuration expects there."""


class JournalDamagedError(EdgeError, OSError):
    """The journal's file is damaged and could not be replaced by what can be read of it."""
