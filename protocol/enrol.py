"""Enrolment: the token that a person carries to a new node, and the two messages that use it up. CPython.

A node that no city knows connects to the city's enrolment endpoint with its own new CURVE key, whose possession the
handshake proves, and with the city's key from the token, so that nobody else can answer. It sends one EnrolAsk and
gets one EnrolAnswer. Both are one ZeroMQ part, a msgpack array that begins with the kind.
"""

import base64
import binascii
from dataclasses import astuple, dataclass
from typing import Any

import msgpack  # type: ignore[import-untyped]

from . import checks
from .errors import FrameError

ASK = 1
ANSWER = 2
VERSION = 1
MAX_BYTES = 1024
ID_BYTES = 8
SECRET_BYTES = 16
CURVE_BYTES = 32
SIGN_BYTES = 32
PREFIX = "city1-"
MAX_SURPLUS = 16
_CRC_BYTES = 4
OK = "ok"


@dataclass(frozen=True)
class TokenText:
    """What a token says. `server`: the city's public CURVE key; `secret` is worth an identity until it lapses."""

    edge: str
    endpoint: str
    server: bytes
    token_id: bytes
    secret: bytes
    lapses_utc_s: int

    def __repr__(self) -> str:
        return f"TokenText({self.edge!r}, {self.endpoint!r}, lapses_utc_s={self.lapses_utc_s})"


@dataclass(frozen=True)
class EnrolAsk:
    """Node to city: here is a token; enrol the key that I speak under."""

    token_id: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"EnrolAsk({self.token_id.hex()!r})"


@dataclass(frozen=True)
class EnrolAnswer:
    """City to node: "ok" or the name of a refusal. `verify`: Ed25519 keys of its tasks; `server`: its CURVE keys."""

    code: str
    text: str
    edge: str = ""
    server: tuple[bytes, ...] = ()
    verify: tuple[bytes, ...] = ()


def token_text(token: TokenText) -> str:
    """Return the token as one word for a terminal, with a check sum."""
    data = bytes(msgpack.packb([VERSION, *astuple(token)]))
    data += binascii.crc32(data).to_bytes(_CRC_BYTES, "little")
    return PREFIX + base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_token(text: str) -> TokenText:
    """Return what a token says. Raises: FrameError, which never shows the token."""
    word = text.strip()
    if not word.startswith(PREFIX) or len(word) > MAX_BYTES:
        raise FrameError(f"this is no enrolment token: one begins with {PREFIX}")
    try:
        data = base64.b64decode(word.removeprefix(PREFIX) + "=" * (-len(word.removeprefix(PREFIX)) % 4), b"-_", True)
    except ValueError:
        data = b""
    body, crc = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
    if not body or binascii.crc32(body).to_bytes(_CRC_BYTES, "little") != crc:
        raise FrameError("the enrolment token is not whole: copy all of it, from one line")
    version, edge, endpoint, server, token_id, secret, lapses = _items("token", body, 7)
    checks.integer("token.version", version, VERSION, VERSION)
    checks.binary("token.server", server, CURVE_BYTES)
    _check_secret("token", token_id, secret)
    endpoint = checks.text("token.endpoint", endpoint, 200)
    lapses = checks.integer("token.lapses", lapses)
    return TokenText(checks.name("token.edge", edge), endpoint, server, token_id, secret, lapses)


def encode_ask(ask: EnrolAsk) -> bytes:
    """Return the bytes of an EnrolAsk."""
    return bytes(msgpack.packb([ASK, VERSION, ask.token_id, ask.secret]))


def decode_ask(data: bytes) -> EnrolAsk:
    """Return the EnrolAsk in `data`; surplus items are ignored. Raises: FrameError."""
    kind, version, token_id, secret = _items("EnrolAsk", data, 4)
    checks.integer("EnrolAsk.kind", kind, ASK, ASK)
    checks.integer("EnrolAsk.version", version, 1, 255)
    _check_secret("EnrolAsk", token_id, secret)
    return EnrolAsk(token_id, secret)


def encode_answer(answer: EnrolAnswer) -> bytes:
    """Return the bytes of an EnrolAnswer."""
    lists = [list(answer.server), list(answer.verify)]
    return bytes(msgpack.packb([ANSWER, VERSION, answer.code, answer.text, answer.edge, *lists]))


def decode_answer(data: bytes) -> EnrolAnswer:
    """Return the EnrolAnswer in `data`; surplus items are ignored. Raises: FrameError."""
    kind, version, code, said, edge, server, verify = _items("EnrolAnswer", data, 7)
    checks.integer("EnrolAnswer.kind", kind, ANSWER, ANSWER)
    checks.integer("EnrolAnswer.version", version, 1, 255)
    servers = [checks.binary("EnrolAnswer.server[]", key, CURVE_BYTES) for key in checks.array("server", server, 2)]
    verifies = [checks.binary("EnrolAnswer.verify[]", key, SIGN_BYTES) for key in checks.array("verify", verify, 2)]
    code = checks.name("EnrolAnswer.code", code)
    text, edge = checks.text("EnrolAnswer.text", said, 300), checks.text("EnrolAnswer.edge", edge)
    return EnrolAnswer(code, text, edge, tuple(servers), tuple(verifies))


def _check_secret(where: str, token_id: Any, secret: Any) -> None:
    """Raise FrameError without showing what was found, unless both have their lengths."""
    if not (isinstance(token_id, bytes) and len(token_id) == ID_BYTES):
        raise FrameError(f"{where}: expected a token id of {ID_BYTES} bytes")
    if not (isinstance(secret, bytes) and len(secret) == SECRET_BYTES):
        raise FrameError(f"{where}: expected a secret of {SECRET_BYTES} bytes")


def _items(where: str, data: bytes, wanted: int) -> list[Any]:
    """Return the first `wanted` items of an array that may have up to 16 more; an error shows none of them."""
    items = checks.unpack(data, MAX_BYTES, 3, 64)
    if type(items) is not list or not wanted <= len(items) <= wanted + MAX_SURPLUS:
        raise FrameError(f"{where}: expected an array of {wanted} items and at most {MAX_SURPLUS} more")
    return items[:wanted]
