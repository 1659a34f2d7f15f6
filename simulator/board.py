"""Supervisor of a virtual board: the real MicroPython VM on the board's files, its watchdog and resets."""

import asyncio
import hashlib
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from simulator.bridge import BoardIO, Bridge
from simulator.registers import Registers
from simulator.vm_process import VmProcess, shared

SHIMS = Path(__file__).parent / "vm"
HEAP = "512K"


class Cause(NamedTuple):
    """What a reset leaves behind on an RP2040.

    `machine`: what `machine.reset_cause()` says. `chip_reset`: HAD_POR is bit 8, HAD_RUN bit 16 (datasheet, 2.12.8).
    `reason` of the watchdog: TIMER is bit 0, FORCE bit 1 (4.7.6).
    """

    machine: int
    chip_reset: int
    reason: int


POWER = Cause(1, 1 << 8, 0)
RUN_PIN = Cause(1, 1 << 16, 0)
WATCHDOG = Cause(3, 1 << 8, 1 << 0)
REQUESTED = Cause(3, 1 << 8, 1 << 1)


@dataclass
class BoardCounters:
    """Starts of the VM, and why."""

    starts: int = 0
    watchdog_resets: int = 0
    software_resets: int = 0
    exits: int = 0


class VirtualBoard:
    """A board that can be powered, reset and cut. Its files and wires survive, its memory does not."""

    def __init__(self, thing: str, fs_dir: Path, io: BoardIO, log_path: Path, clock_ppm: float = 0.0) -> None:
        self.thing = thing
        self.io = io
        self.counters = BoardCounters()
        self._fs_dir = fs_dir.resolve()
        self._log_path = log_path
        self._clock_ppm = clock_ppm
        self._registers = io.pins.registers = Registers()
        self._process: VmProcess | None = None
        self._bridge: Bridge | None = None
        self._watchdog_ms = 0
        self._watchdog_started = 0.0
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether the VM runs."""
        return self._process is not None and self._process.running()

    @property
    def pid(self) -> int | None:
        """Process id of the VM."""
        return self._process.pid if self._process is not None else None

    def power_on(self, cause: Cause = POWER) -> None:
        """Start the VM on the board's files. Raises: FileNotFoundError: it is not installed; ForkServerError."""
        calls, vm_calls = socket.socketpair()
        events, vm_events = socket.socketpair()
        vm_events.setblocking(False)
        uarts = {number: uart.power_on() for number, uart in self.io.uarts.items()}
        descriptors = [vm_calls.fileno(), vm_events.fileno(), self._registers.descriptor]
        environment = {
            "BOARD_FS": str(self._fs_dir),
            "BOARD_SHIM": str(SHIMS),
            "BOARD_CALLS": "3",
            "BOARD_EVENTS": "4",
            "BOARD_REGISTERS": "5",
            "BOARD_RESET_CAUSE": str(cause.machine),
            "BOARD_CHIP_RESET": str(cause.chip_reset),
            "BOARD_WATCHDOG_REASON": str(cause.reason),
            "BOARD_CLOCK_PPB": str(round(self._clock_ppm * 1000)),
            "BOARD_UID": hashlib.sha256(self.thing.encode()).hexdigest()[:16],
        }
        for number, (rx, tx) in uarts.items():
            environment[f"BOARD_UART{number}"] = f"{3 + len(descriptors)},{4 + len(descriptors)}"
            descriptors += [rx, tx]
        self._bridge = Bridge(self.io, calls, events, self)
        self._registers.start()
        self.io.pins.refresh_all()
        try:
            self._process = self._spawn(environment, descriptors)
        finally:
            for descriptor in descriptors[3:]:
                os.close(descriptor)
            vm_calls.close()
            vm_events.close()
        self.counters.starts += 1
        asyncio.get_running_loop().add_reader(self._process.handle, self._ended)

    def _spawn(self, environment: dict[str, str], descriptors: list[int]) -> VmProcess:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            argv = ["micropython", "-X", f"heapsize={HEAP}", str(SHIMS / "_boot.py")]
            return shared().start(self.thing, argv, environment, [log.fileno(), *descriptors])

    def power_off(self) -> None:
        """Cut the power: the VM is killed, pins float, what was in its memory is gone."""
        self._stop_watchdog()
        if self._process is not None:
            asyncio.get_running_loop().remove_reader(self._process.handle)
            self._process.kill()
            self._process.close()
            self._process = None
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None
        for uart in self.io.uarts.values():
            uart.power_off()
        self.io.pins.reset(time.monotonic_ns() // 1000)

    def reset(self, cause: Cause = WATCHDOG) -> None:
        """Restart the VM on the same files."""
        self.power_off()
        self.power_on(cause)

    async def stop(self) -> None:
        """Power off for good."""
        self.power_off()
        for uart in self.io.uarts.values():
            uart.close()
        self.io.pins.registers = None
        self._registers.close()

    def request_reset(self) -> None:
        """`machine.reset()`: on this chip it goes through the watchdog, so that is the cause it shows."""
        self.counters.software_resets += 1
        asyncio.get_running_loop().call_soon(self.reset, REQUESTED)

    def watchdog_start(self, timeout_ms: int) -> None:
        """Arm the watchdog, anew with its period if it runs already; only a reset disarms it."""
        self._stop_watchdog()
        self._watchdog_ms = timeout_ms
        self._watchdog_started = time.monotonic()
        self._arm(timeout_ms / 1000)

    def _arm(self, seconds: float) -> None:
        self._watchdog = asyncio.get_running_loop().call_later(seconds, self._watchdog_check)

    def _watchdog_check(self) -> None:
        fed = max(self._watchdog_started, self._registers.fed_s())
        left = fed + self._watchdog_ms / 1000 - time.monotonic()
        if left > 0:
            self._arm(left)
            return
        self.counters.watchdog_resets += 1
        self._note("watchdog expired")
        self.reset(WATCHDOG)

    def _stop_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _ended(self) -> None:
        """Notice that the VM ended by itself: such a board keeps its outputs as they were until a reset."""
        if self._process is not None:
            asyncio.get_running_loop().remove_reader(self._process.handle)
            self.counters.exits += 1
            self._note(f"program ended with code {self._process.wait()}")

    def _note(self, text: str) -> None:
        with self._log_path.open("ab") as log:
            log.write(f"[simulator] {self.thing}: {text}\n".encode())
