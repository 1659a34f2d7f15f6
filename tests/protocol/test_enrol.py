"""Enrolment on the wire: what a person carries and two messages; malformed ones are refused and show nothing."""

import base64
import binascii
import contextlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import enrol
from protocol.enrol import EnrolAnswer, EnrolAsk, TokenText
from protocol.errors import FrameError

SECRET = bytes(range(100, 116))
TOKEN = TokenText("edge-7", "tcp://city.example:5571", bytes(range(32)), b"12345678", SECRET, 1_800_000_000)


def test_a_token_is_one_word_and_comes_back() -> None:
    text = enrol.token_text(TOKEN)
    assert text.startswith("city1-") and text.split() == [text] and len(text) < 200
    assert enrol.read_token(f"  {text}\n") == TOKEN


def test_the_bytes_of_a_token_are_what_the_page_says() -> None:
    body = msgpack.packb([1, "e", "ipc://x", bytes(32), bytes(8), bytes(16), 5])
    data = body + binascii.crc32(body).to_bytes(4, "little")
    text = "city1-" + base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert enrol.read_token(text) == TokenText("e", "ipc://x", bytes(32), bytes(8), bytes(16), 5)


def test_a_token_that_is_not_whole_says_so() -> None:
    text = enrol.token_text(TOKEN)
    for wrong in (text[:-1], text[:20], "city1-", text[:30] + ("A" if text[30] != "A" else "B") + text[31:]):
        with pytest.raises(FrameError, match="not whole"):
            enrol.read_token(wrong)
    with pytest.raises(FrameError, match="begins with city1-"):
        enrol.read_token("hello")


def test_messages_come_back_and_secrets_have_no_repr() -> None:
    ask = EnrolAsk(b"12345678", SECRET)
    assert enrol.decode_ask(enrol.encode_ask(ask)) == ask
    answer = EnrolAnswer("ok", "enrolled", "edge-7", (bytes(range(32)), bytes(32)), (bytes(32),))
    assert enrol.decode_answer(enrol.encode_answer(answer)) == answer
    for shown in (repr(ask), repr(TOKEN)):
        assert SECRET.hex() not in shown and repr(SECRET)[2:-1] not in shown


def test_surplus_items_are_ignored_up_to_sixteen() -> None:
    items = [1, 1, b"12345678", SECRET]
    assert enrol.decode_ask(msgpack.packb(items + [None] * 16)) == EnrolAsk(b"12345678", SECRET)
    with pytest.raises(FrameError):
        enrol.decode_ask(msgpack.packb(items + [None] * 17))


@pytest.mark.parametrize(
    "items",
    [[], [1], [2, 1, b"12345678", SECRET], [1, 1, b"short", SECRET], [1, 1, b"12345678", SECRET + b"x"], {"a": 1}],
)
def test_a_malformed_ask_is_refused_without_showing_the_secret(items: object) -> None:
    with pytest.raises(FrameError) as caught:
        enrol.decode_ask(msgpack.packb(items))
    assert repr(SECRET)[2:-1] not in str(caught.value)


@given(st.binary(max_size=200))
def test_garbage_never_raises_anything_else(data: bytes) -> None:
    for decode in (enrol.decode_ask, enrol.decode_answer):
        with contextlib.suppress(FrameError):
            decode(data)


@given(st.text(max_size=200))
def test_garbled_tokens_never_raise_anything_else(text: str) -> None:
    with contextlib.suppress(FrameError):
        enrol.read_token("city1-" + text)
