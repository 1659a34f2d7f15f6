"""The certificate and key of an HTTP interface: files in PEM, read before anything listens."""

import ssl
from pathlib import Path
from typing import NamedTuple

from .errors import KeyFileError
from .keys import locate, read_secret


class Tls(NamedTuple):
    """Where the certificate (with its chain) and its private key lie."""

    cert: Path
    key: Path


def read_tls(cert: Path, key: Path) -> Tls:
    """Return the files behind two paths of a configuration, if they belong together. Raises: KeyFileError."""
    read_secret(key)
    found = Tls(locate(cert), locate(key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(found.cert, found.key, password="")
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        text = f"{cert}: no certificate in PEM with its chain that belongs to the key in {key}: {reason}"
        raise KeyFileError(text) from error
    return found
