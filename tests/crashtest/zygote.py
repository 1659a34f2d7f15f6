"""Starts `city ...` processes fast: everything is imported once, each process is a fork that runs the command line.

Run as a program it reads JSON lines {"argv": [...], "log": path} and prints {"pid": n} for each, and
{"exited": n, "code": c} (negative: the signal) when one ends. `Zygote` is the other side. A process forked here
runs what `python -m cityreflex` runs, and dies of kill -9 like it; what it saves is the second of imports.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
COMPILE_S = 600.0
"""The kernels are compiled once per checkout; on a busy machine that takes minutes."""
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false",  # a fork keeps one thread only
    "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1",
}  # fmt: skip


class Zygote:
    """Starts processes and knows how they ended."""

    def __init__(self, planted: str = "") -> None:
        """`planted`: a bug to put into the processes, "eager": they ack before the commit."""
        command = [sys.executable, "-m", "tests.crashtest.zygote", planted]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
            env={**os.environ, **_ENVIRONMENT},
        )  # fmt: skip
        self._changed = threading.Condition()
        self._started: list[int] = []
        self._ended: dict[int, int] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, argv: list[str], log: Path) -> int:
        """Return the pid of a new process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"argv": argv, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        with self._changed:
            assert self._changed.wait_for(lambda: self._started, COMPILE_S), "the zygote does not answer"
            return self._started.pop()

    def code(self, pid: int) -> int | None:
        """Return how a process ended, None while it runs; negative: the signal it died of."""
        with self._changed:
            return self._ended.get(pid)

    def wait(self, pid: int, limit_s: float) -> int | None:
        """Return how a process ended, None if it did not within the limit."""
        with self._changed:
            self._changed.wait_for(lambda: pid in self._ended, limit_s)
            return self._ended.get(pid)

    def close(self) -> None:
        """End the zygote; its processes are the caller's to end."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._changed:
                if "pid" in told:
                    self._started.append(told["pid"])
                else:
                    self._ended[told["exited"]] = told["code"]
                self._changed.notify_all()


def _main() -> None:
    import aggregator.app  # noqa: PLC0415, F401
    import cityreflex.commands.aggregator  # noqa: PLC0415
    import cityreflex.commands.edge  # noqa: PLC0415, F401
    import edge_node.node  # noqa: PLC0415, F401
    from cityreflex.cli import main  # noqa: PLC0415
    from models.warm_up import warm_up  # noqa: PLC0415

    if "eager" in sys.argv:
        import durable.committer  # noqa: PLC0415
        from tests.powercut.stepped import Eager  # noqa: PLC0415

        durable.committer.GroupCommit = Eager
    warm_up()
    if len(os.listdir("/proc/self/task")) != 1:
        raise SystemExit("zygote: imports left threads behind; a fork would lose them")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([sys.stdin, reading], [], [])
        if reading in ready:
            os.read(reading, 512)
        _reap()
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                _become(order, main)
            _tell({"pid": pid})


def _become(order: dict, main) -> None:  # type: ignore[no-untyped-def, type-arg]
    """Be the process that was ordered; never returns."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        sys.argv = ["city", *order["argv"]]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell({"exited": pid, "code": os.waitstatus_to_exitcode(status)})


def _tell(told: dict) -> None:  # type: ignore[type-arg]
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _main()
