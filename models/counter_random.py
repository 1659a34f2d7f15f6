"""Random numbers that are a function of a counter: same key and counter, same bits, in any order, anywhere.

Kind: theoretical (a block cipher with a small key, not for secrets).
Valid for: any 64-bit key and any 128-bit counter; normals reach +-4.9 standard deviations and no further.
Validated against: the known answers of Random123 for philox4x32-10.
Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC11), section 3.3, philox4x32-10;
normals: sum of eight uniforms (Irwin-Hall), which needs no logarithm and so no libm.
"""

import numpy as np
import numpy.typing as npt

from models.compile import kernel

F64 = npt.NDArray[np.float64]
U64 = npt.NDArray[np.uint64]

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_LOW16, _SHIFT16 = np.uint64(0xFFFF), np.uint64(16)
_SCALE = float(np.sqrt(1.5))


@kernel
def philox_kernel(counter: U64, key0: np.uint64, key1: np.uint64, out: U64) -> None:
    """Fill out (4,) with 32-bit words for counter (4,) of 32-bit words and two 32-bit key words."""
    c0, c1, c2, c3 = counter[0], counter[1], counter[2], counter[3]
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1 = (p1 >> _SHIFT) ^ c1 ^ key0, p1 & _LOW
        c2, c3 = (p0 >> _SHIFT) ^ c3 ^ key1, p0 & _LOW
        key0, key1 = (key0 + _W0) & _LOW, (key1 + _W1) & _LOW
    out[0], out[1], out[2], out[3] = c0, c1, c2, c3


@kernel
def normals_kernel(seed: np.uint64, moment: np.uint64, stream: np.uint64, out: F64) -> None:
    """Fill out (n,) with standard normals for (seed, moment, stream, index)."""
    counter, words = np.empty(4, np.uint64), np.empty(4, np.uint64)
    for i in range(out.size):
        counter[0], counter[1] = np.uint64(i), stream & _LOW
        counter[2], counter[3] = moment & _LOW, moment >> _SHIFT
        philox_kernel(counter, seed & _LOW, seed >> _SHIFT, words)
        total = 0.0
        for j in range(4):
            total += float(words[j] & _LOW16) + float(words[j] >> _SHIFT16)
        out[i] = ((total + 4.0) / 65536.0 - 4.0) * _SCALE


def normals(seed: int, moment: int, stream: int, n: int) -> F64:
    """Return standard normals (n,); equal arguments give equal bits. stream has 32 bits."""
    out = np.empty(n)
    normals_kernel(np.uint64(seed), np.uint64(moment), np.uint64(stream), out)
    return out
