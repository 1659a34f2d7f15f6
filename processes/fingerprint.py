"""What the bits of a decision depend on beside its inputs: processor, libraries, and the code itself."""

import math
import platform
import sys
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import numba
import numpy as np

from processes import digests

_HERE = Path(__file__).parent
_PROBES = (-7.25, -1.0, -1e-3, 0.1, 0.5, 1.0, 2.718281828, 10.125, 123.456)


@cache
def fingerprint() -> dict[str, str]:
    """Return the fingerprint of this process by part: python, numpy, numba, machine, cpu, libm, code."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "machine": f"{sys.platform} {platform.machine()}",
        "cpu": _cpu(),
        "libm": _libm(),
        "code": digests.of_files([*_sources(_HERE, "*.py"), *_sources(_HERE.parent / "models", "**/*.py")]),
    }


def of_template(folder: Path) -> str:
    """Return 32 hex digits that name the code of a template."""
    return digests.of_files(_sources(folder, "**/*.py"))


def differing(recorded: dict[str, str], here: dict[str, str]) -> list[str]:
    """Return the parts in which two fingerprints differ, by name."""
    return sorted(part for part in recorded.keys() | here.keys() if recorded.get(part) != here.get(part))


def _cpu() -> str:
    """Return the processor as the compiler of kernels sees it: its name and a digest of its features."""
    features = llvm.get_host_cpu_features().flatten().encode()
    return f"{llvm.get_host_cpu_name()} {digests.of_files([('features', features)])[:8]}"


def _libm() -> str:
    """Return the C library's name, and a digest of what its mathematics and NumPy's give for a few numbers."""
    functions = (math.exp, math.sin, math.cos, math.tanh, math.atan, lambda x: math.log(abs(x)))
    plain = [f(x) for f in functions for x in _PROBES]
    x = np.array(_PROBES)
    arrays = [np.exp(x), np.sin(x), np.tanh(x), np.log(np.abs(x)), np.power(np.abs(x), 0.3)]
    whole = np.concatenate([np.array(plain), *arrays]).tobytes()
    return f"{' '.join(platform.libc_ver()).strip() or 'unknown'} {digests.of_files([('probe', whole)])[:8]}"


def _sources(folder: Path, pattern: str) -> list[tuple[str, bytes]]:
    return [(str(path.relative_to(folder.parent)), path.read_bytes()) for path in sorted(folder.glob(pattern))]
