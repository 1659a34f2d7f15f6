"""Errors of aggregator/: our own faults and configuration, apart from what a peer sent wrong."""


from protocol import task_codes


class AggregatorError(Exception):
    """Base of every error raised in aggregator/."""


class PeerError(AggregatorError, ValueError):
    """An edge sent something that is refused. `reason` is the counter it goes to."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StoreError(AggregatorError, RuntimeError):
    """The store on disk contradicts itself; our fault."""


class KeyringError(AggregatorError, ValueError):
    """A key or token is not accepted. `reason` is the counter it goes to."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BackupError(AggregatorError, ValueError):
    """A backup is not what it should be; `missing`: there is none at all."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


class DescriptorError(AggregatorError, OSError):
    """The system allows too few file descriptors for the connections that are configured."""

    def __init__(self, message: str, needed: int) -> None:
        super().__init__(message)
        self.needed = needed


class DamagedError(AggregatorError, RuntimeError):
    """A page of store.db is damaged: only a backup helps."""


class ReloadError(AggregatorError, ValueError):
    """New process files were refused: nothing was changed."""


class NoRecordingError(AggregatorError, LookupError):
    """There is nothing to replay: no store, or one without the engine's log."""


class RoomError(AggregatorError, OSError):
    """There is not enough room on a disk for what is asked."""


class OperatorError(AggregatorError, ValueError):
    """What is asked about operators is not possible. `reason` says which way."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class GateError(AggregatorError, PermissionError):
    """A person is not known, not allowed, or too fast. `status`: of HTTP; `code` is the counter it goes to."""

    def __init__(self, status: int, code: str, text: str, who: str = "") -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.who = status, code, text, who


class TaskRefused(AggregatorError, ValueError):
    """What a person asks of an actuator is refused. `code`: protocol.task_codes; `hint`: what to do next."""

    def __init__(self, code: int, text: str, hint: str) -> None:
        super().__init__(text)
        self.code, self.hint, self.who = code, hint, ""
        self.name = task_codes.CODES[code]


class SignerError(AggregatorError, RuntimeError):
    """The signer does not sign: it cannot be reached, or refuses."""
