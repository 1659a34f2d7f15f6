"""Measures the heap of the whole firmware on a 32-bit MicroPython: `python tests/wasm/heap.py [--json]`.

Method: the fullest board file is bundled exactly as for a Pico (bytecode, armv6m) and loaded by the WebAssembly
VM, whose objects have the size of a board's: 31-bit integers, 16-byte blocks, 4-byte pointers. `machine` and
`time` are stubs that answer with bytes. A host written with the real host code of `protocol/` says hello, syncs,
acks, sends tasks and renews leases; it falls silent for a while (the ring fills, backlog follows) and a chip stops
answering. The VM collects garbage only between calls from outside and its heap grows on demand; so the heap in use is
read after every call, with all garbage of that call, and the greatest of these figures is the peak. It is an
upper bound: a board collects when it must. What the bench itself holds (stubs, their buffers) is
measured before the firmware is loaded and taken off; C stacks are not on this heap. Native code, which this VM
cannot load and a board has on its heap, is `native`: the size of its files, added to the figures.
`garbage_per_s` is what turns take from the heap while a host is linked; a collection gives it back.
`console_peak` is that of a technician's session afterwards, who types every command; `console_leaves` what it leaves.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from firmware.kit import board_file, bundle  # noqa: E402
from protocol import board_link, host_decoder  # noqa: E402
from protocol.mac import hmac_sha256  # noqa: E402

BIN = Path(sys.executable).parent
VM = Path(sys.prefix) / "npm/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
LIMIT = 120 * 1024
BENCH = 24 * 1024
HEAP = LIMIT + BENCH
FLASH = 20 * 1024  # what the stubs need to be a flash
KEY = bytes(32)
STEP_MS = 10
GARBAGE_S = 5
WITH_FLASH_RING = {"flash": {"size_kb": 128}}
NATIVE = {"protocol.cobs_viper"}
NOT_KEPT = {
    "firmware.port.maintenance", "firmware.port.start", "firmware.port.ring_files", "firmware.core.refill",
    "firmware.core.unpack", *NATIVE,
}  # fmt: skip
# Every command but reboot, each with its Enter; the last ones leave a calibration staged and stored.
KEYS = [
    *(f"{line}\r" for line in (
        "help", "help cal", "id", "status", "get", "get battery", "watch water_level 2", "scan", "selftest", "set",
        "link", "clock", "log", "report", "outputs", "set period.level 200", "cal water_level low 2.0", "diff",
        "commit", "revert",
    )),
    "\t\x15\r",
    "get s\t\x15\r",
]  # fmt: skip


class Vm:
    """A board on the 32-bit VM; each call runs one line of Python there."""

    def __init__(self, board_dir: Path, *scripts: Path, heap: int = HEAP) -> None:
        """Start node and load the board's files."""
        command = [str(BIN / "node"), str(HERE / "run.mjs"), str(VM), str(heap), str(board_dir)]
        command += [str(HERE / "stubs"), *map(str, scripts)]
        self._node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.printed = self._until("ready")

    def _until(self, last: str) -> list[str]:
        assert self._node.stdout is not None
        lines = []
        for line in self._node.stdout:
            if line.strip() == last:
                return lines
            lines.append(line.strip())
        raise RuntimeError("the VM ended:\n" + "\n".join(lines))

    def run(self, line: str) -> list[str]:
        """Return the lines that a line of Python printed."""
        assert self._node.stdin is not None
        self._node.stdin.write(line + "\n")
        self._node.stdin.flush()
        return self._until("done")

    def close(self) -> None:
        """End the VM."""
        assert self._node.stdin is not None
        self._node.stdin.close()
        self._node.wait(10)


