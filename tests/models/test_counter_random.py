"""Counter-based randomness: the cipher's known answers, and the normals' moments."""

import numpy as np
import pytest

from models.compile import python_of
from models.counter_random import normals, normals_kernel, philox_kernel

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize("philox", [philox_kernel, python_of(philox_kernel)])
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_known_answers(philox, counter, key, expected) -> None:  # type: ignore[no-untyped-def]
    out = np.empty(4, np.uint64)
    philox(np.array(counter, np.uint64), np.uint64(key[0]), np.uint64(key[1]), out)
    assert tuple(out.tolist()) == expected


def test_compiled_and_python_normals_are_the_same_bits() -> None:
    out = np.empty(50)
    python_of(normals_kernel)(np.uint64(7), np.uint64(2**40 + 5), np.uint64(3), out)
    assert (out == normals(7, 2**40 + 5, 3, 50)).all()


def test_normals_depend_on_every_part_of_the_counter() -> None:
    base = normals(1, 2, 3, 8)
    assert (normals(1, 2, 3, 20)[:8] == base).all()
    for other in (normals(2, 2, 3, 8), normals(1, 3, 3, 8), normals(1, 2, 4, 8), normals(1, 2 + 2**32, 3, 8)):
        assert (other != base).all()


def test_normals_have_the_moments_of_a_normal() -> None:
    x = normals(1, 2, 3, 200_000)
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1.0) < 0.01
    assert abs((x > 1.6448536).mean() - 0.05) < 0.003
