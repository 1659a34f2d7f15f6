"""The machines as docs/protocol.md and the design describe them: written down once more, not imported."""

TASK_NAMES = (
    "proposed", "authorised", "dispatched", "accepted", "acting", "done", "observed", "failed", "refused", "expired",
    "unknown", "superseded", "waiting", "selected", "cancelled",
)  # fmt: skip
_P, _A, _D, _ACC, _ACT, _DONE, _OBS, _FAIL, _REF, _EXP, _UNK, _SUP, _WAIT, _SEL, _CAN = range(15)
TASK_MAY_BECOME = {
    _P: {_WAIT, _A, _REF, _EXP, _SUP, _CAN},
    _WAIT: {_A, _REF, _EXP, _SUP, _CAN},
    _A: {_SEL, _D, _REF, _EXP, _SUP, _CAN},
    _SEL: {_D, _REF, _EXP, _SUP, _CAN},
    _D: {_ACC, _ACT, _DONE, _OBS, _FAIL, _REF, _EXP, _UNK, _SUP, _CAN},
    _ACC: {_ACT, _DONE, _OBS, _FAIL, _EXP, _UNK, _SUP, _CAN},
    _ACT: {_DONE, _OBS, _FAIL, _EXP, _UNK, _SUP, _CAN},
    _DONE: {_OBS, _FAIL, _UNK, _SUP, _CAN},
    _UNK: {_DONE, _OBS, _FAIL, _SUP, _CAN},
    _OBS: set(),
    _FAIL: set(),
    _REF: set(),
    _EXP: set(),
    _SUP: set(),
    _CAN: set(),
}
_N, _U, _K, _R, _S = "normal", "unacknowledged", "acknowledged", "returned", "shelved"
ALARM_MAY_BECOME = {
    (_N, _U): {"step"}, (_U, _R): {"step"}, (_K, _N): {"step"}, (_R, _U): {"step"},
    (_U, _K): {"ack"}, (_R, _N): {"ack", "unshelve"}, (_U, _N): {"ack", "unshelve"},
    (_K, _U): {"unshelve"}, (_K, _R): {"unshelve"},
    **{(state, _S): {"shelve"} for state in (_N, _U, _K, _R)},
    **{(_S, state): {"unshelve"} for state in (_N, _U, _K, _R)},
}
"""From one step to the next after ISA-18.2: which of these has to happen, "step": the process alone may do it."""
