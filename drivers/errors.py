"""Errors of all drivers: one number says what went wrong, the text says it for people.

MicroPython allows one builtin base class, so `DriverError` itself is an `OSError`: a caller may catch either.
"""

NONE = 0
NACK = 1
SDA_LOW = 2
SCL_LOW = 3
TIMEOUT = 4
BAD_ID = 5
BAD_CHECKSUM = 6
SILENT = 7
OUT_OF_RANGE = 8
NOT_READY = 9
INTERNAL = 10

NAMES = (
    "NONE",
    "NACK",
    "SDA_LOW",
    "SCL_LOW",
    "TIMEOUT",
    "BAD_ID",
    "BAD_CHECKSUM",
    "SILENT",
    "OUT_OF_RANGE",
    "NOT_READY",
    "INTERNAL",
)

_QUALITY_GOOD = 1
_QUALITY_FAIL = 4
_QUALITY_MISSING = 9
_GAVE_NOTHING = (NACK, SDA_LOW, SCL_LOW, TIMEOUT, SILENT)


class DriverError(OSError):
    """A reading or a command failed; `.code` is one of the numbers above."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return NAMES[self.code] + ": " + self.text


class BusError(DriverError):
    """The bus, not the chip's answer, failed: NACK, SDA_LOW, SCL_LOW or TIMEOUT."""


def check_range(channels, values, chip) -> None:
    """Nothing, if each value is within the range its channel declares.

    Raises: DriverError with `chip.where()`, also for NaN.
    """
    for index in range(len(channels)):
        channel = channels[index]
        if not channel[3] <= values[index] <= channel[4]:
            text = f"{chip.where()}: {channel[0]} {values[index]:g} is outside {channel[3]:g} to {channel[4]:g}"
            raise DriverError(OUT_OF_RANGE, text)


def quality_of(code: int) -> int:
    """QARTOD quality of a reading with this code: 1 good, 9 the chip gave nothing, 4 what it gave is bad."""
    if code == NONE:
        return _QUALITY_GOOD
    return _QUALITY_MISSING if code in _GAVE_NOTHING else _QUALITY_FAIL
