"""`os` with the random numbers that a board's port has and the WebAssembly VM lacks."""

import uos
from uos import *


def urandom(n):
    return bytes(range(n))


rename = uos.rename
