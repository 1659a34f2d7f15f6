"""What the signer signs: tasks, and nothing else, and not too many. Sans-IO.

    request   0x01 task bytes    sign this           0x02   which public keys are these?
    answer    0x00 64 bytes, or the public keys      0x01   text: why not

Requests and answers travel with their length before them, two bytes, big-endian.
"""

from collections.abc import Sequence
from typing import Any

from protocol import tasks
from protocol.errors import FrameError
from service.rates import Rates

SIGN, PUBLIC = 1, 2
DONE, REFUSED = b"\x00", b"\x01"
RANKS = ("city", "operator")
LENGTH_BYTES = 2
MAX_REQUEST = 1 + tasks.MAX_BYTES
MAX_ANSWER = 512


class Judge:
    """Holds the keys, present first. `per_s`: how many signatures a second, `burst` at once."""

    def __init__(self, private: Sequence[bytes], per_s: float = 20.0, burst: int = 100) -> None:
        self._private, self._rates = tuple(private), Rates(per_s, burst, 1)

    def answer(self, request: bytes, now_us: int) -> tuple[bytes, dict[str, Any] | None]:
        """Return the answer, and the row that the audit log has to have before it leaves."""
        if request == bytes([PUBLIC]):
            return DONE + b"".join(tasks.public_of(key) for key in self._private), None
        try:
            task = _task(request)
        except FrameError as error:
            return self._refuse("no_task", "somebody", str(error))
        who = task.person or task.rank
        if task.rank not in RANKS or (task.rank == "operator" and not task.person):
            return self._refuse("unauthorised", who, f"rank {task.rank!r} of {task.person or 'nobody'}")
        if wait_s := self._rates.take("", now_us):
            return self._refuse("rate_limited", who, f"too many signatures; the next one in {wait_s:.1f} s")
        row = {"event": "signed", "who": who, "task": task.task_id.hex(), "actuator": task.actuator}
        text = f"{task.setpoint:g} for {task.lease_ms} ms: {task.reason}"
        row |= {"verb": tasks.VERBS[task.verb], "text": text[:200]}
        return DONE + tasks.sign(self._private[0], request[1:]), row

    @staticmethod
    def _refuse(reason: str, who: str, text: str) -> tuple[bytes, dict[str, Any]]:
        row = {"event": "refused", "reason": reason, "who": who, "count": 1, "text": text[:200]}
        return REFUSED + f"{reason}: {text}".encode()[: MAX_ANSWER - 1], row


def _task(request: bytes) -> tasks.Task:
    """Return the task of a request. Raises: FrameError: it is none, or not in its own encoding."""
    if request[:1] != bytes([SIGN]):
        raise FrameError("neither a task nor a question for the public keys")
    task = tasks.decode(request[1:])
    if tasks.encode(task) != request[1:]:
        raise FrameError("a task in another encoding than its own")
    return task
