"""One way to compile a kernel: numba without fastmath, cached on disk, releasing the GIL."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Return `function` compiled by numba on first call; the plain Python stays at `.py_func`.

    `error_model="numpy"` keeps loops vectorisable (a division by zero gives inf, not an exception).
    No fastmath and no parallel reductions: results must be the same bits in every run.
    """
    compiled = numba.njit(error_model="numpy", cache=True, nogil=True)(function)
    return cast(F, compiled)


def python_of(compiled: F) -> F:
    """Return the uncompiled Python function behind a kernel; tests run both and compare."""
    return cast(F, getattr(compiled, "py_func", compiled))
