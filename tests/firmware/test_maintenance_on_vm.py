"""Maintenance with the real mpremote on a virtual board that runs: files, commands, and back to the application."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol import board_link
from tests.firmware.vm_port import THING, Port, running
from tests.waiting import LIMIT_S

pytestmark = [pytest.mark.system, pytest.mark.anyio]
FAN_LEVEL = "import machine; print(machine.Pin('GP10').value())"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    async with running(tmp_path, {}) as found:
        yield found


async def mpremote(port: Port, *words: str, fails: bool = False) -> str:
    """What mpremote printed; it has to end without an error, or with one."""
    command = [sys.executable, "-m", "mpremote", "connect", str(port.folder / "dev" / THING), *words]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(LIMIT_S):
        printed, _ = await process.communicate()
    assert bool(process.returncode) is fails, printed.decode()
    return printed.decode()


async def test_mpremote_copies_lists_hashes_and_executes_and_a_soft_reset_starts_the_application(
    port: Port, tmp_path: Path
) -> None:
    await port.text(b"id\r\n")
    source = tmp_path / "note.bin"
    source.write_bytes(bytes(range(256)) * 9)
    printed = await mpremote(port, "exec", FAN_LEVEL)
    assert printed.split() == ["0"], "the fan is off"
    starts = (await port.counters())["starts"]
    printed = await mpremote(
        port, "cp", str(source), ":note.bin", "+", "ls", "+", "sha256sum", ":note.bin",
        "+", "cp", ":note.bin", str(tmp_path / "back.bin"), "+", "exec", "print('one'); print('two', 2, sep='-')",
    )  # fmt: skip
    assert hashlib.sha256(source.read_bytes()).hexdigest() in printed and "main.py" in printed
    assert printed.endswith("one\r\ntwo-2\r\n") and (tmp_path / "back.bin").read_bytes() == source.read_bytes()
    assert (port.folder / "boards" / THING / "note.bin").read_bytes() == source.read_bytes()
    assert "ZeroDivisionError" in await mpremote(port, "exec", "1/0", fails=True)
    assert (await port.counters())["starts"] == starts, "one reset, into maintenance, is enough"
    await mpremote(port, "soft-reset")
    assert (await port.wait(board_link.Hello, greet=True))[0].thing == THING
    assert not (port.folder / "boards" / THING / "maintenance.txt").exists()


async def test_power_ends_maintenance_and_a_linked_board_is_not_interrupted(port: Port) -> None:
    hello = (await port.wait(board_link.Hello, greet=True))[0]
    port.write(b"\r\x03\r\x01")
    await port.wait(board_link.Status, 3)
    port.seen.clear()
    assert (await port.wait(board_link.Hello, greet=True))[0].boot == hello.boot
    await port.text(b"id\r\n")
    assert b"raw REPL; CTRL-B to exit" in await port.text(b"\r\x03", until=b"exit\r\n>")
    await port.fault(fault="power_off", thing=THING)
    await port.fault(fault="power_on", thing=THING)
    port.seen.clear()
    assert (await port.wait(board_link.Hello, greet=True))[0].boot != hello.boot


@pytest.mark.parametrize("leave", [b"\x02\x04", b"import machine; machine.reset()\x04"])
async def test_the_prompt_s_ctrl_d_and_a_reset_start_the_application(port: Port, leave: bytes) -> None:
    await port.text(b"id\r\n")
    await port.text(b"\r\x03", until=b"exit\r\n>")
    port.write(leave)
    assert (await port.wait(board_link.Hello, greet=True))[0].thing == THING