class Host:
    """The edge node's side of the link, as far as the board's memory is concerned."""

    def __init__(self) -> None:
        self.decoder = host_decoder.HostDecoder()
        self.hello: board_link.Hello | None = None
        self.status: board_link.Status | None = None
        self.results: list[board_link.TaskResult] = []
        self.samples = 0
        self.counter = 0

    def take(self, data: bytes) -> bytes:
        """Return the frames that answer what the board sent: an ack per batch."""
        out = b""
        for body in self.decoder.feed(data):
            message = board_link.decode_board(body)
            if isinstance(message, board_link.Samples):
                n = len(message.records) // 12
                self.samples += n
                span = (message.first, message.first + n)
                out += self._ack(message.boot, [span], [])
            elif isinstance(message, board_link.Gap):
                out += self._ack(message.boot, [], [message.gap_id])
            elif isinstance(message, board_link.Hello):
                self.hello = message
            elif isinstance(message, board_link.Status):
                self.status = message
            elif isinstance(message, board_link.TaskResult):
                self.results.append(message)
        return out

    def _ack(self, boot: str, ranges: list[tuple[int, int]], gaps: list[int]) -> bytes:
        assert self.hello is not None
        sign = partial(hmac_sha256, KEY)
        return board_link.build_frame(board_link.encode_signed_ack(sign, self.hello.nonce, boot, ranges, gaps))

    def task(self, actuator: int, setpoint: float) -> bytes:
        """Return a signed task."""
        assert self.hello is not None and self.status is not None
        self.counter += 1
        late = self.status.t_us + 60_000_000
        nonce = self.hello.nonce
        task_id = bytes([self.counter]) * 16
        return board_link.build_frame(
            board_link.encode_task(KEY, nonce, self.counter, task_id, actuator, setpoint, late, 3000)
        )


