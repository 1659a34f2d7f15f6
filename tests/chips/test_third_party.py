"""Drivers that others wrote for the real chips work on the virtual ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = Path(sys.prefix) / "third_party"


@pytest.mark.parametrize("name", ["bme280", "ads1115", "scd41"])
def test_a_circuitpython_driver_reads_the_virtual_chip(name: str) -> None:
    if not LIBRARIES.exists():
        pytest.skip(f"{LIBRARIES} is missing: make setup puts CircuitPython drivers there")
    script = Path(__file__).with_name("check_third_party.py")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{LIBRARIES}"}
    done = subprocess.run(
        [sys.executable, str(script), name],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert done.stdout == "ok\n", done.stdout + done.stderr
