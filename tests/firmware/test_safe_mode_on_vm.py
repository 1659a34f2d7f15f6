"""Safe mode and reset causes of the real firmware on the real VM."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol import board_link
from protocol import task_codes as codes
from tests.firmware.vm_port import THING, Port, running

pytestmark = [pytest.mark.system, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def port(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Port]:
    async with running(tmp_path, getattr(request, "param", {})) as found:
        yield found


async def started(port: Port, why: str) -> None:
    """Wait until the console says this of the start, with the next line after it."""
    await port.text(b"status\r\n", until=f"started {why} samples".encode())


async def test_a_board_tells_what_reset_it(port: Port) -> None:
    await started(port, "power-on or brown-out; failed before: 0")
    await port.fault(fault="run_pin", thing=THING)
    await started(port, "RUN pin; failed before: 0")
    await port.fault(fault="reset_board", thing=THING)
    await started(port, "watchdog; last failure: no error, the loop hung; failed before: 1")
    await port.text(b"\r\x03", until=b"exit\r\n>")
    port.write(b"import machine; machine.reset()\x04")
    await started(port, "requested; last failure: no error, the loop hung; failed before: 1")
    await port.wait(board_link.Hello, greet=True)
    logs = await port.wait(board_link.Log, 2)
    assert any(log.text.startswith("started  requested") for log in logs)


@pytest.mark.parametrize("port", [{"watchdog_ms": 1000}], indirect=True)
async def test_three_starts_that_fail_give_safe_mode_that_says_why(port: Port) -> None:
    await port.text(b"id\r\n")
    driver = port.folder / "boards" / THING / "lib" / "drivers" / "relay.mpy"
    driver.write_bytes(b"no bytecode")
    await port.fault(fault="run_pin", thing=THING)
    mode = "failed before: 3; SAFE MODE, no sensors, no actuators"
    why = "last failure: ValueError('incompatible .mpy file',)"
    await started(port, f"watchdog; {why}; {mode}")
    hello = (await port.wait(board_link.Hello, greet=True))[0]
    status = (await port.wait(board_link.Status))[0]
    assert (status.counters["safe_mode"], status.actuators) == (3, [])
    port.send(board_link.encode_task(bytes(32), hello.nonce, 1, bytes(16), 0, 1.0, 1 << 47, 3000))
    result = (await port.wait(board_link.TaskResult))[0]
    assert (result.state, result.code) == (codes.REFUSED, codes.NO_ACTUATOR)
    assert not port.of(board_link.Samples)
    counted: dict[str, Any] = await port.counters()
    await port.wait(board_link.Status, len(port.of(board_link.Status)) + 2)
    assert (await port.counters())["watchdog_resets"] == counted["watchdog_resets"] == 3, "it stays up"
    await port.fault(fault="run_pin", thing=THING)
    await started(port, f"RUN pin; {why}; {mode}")