def play(vm: Vm, host: Host, ms: int, answering: bool = True, first: bytes = b"") -> None:
    """Let board and host talk for `ms` of board time."""
    rx = first
    for turn in range(ms // STEP_MS):
        vm.run("rx " + rx.hex())
        (line,) = [line for line in vm.run(f"play({STEP_MS})") if line[:2] == "tx"]
        rx = host.take(bytes.fromhex(line[2:])) if answering else b""
        if answering and turn % 10 == 0:
            rx += board_link.build_frame(board_link.encode_sync(turn))


def used(vm: Vm) -> tuple[int, int]:
    """Return (bytes in use, bytes of the whole heap) of the VM."""
    found = re.search(r"total: (\d+), used: (\d+)", "\n".join(vm.run("micropython.mem_info()")))
    assert found is not None
    return int(found[2]), int(found[1])


def measure(board: str = "fullest", flash_kb: int = 0) -> dict[str, Any]:
    """Return the figures of one run: peak and parts of the heap in bytes, samples. `flash_kb`: of a flash ring."""
    with tempfile.TemporaryDirectory() as folder:
        path = board_file.board_path(board)
        overrides = {"flash": {"size_kb": flash_kb}} if flash_kb else None
        info = bundle.build(path, Path(folder), thing="heap-1", overrides=overrides, key=KEY)
        modules = [name[4:-4].replace("/", ".") for name in info.files if name.startswith("lib/")]
        vm = Vm(Path(folder), HERE / "bench.py", heap=HEAP + (FLASH if flash_kb else 0))
        try:
            if flash_kb:
                vm.run("import rp2, vfs")
            files = [(Path(folder, "lib") / name.replace(".", "/")).with_suffix(".mpy") for name in NATIVE]
            native = sum(file.stat().st_size for file in files)
            return figures(vm, board, [name for name in modules if _runs(name)], native)
        finally:
            vm.close()


def _runs(module: str) -> bool:
    """Return whether a module of the bundle is in memory while the application runs."""
    absent = module.startswith("firmware.console") or module.endswith(("__init__", "_native"))
    return not (absent or module in NOT_KEPT)


def figures(vm: Vm, board: str, modules: list[str], native: int) -> dict[str, Any]:
    """Return what `measure` does, from a VM with the files loaded; `native`: bytes of code that it cannot hold."""
    vm.run("import micropython")
    stubs, whole = used(vm)
    names = name_pools(vm)[1]
    for module in modules:
        vm.run(f"import {module}; note()")
    code, _ = used(vm)
    vm.run("load(); note()")
    vm.run("start(); note()")
    vm.run("pass")
    started, _ = used(vm)
    host = Host()
    play(vm, host, 10_000, first=board_link.build_frame(board_link.encode_hello(1)))
    vm.run("garbage()")
    play(vm, host, GARBAGE_S * 1000)
    garbage = int(vm.run("garbage()")[-1].split()[1])
    for actuator, setpoint in ((0, 0.6), (1, 1.0), (2, 1.0), (3, 0.7)):
        play(vm, host, 2_000, first=host.task(actuator, setpoint))
    vm.run("machine.silent.append(0x76)")
    play(vm, host, 5_000)
    vm.run("machine.silent.clear()")
    play(vm, host, 15_000, answering=False)
    play(vm, host, 20_000, first=board_link.build_frame(board_link.encode_hello(2)))
    _, head, dropped, peak = next(line for line in vm.run("status()") if line.startswith("status")).split()
    live, grown = used(vm)
    replies, console, left, pool = type_commands(vm, names)
    return {
        "board": board,
        "peak": int(peak) - stubs + native,
        "limit": LIMIT,
        "stubs": stubs,
        "native": native,
        "code": code - stubs,
        "objects": started - code,
        "live": live - stubs + native,
        "garbage_per_s": garbage // GARBAGE_S,
        "console_peak": console - stubs + native,
        "console_leaves": left - live,
        "console_name_pool": pool,
        "console_replies": replies,
        "heap_grew": grown != whole,
        "samples_acquired": int(head),
        "samples_received": host.samples,
        "dropped": int(dropped),
        "results": len(host.results),
    }


def name_pools(vm: Vm) -> tuple[int, int, int]:
    """Return (pools, names in them, bytes of the pools without their text): a VM keeps every name for ever."""
    found = re.search(r"n_pool=(\d+), n_qstr=(\d+), n_str_data_bytes=(\d+), n_total_bytes=(\d+)",
                      "\n".join(vm.run("micropython.qstr_info()")))  # fmt: skip
    assert found is not None
    pools, names, text, total = map(int, found.groups())
    return pools, names, total - text


def opened_for_the_bench(before: tuple[int, int, int], after: tuple[int, int, int], names: int) -> int:
    """Return the bytes of a pool that opened only because the bench's own `names` fill a part of those before.

    Pools of 20, 40, 80 ... names: a board has none of the bench's, as what they name is in its flash.
    """
    room = 20 * (2 ** before[0] - 1)
    return after[2] - before[2] if after[1] - names <= room else 0


def type_commands(vm: Vm, names: int) -> tuple[int, int, int, int]:
    """Return (commands answered, peak, bytes in use at the end) of a technician's session after a host's.

    Last comes the pool of names that is left out of both, 0 if none opened for the bench's names alone.
    """
    before = name_pools(vm)
    for _ in range(700):
        vm.run("rx ")
        vm.run(f"play({STEP_MS})")
    vm.run("session()")
    replies = 0
    for keys in KEYS:
        text, turns = "", 0
        vm.run("rx " + keys.encode().hex())
        while not text.endswith("\nheap-1> ") or turns < 2:
            (line,) = [line for line in vm.run("play(1)") if line[:2] == "tx"]
            vm.run("rx ")
            text += bytes.fromhex(line[2:]).decode()
            turns += 1
            if turns > 5000:
                raise RuntimeError("no end of " + text)
        replies += text.count("\r\nok\r\n")
    peak = next(line for line in vm.run("session()") if line.startswith("session")).split()[1]
    vm.run("pass")
    extra = opened_for_the_bench(before, name_pools(vm), names)
    return replies, int(peak) - extra, used(vm)[0] - extra, extra


def hot_paths(folder: Path) -> list[str]:
    """Return what `hot_paths.py` prints, "path NAME BYTES" for 100 rounds of each, on the fullest board and more."""
    bundle.build(board_file.board_path("fullest"), folder, thing="heap-1", overrides=WITH_FLASH_RING, key=KEY)
    vm = Vm(folder, HERE / "hot_paths.py", heap=400_000)
    vm.close()
    return vm.printed


def missing() -> str:
    """Return what this needs and is not there, or an empty text."""
    if not VM.exists():
        return f"{VM} is missing: make setup installs it"
    return "" if shutil.which(str(BIN / "node")) else f"{BIN / 'node'} is missing: make setup installs it"


def main() -> int:
    """Print the figures; exit status 1 above the limit."""
    parser = argparse.ArgumentParser(description="Heap of the whole firmware on a 32-bit MicroPython.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--board", default="fullest", help="name of a board file, for example river_gauge")
    parser.add_argument("--flash-kb", type=int, default=0, help="with a flash ring of so many KiB, at most 128")
    options = parser.parse_args()
    if missing():
        print(missing(), file=sys.stderr)
        return 1
    found = measure(options.board, options.flash_kb)
    if options.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:18} {value}")
        with tempfile.TemporaryDirectory() as folder:
            paths = [line.split()[1:] for line in hot_paths(Path(folder)) if line.startswith("path")]
        print("\nbytes in 100 rounds (control: of a call that takes some)")
        print("\n".join(f"{name:18} {used}" for name, used in paths))
    below = max(found["peak"], found["console_peak"]) < LIMIT
    return 0 if below and not found["heap_grew"] else 1


if __name__ == "__main__":
    sys.exit(main())
