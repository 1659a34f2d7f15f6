"""Addresses of HTTP interfaces, unix:PATH or HOST:PORT. Imports nothing heavy: each command of `city` needs it."""

import re

UNIX = "unix:"
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|\[?::1\]?")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host of an address."""
    return _LOOPBACK.fullmatch(host) is not None
