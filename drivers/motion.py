"""States and fault codes that all actuator drivers share.

The fault codes are those of a refused or failed task, so that a report needs no translation.
"""

IDLE = 0
OPENING = 1
CLOSING = 2
FAULT = 3
WAITING = 4

STATE_NAMES = ("IDLE", "OPENING", "CLOSING", "FAULT", "WAITING")

OK = 0
INTERLOCKED = 6
TRIPPED = 7
OUT_OF_RANGE = 8
NO_FEEDBACK = 12
TIMEOUT = 13
