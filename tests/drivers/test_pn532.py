"""PN532: frames of the user manual, pseudonyms, what is told without a salt, refusals, and that no identity leaks."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import errors, pn532
from simulator.chips import pn532 as chip_pn532

CASE = {
    "cfg": {"bus": "i2c0"},
    "shows": ["coupling"],
    "heap": 256,
    "settle_ms": 10,
    "too_early": None,  # the chip says that nothing is ready, and is asked again
    "power_dip": False,  # it says so for 300 ms; below
}
SALT = "a secret of the pump station"


def wired(bench: Any, **cfg: Any) -> tuple[Any, Any]:
    chip = chip_pn532.make(bench.clock.ns)
    bench.virtual.add(chip)
    return pn532.make(bench, {"bus": "i2c0", **cfg}), chip


@pytest.mark.parametrize(
    ("command", "frame"),
    [
        ("02", "0000ff02fed4022a00"),
        ("14010001", "0000ff05fbd414010001" + "1600"),
        ("4a0100", "0000ff04fcd44a0100e100"),
        ("3205ff0102", "0000ff06fad43205ff0102f300"),
    ],
)
def test_frames_of_the_user_manual(command: str, frame: str) -> None:
    """UM0701-02, 6.2.1.1: length and its checksum give 0, and so do data and theirs."""
    assert pn532.frame(bytes.fromhex(command)) == bytes.fromhex(frame)


@given(command=st.binary(min_size=1, max_size=200))
def test_what_is_framed_is_understood(command: bytes) -> None:
    assert chip_pn532.unpacked(pn532.frame(command)) == command


@given(command=st.binary(min_size=1, max_size=20), data=st.data())
def test_a_wrong_bit_in_a_frame_is_not_understood_as_another(command: bytes, data: Any) -> None:
    frame = bytearray(pn532.frame(command))
    place = data.draw(st.integers(2, len(frame) - 2))
    frame[place] ^= 1 << data.draw(st.integers(0, 7))
    assert chip_pn532.unpacked(bytes(frame)) == b""


def test_a_pseudonym_is_24_bits_of_sha_256() -> None:
    """FIPS 180-4: SHA-256 of "abc" begins with ba7816."""
    assert pn532.pseudonym(b"ab", b"c") == 0xBA7816
    assert pn532.pseudonym(b"ab", b"d") != 0xBA7816


@pytest.mark.parametrize("identity", ["01020304", "04a1b2c3d4e580", "00112233445566778899"])
def test_presence_and_pseudonym(bench: Any, identity: str) -> None:
    driver, chip = wired(bench, salt=SALT)
    chip.identity = bytes.fromhex(identity)
    expected = int(hashlib.sha256(SALT.encode() + chip.identity).hexdigest()[:6], 16)
    assert bench.acquire(driver, 2) == [1, expected]
    chip.coupling = 0.2
    assert bench.acquire(driver, 2) == [0, 0]
    chip.coupling = 0.9
    assert bench.acquire(driver, 2) == [1, expected]


def test_without_a_salt_there_is_no_tag(bench: Any) -> None:
    assert [c[0] for c in pn532.channels({})] == ["present"]
    assert [c[0] for c in pn532.channels({"salt": SALT})] == ["present", "tag"]
    assert bench.acquire(wired(bench)[0], 1) == [1]


def test_a_salt_that_can_be_guessed_is_refused(bench: Any) -> None:
    with pytest.raises(ValueError, match="expected a salt of 16 characters or more, found 4"):
        pn532.make(bench, {"bus": "i2c0", "salt": "1234"})


def test_it_is_set_up_once(bench: Any) -> None:
    driver, _ = wired(bench)
    bench.acquire(driver, 1)
    before = bench.bus.count
    bench.acquire(driver, 1)
    assert bench.bus.count - before <= 4


def test_after_a_power_dip_it_gives_up_and_sets_up_again(bench: Any) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 1)
    bench.clock.advance_ms(driver.start())
    chip.unplugged = True
    chip.unplugged = False
    before_ns = bench.clock.ns()
    with pytest.raises(errors.DriverError, match=r"an acknowledgement did not come \(power dip") as caught:
        while wait_ms := driver.read_into([0.0]):
            bench.clock.advance_ms(wait_ms)
    assert caught.value.code == errors.NOT_READY
    assert bench.clock.ns() - before_ns < 400_000_000
    assert bench.acquire(driver, 1) == [1]


def test_a_wrong_checksum_is_no_reading_and_tells_no_identity(bench: Any) -> None:
    driver, chip = wired(bench, salt=SALT)
    bench.acquire(driver, 2)
    chip.corrupt = True
    with pytest.raises(errors.DriverError, match="the answer's checksum is wrong") as caught:
        bench.acquire(driver, 2)
    assert caught.value.code == errors.BAD_CHECKSUM
    assert chip.identity.hex()[:6] not in str(caught.value)
    chip.corrupt = False
    assert bench.acquire(driver, 2)[0] == 1


@pytest.mark.parametrize(
    ("answer", "text", "code"),
    [
        (chip_pn532.REFUSAL, "refused command 0x4a", errors.BAD_ID),
        (bytes.fromhex("0000ff02fed503" + "2800"), "not one to command 0x4a", errors.NOT_READY),
        (bytes.fromhex("0000ff05fbd54b0101") + bytes(20), "checksum is wrong", errors.BAD_CHECKSUM),
        (bytes.fromhex("0000ff0500") + bytes(20), "head or length", errors.BAD_CHECKSUM),
        (bytes.fromhex("0100ff02fe") + bytes(20), "head or length", errors.BAD_CHECKSUM),
        (bytes.fromhex("0000ffff01") + bytes(43), "head or length", errors.BAD_CHECKSUM),
        (bytes.fromhex("0000ff03fdd54b01df00"), "identity is cut", errors.BAD_CHECKSUM),
    ],
)
def test_answers_that_are_none(bench: Any, answer: bytes, text: str, code: int) -> None:
    driver, chip = wired(bench)
    bench.acquire(driver, 1)
    chip._execute = lambda command, arguments: answer
    with pytest.raises(errors.DriverError, match=text) as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == code
    del chip._execute
    assert bench.acquire(driver, 1) == [1]


def test_another_chip_and_no_acknowledgement(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, _ = wired(bench)
    monkeypatch.setattr(chip_pn532, "VERSION", bytes((0x07, 1, 6, 7)))
    with pytest.raises(errors.DriverError, match="expected IC 0x32, found 0x07") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_ID
    monkeypatch.setattr(chip_pn532, "ACK", bytes.fromhex("0000ffff0000"))
    with pytest.raises(errors.DriverError, match="expected 00 00 ff 00 ff 00, found 00 00 ff ff 00 00") as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.BAD_CHECKSUM
