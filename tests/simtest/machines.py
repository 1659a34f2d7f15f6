"""The machines as docs/protocol.md and the design describe them: written down once more, not imported."""

TASK_NAMES = (
    "proposed", "authorised", "dispatched", "accepted", "acting", "done", "observed", "failed", "refused", "expired",
    "unknown", "superseded",
)  # fmt: skip
_P, _A, _D, _ACC, _ACT, _DONE, _OBS, _FAIL, _REF, _EXP, _UNK, _SUP = range(12)
TASK_MAY_BECOME = {
    _P: {_A, _REF, _EXP, _SUP},
    _A: {_D, _REF, _EXP, _SUP},
    _D: {_ACC, _ACT, _DONE, _OBS, _FAIL, _REF, _EXP, _UNK, _SUP},
    _ACC: {_ACT, _DONE, _OBS, _FAIL, _EXP, _UNK, _SUP},
    _ACT: {_DONE, _OBS, _FAIL, _EXP, _UNK, _SUP},
    _DONE: {_OBS, _FAIL, _UNK, _SUP},
    _UNK: {_DONE, _OBS, _FAIL, _SUP},
    _OBS: set(),
    _FAIL: set(),
    _REF: set(),
    _EXP: set(),
    _SUP: set(),
}
