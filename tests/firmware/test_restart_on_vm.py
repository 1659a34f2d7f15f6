"""Restarts of the real firmware on the real VM: identity, declared losses, outputs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol import board_link
from protocol import task_codes as codes
from tests.firmware.vm_port import Port, running

pytestmark = [pytest.mark.system, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def port(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Port]:
    async with running(tmp_path, getattr(request, "param", {})) as found:
        yield found


async def test_a_restart_keeps_the_incarnation_and_declares_the_tail(port: Port) -> None:
    first = (await port.wait(board_link.Hello, greet=True))[0]
    await port.wait(board_link.Samples)
    assert "MicroPython" in first.vm
    port.seen.clear()
    await port.fault(fault="reset_board", thing="room-1")
    second = (await port.wait(board_link.Hello, greet=True))[0]
    incarnation, counter = first.boot.split("-")
    assert second.boot == f"{incarnation}-{int(counter) + 1}"
    assert second.nonce != first.nonce
    gap = (await port.wait(board_link.Gap))[0]
    assert (gap.boot, gap.first, gap.cause) == (first.boot, 0, "power")
    assert gap.end > 0
    port.send(board_link.encode_ack(second.boot, [], [gap.gap_id]))
    repeats = len(port.of(board_link.Gap))
    await port.wait(board_link.Status, len(port.of(board_link.Status)) + 5)
    assert len(port.of(board_link.Gap)) <= repeats + 1


async def test_console_answers_before_a_hello_and_not_in_link_mode(port: Port) -> None:
    text = await port.text(b"id\r\n")
    assert b"thing    room-1" in text and b"\x00" not in text
    await port.wait(board_link.Hello, greet=True)


@pytest.mark.parametrize("port", [{"stop": {"pin": "GP22", "active": "high", "pull": "up"}}], indirect=True)
async def test_a_stop_input_whose_wire_is_off_stops_the_board(port: Port) -> None:
    hello = (await port.wait(board_link.Hello, greet=True))[0]
    status = (await port.wait(board_link.Status))[0]
    assert (status.counters["stops"], status.counters["stopped"]) == (1, 1)
    port.send(board_link.encode_task(bytes(32), hello.nonce, 1, bytes(16), 0, 1.0, (1 << 47), 3000))
    result = (await port.wait(board_link.TaskResult))[0]
    assert (result.state, result.code) == (codes.REFUSED, codes.LOCAL_STOP)
