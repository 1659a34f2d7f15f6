"""Drivers that others wrote for the real chips work on the virtual ones."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKS = {path.stem: path for path in sorted((Path(__file__).parent / "third_party").glob("*.py"))}
LIBRARIES = Path(os.environ.get("CITYREFLEX_THIRD_PARTY", Path(sys.prefix) / "third_party"))


def test_there_are_checks() -> None:
    assert {"ads1115", "bme280", "scd41"} <= set(CHECKS)


def needed(check: Path) -> str:
    """Return the module of others that a check needs."""
    assigned = [node for node in ast.parse(check.read_text()).body if isinstance(node, ast.Assign)]
    return next(str(ast.literal_eval(n.value)) for n in assigned if getattr(n.targets[0], "id", "") == "NEEDS")


@pytest.mark.parametrize("name", CHECKS)
def test_a_strangers_driver_reads_the_virtual_chip(name: str) -> None:
    module = LIBRARIES / needed(CHECKS[name])
    there = module.exists() or module.with_suffix(".py").exists()
    assert there, f"{module} is missing: make setup installs tests/chips/third_party/packages.txt"
    script = Path(__file__).with_name("check_third_party.py")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{LIBRARIES}"}
    done = subprocess.run(
        [sys.executable, str(script), name],
        capture_output=True,
        text=True,
        timeout=90,
        env=environment,
        check=False,
    )
    assert done.stdout == "ok\n", done.stdout + done.stderr
