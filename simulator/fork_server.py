"""Starts the VMs of virtual boards: a process that has loaded MicroPython once and forks for each power-on.

Run as a program by `vm_process.py`; the descriptor of a SOCK_SEQPACKET socket is its only argument. A request
is JSON, the answer too:

    {"start": name, "argv": [...], "environment": {...}} with descriptors   {"pid": n} with a descriptor of the process
    {"reap": pid}                                                           {"code": n}, if it has ended
    what is no request, or can not be done                                  {"error": text}

Descriptor 0 of a request becomes the output of the VM, the others become 3, 4, ... in it. What this process imports is
what every board shares in memory, so that is little. When it dies, its boards die; it dies with its parent.
"""

import ctypes
import fcntl
import gc
import json
import os
import signal
import socket
import sys
from typing import Any

import micropython_run  # type: ignore[import-not-found]

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
MAX_REQUEST = 1 << 16
MAX_DESCRIPTORS = 64
FIRST = 3
ABOVE = 256  # where descriptors wait while lower ones are put in their places
_libc = ctypes.CDLL(None)


def main(descriptor: int) -> None:
    """Serve until the other end closes."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the simulator
    os.environ.clear()
    gc.collect()
    gc.freeze()
    gc.disable()
    server = socket.socket(fileno=descriptor)
    while True:
        message, descriptors, _, _ = socket.recv_fds(server, MAX_REQUEST, MAX_DESCRIPTORS)
        if not message:
            return
        try:
            _answer(server, json.loads(message), descriptors)
        except (TypeError, ValueError, OverflowError, ChildProcessError) as error:
            server.sendall(json.dumps({"error": f"found {message[:40]!r}...: {error!r:.400}"}).encode())
        for each in descriptors:
            os.close(each)


def _answer(server: socket.socket, request: Any, descriptors: list[int]) -> None:
    """Do what is asked. Raises: TypeError, ValueError, ChildProcessError."""
    if not isinstance(request, dict):
        raise TypeError("expected a table")
    if "reap" in request:
        ended, status = os.waitpid(request["reap"], os.WNOHANG)
        if not ended:
            raise ValueError("it still runs; expected one that has ended: poll its descriptor first")
        server.sendall(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode())
        return
    if not {"start", "argv", "environment"} <= request.keys():
        raise ValueError("expected reap, or start, argv and environment")
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run(parent, request, descriptors)
    handle = os.pidfd_open(pid)
    socket.send_fds(server, [json.dumps({"pid": pid}).encode()], [handle])
    os.close(handle)


def _run(parent: int, request: dict[str, Any], descriptors: list[int]) -> None:
    """In the child: be the VM, and end with it."""
    code = 127
    try:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _libc.prctl(PR_SET_NAME, request["start"].encode()[:15])
        _place(descriptors)
        os.environ.update(request["environment"])
        if os.getppid() == parent:
            code = micropython_run.run_main(request["argv"])
    finally:
        os._exit(code & 0xFF)


def _place(descriptors: list[int]) -> None:
    """Put the descriptors where the VM looks for them, and close all others."""
    waiting = [fcntl.fcntl(each, fcntl.F_DUPFD, ABOVE) for each in descriptors]
    os.closerange(FIRST, ABOVE)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(waiting[0], 1)
    os.dup2(waiting[0], 2)
    for place, each in enumerate(waiting[1:], FIRST):
        os.dup2(each, place)
    os.closerange(FIRST + len(waiting) - 1, os.sysconf("SC_OPEN_MAX"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
