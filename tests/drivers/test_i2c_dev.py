"""The unmodified smbus2 of PyPI on a /dev/i2c-1 that umockdev makes: our adapter, our drivers, programs of anybody."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cityreflex import exits
from cityreflex.commands.sim_i2c import chip_of
from simulator import i2c_dev
from simulator.bus import VirtualI2C
from simulator.chips import ads1115
from tests.chips.test_third_party import LIBRARIES
from tests.command import city

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, threading, time
import smbus2
from drivers import ads1115, bme280, errors
from drivers.smbus_bus import SmbusI2C

assert "/site-packages/smbus2/" in smbus2.__file__, smbus2.__file__
raw = smbus2.SMBus(1)
print("funcs", bool(raw.funcs & smbus2.smbus2.I2cFunc.I2C))
print("id", hex(raw.read_byte_data(0x76, 0xD0)))
raw.write_byte_data(0x76, 0xF5, 0xA0)
print("written", hex(raw.read_byte_data(0x76, 0xF5)), raw.read_i2c_block_data(0x76, 0xF4, 2)[1])
try:
    raw.read_byte(0x11)
except OSError as error:
    print("errno", error.errno)
bus = SmbusI2C(raw, "i2c-1")
pause = threading.Event().wait
print("scan", [hex(address) for address in bus.scan()])


class Io:
    def i2c(self, name):
        return bus

    def millis(self):
        return time.monotonic_ns() // 1_000_000


def read(module, cfg, count):
    driver, values = module.make(Io(), cfg), [0.0] * count
    pause(driver.start() / 1000)
    while wait_ms := driver.read_into(values):
        pause(wait_ms / 1000)
    return values


print("air", *(round(value, 1) for value in read(bme280, {"bus": "i2c0", "address": 0x76}, 3)))
print("input", round(read(ads1115, {"bus": "i2c0", "address": 0x48, "inputs": [1]}, 1)[0], 2))
sys.exit(7)
"""


def need_umockdev() -> None:
    if lacking := i2c_dev.missing():
        pytest.skip(lacking)


