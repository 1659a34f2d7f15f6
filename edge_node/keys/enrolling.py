"""Enrolment from the node's side: shows a token under a new key, and takes what the city says of itself. Shell.

The new secret is on disk before the city hears of it, and takes its place last, so that a node that dies in between
asks again with the same key, which the city allows while the token lives.
"""

from pathlib import Path

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from protocol.enrol import MAX_BYTES, OK, EnrolAnswer, EnrolAsk, TokenText, decode_answer, encode_ask
from protocol.errors import FrameError
from service.errors import KeyFileError
from service.files import make_private_folder, rename_durably, replace_durably
from service.keys import is_credential, read_curve_key, second_slot

from ..config import CitySection
from ..errors import EnrolError
from .node_keys import Pair
from .side import PUBLIC_MODE, make_next, read_pair

DEAD = ("revoked_key", "retired_key", "replaced_key")
_FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


def enrol(city: CitySection, edge: str, token: TokenText, timeout_s: float) -> Pair:
    """Return the key pair that is enrolled and in its file, beside the city's keys in theirs.

    Raises: EnrolError, KeyFileError, OSError.
    """
    if token.edge != edge:
        raise EnrolError("wrong_edge", f"the token is for {token.edge}, this configuration is of {edge}")
    for path in (city.secret_file, city.server_public_file, city.verify_key_file):
        if is_credential(path):
            raise KeyFileError(f"{path}: enrolment writes key files, and credentials of systemd are read only")
        make_private_folder(path.parent)
    answer, pair = _ask_under_new_key(city, token, timeout_s)
    if answer.edge != edge or not answer.server or not answer.verify:
        raise EnrolError("malformed", f"the city enrolled {answer.edge!r}, or sent no keys of its own")
    if token.server not in answer.server:
        raise EnrolError("malformed", "the city sent other keys of its own than the token has")
    _write_slots(city.server_public_file, [bytes(z85.encode(key)) for key in answer.server])
    _write_slots(city.verify_key_file, [key.hex().encode() for key in answer.verify])
    rename_durably(second_slot(city.secret_file), city.secret_file)
    if city.public_file is not None and not is_credential(city.public_file):
        replace_durably(city.public_file, pair.public, PUBLIC_MODE)
    return pair


def _ask_under_new_key(city: CitySection, token: TokenText, timeout_s: float) -> tuple[EnrolAnswer, Pair]:
    """A key that the city knows to be dead is thrown away once; another one takes its place.

    A key that was made for a token that is refused goes again: a node would take it for a rotation that was asked for.
    """
    slot = second_slot(city.secret_file)
    for _ in range(2):
        ours = not slot.exists()
        make_next(city.secret_file)
        pair = read_pair(read_curve_key(slot, secret=True))
        answer = ask(token, pair, timeout_s)
        if answer.code not in DEAD:
            break
        slot.unlink()
    if answer.code != OK:
        if ours:
            slot.unlink(missing_ok=True)
        raise EnrolError(answer.code, f"the city refused: {answer.text}")
    return answer, pair


def ask(token: TokenText, pair: Pair, timeout_s: float) -> EnrolAnswer:
    """Return the city's answer to the token. Raises: EnrolError when none comes."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    try:
        socket.curve_serverkey = bytes(z85.encode(token.server))
        socket.curve_publickey, socket.curve_secretkey = pair.public, pair.secret
        for option, value in ((zmq.LINGER, 0), (zmq.MAXMSGSIZE, MAX_BYTES), (zmq.IMMEDIATE, 1)):
            socket.setsockopt(option, value)
        return _exchange(socket, token, timeout_s)
    except zmq.ZMQError as error:
        raise EnrolError("unreachable", f"{token.endpoint}: {error}") from error
    finally:
        context.destroy(0)


def _exchange(socket: "zmq.Socket[bytes]", token: TokenText, timeout_s: float) -> EnrolAnswer:
    monitor = socket.get_monitor_socket(_FAILED)
    poller = zmq.Poller()
    poller.register(monitor, zmq.POLLIN)
    poller.register(socket, zmq.POLLIN | zmq.POLLOUT)
    socket.connect(token.endpoint)
    asked = False
    while ready := dict(poller.poll(round(timeout_s * 1000))):
        if monitor in ready and recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            raise EnrolError("enrol_flood", "the city lets nobody knock now: too many came; try again in a minute")
        if ready.get(socket, 0) & zmq.POLLIN:
            return _answer(socket.recv_multipart())
        if not asked and ready.get(socket, 0) & zmq.POLLOUT:
            asked = True
            socket.send(encode_ask(EnrolAsk(token.token_id, token.secret)))
            poller.modify(socket, zmq.POLLIN)
    text = f"no answer from {token.endpoint}: has the token lapsed, is the city running, is the endpoint reachable?"
    raise EnrolError("unreachable", text)


def _answer(parts: list[bytes]) -> EnrolAnswer:
    try:
        return decode_answer(b"".join(parts))
    except FrameError as error:
        raise EnrolError("malformed", f"the city's answer is not understood: {error}") from error


def _write_slots(path: Path, keys: list[bytes]) -> None:
    replace_durably(path, keys[0], PUBLIC_MODE)
    if len(keys) > 1:
        replace_durably(second_slot(path), keys[1], PUBLIC_MODE)
    else:
        second_slot(path).unlink(missing_ok=True)
