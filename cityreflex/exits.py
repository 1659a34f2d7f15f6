"""Exit codes of `city`, and the one error that carries them to the command line."""

OK = 0
FAILED = 1
USAGE = 2
CONFIG = 3
NOT_FOUND = 4
PERMISSION = 5
UNVERIFIED = 6
REFUSED = 7

MEANING = {
    OK: "done",
    FAILED: "failed",
    USAGE: "the command line is wrong",
    CONFIG: "a configuration file is wrong",
    NOT_FOUND: "not found or not reachable",
    PERMISSION: "not permitted",
    UNVERIFIED: "verification failed",
    REFUSED: "refused by safety policy",
}


class CityError(Exception):
    """Ends a command with `code`; `hint` is one line that says what to do next."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