@pytest.mark.system
def test_a_program_with_the_real_smbus2_reads_virtual_chips(tmp_path: Path) -> None:
    need_umockdev()
    (tmp_path / "program.py").write_text(PROGRAM)
    chips = ("bme280@0x76,temperature_cel=25.5,humidity_pct=40", "ads1115@0x48,inputs_v[1]=1.25")
    options = [word for chip in chips for word in ("--chip", chip)]
    done = subprocess.run(
        [sys.executable, "-m", "cityreflex", "sim", "i2c", *options, "--", sys.executable, "program.py"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 7, done.stdout + done.stderr
    assert lines[:5] == ["funcs True", "id 0x60", "written 0xa0 160", "errno 121", "scan ['0x48', '0x76']"]
    assert lines[5].startswith("air 25.5 40.0 "), lines
    assert lines[6] == "input 1.25"


@pytest.mark.system
def test_the_contract_holds_on_it(tmp_path: Path) -> None:
    """All of test_bus_contract.py, in a pytest that runs on the device."""
    need_umockdev()
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/drivers/test_bus_contract.py"]
    done = subprocess.run(
        i2c_dev.command(tmp_path / "bus", "/dev/i2c-1", words),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=ROOT,
        env={**os.environ, "CITYREFLEX_I2C_SOCKET": str(tmp_path / "bus"), "PYTEST_ADDOPTS": ""},
    )
    counted = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counted is not None
    assert int(counted[1]) >= 24
    assert "umockdev" in (ROOT / "tests/drivers/test_bus_contract.py").read_text()


@pytest.mark.system
def test_a_driver_in_rust_reads_the_virtual_ina226(tmp_path: Path) -> None:
    """No face of ours and no Python in between: its ioctl is libc's."""
    need_umockdev()
    assert (LIBRARIES / "pamoja").exists(), "make setup installs tests/chips/third_party/packages.txt"
    program = ROOT / "tests" / "chips" / "third_party" / "linux" / "ina226.py"
    words = ["sim", "i2c", "--chip", "ina226@0x40,bus_v=13.2,current_a=-2.5", "--", sys.executable, str(program)]
    done = subprocess.run(
        [sys.executable, "-m", "cityreflex", *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{LIBRARIES}"},
    )
    assert done.stdout.splitlines() == ["mV 13200", "mA -2500", "mW 33000"], done.stdout + done.stderr


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(i2c_dev, "WRAPPER", "no-such-program")
    said = city(tmp_path, "sim", "i2c", "--chip", "bme280", "--", "true")
    assert said.code == exits.NOT_FOUND
    assert "apt-get install umockdev gir1.2-umockdev-1.0 python3-gi" in said.err


@pytest.mark.parametrize(
    ("chip", "told"),
    [
        ("bme", "expected one of"),
        ("bme280@here", "CHIP[@ADDRESS]"),
        ("bme280,temperature=3", "temperature_cel"),
        ("ads1115,inputs_v[9]=3", "inputs_v[0] to inputs_v[3]"),
        ("ads1115,inputs_v[1]=much", "CHIP[@ADDRESS]"),
        ("ads1115,inputs_v=3", "found 'inputs_v'; expected inputs_v[0] to inputs_v[3], such as inputs_v[0]=3"),
        ("bme280,temperature_cel[0]=3", "expected temperature_cel, which is one value: temperature_cel=3"),
        ("bme280@0x176", "found address 0x176; expected 0x08 to 0x77"),
        ("bme280@-5", "found address -5; expected 0x08 to 0x77"),
    ],
)
def test_a_chip_that_cannot_be_is_explained(tmp_path: Path, chip: str, told: str) -> None:
    said = city(tmp_path, "sim", "i2c", "--chip", chip, "--", "true")
    assert said.code == exits.CONFIG
    assert told in said.err


def test_two_chips_at_an_address_are_a_mistake(tmp_path: Path) -> None:
    said = city(tmp_path, "sim", "i2c", "--chip", "ads1115", "--chip", "ina226@0x48", "--", "true")
    assert said.code == exits.CONFIG
    assert "two chips at 0x48" in said.err


def test_a_chip_from_its_description() -> None:
    chip = chip_of("ads1115@0x4A,inputs_v[2]=0.5")
    assert (chip.address, chip.inputs_v[2]) == (0x4A, 0.5)


def test_what_the_device_cannot_do_is_said_as_linux_does() -> None:
    device = i2c_dev.LinuxDevice(VirtualI2C([ads1115.make(lambda: 0)]))
    with pytest.raises(OSError, match="not supported") as caught:
        device.smbus(0x48, True, 0, 5, bytes(34))
    assert caught.value.errno == 95


@pytest.mark.parametrize(
    ("reads", "size", "block"),
    [
        (True, i2c_dev.I2C_BLOCK, bytes((255,)) + bytes(33)),
        (True, i2c_dev.I2C_BLOCK, bytes(34)),
        (False, i2c_dev.I2C_BLOCK, bytes((33,)) + bytes(33)),
        (False, i2c_dev.BLOCK_DATA, bytes((33,)) + bytes(33)),
        (True, i2c_dev.I2C_BLOCK, b""),
        (False, i2c_dev.BLOCK_DATA, b""),
        (True, i2c_dev.BYTE, b""),
        (False, i2c_dev.WORD_DATA, b""),
    ],
)
def test_blocks_too_long_and_unions_that_are_not_there_are_invalid(reads: bool, size: int, block: bytes) -> None:
    device = i2c_dev.LinuxDevice(VirtualI2C([ads1115.make(lambda: 0)]))
    with pytest.raises(OSError, match="Invalid argument") as caught:
        device.smbus(0x48, reads, 0, size, block)
    assert caught.value.errno == errno.EINVAL


def test_a_failure_of_a_chip_or_of_a_call_is_eio_and_the_next_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chip = ads1115.make(lambda: 0)
    server = i2c_dev.Server(i2c_dev.LinuxDevice(VirtualI2C([chip])), tmp_path / "bus")
    with monkeypatch.context() as patch:
        patch.setattr(chip, "read", lambda count: 1 // 0)
        reading = {"rdwr": [[0x48, "", 2, True]]}
        assert ask(tmp_path / "bus", json.dumps(reading)) == {"errno": errno.EIO}
        assert ask(tmp_path / "bus", "not json") == {"errno": errno.EIO}
    assert ask(tmp_path / "bus", json.dumps(reading)) == {"read": ["0000"]}
    server.close()
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said and said.count("the program finds EIO") == 1


def ask(path: Path, line: str) -> Any:
    """What the server answers to a line, as the bed asks it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(f"{line}\n".encode())
        return json.loads(connection.makefile().readline())
