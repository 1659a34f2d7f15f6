"""Virtual PN532 at the bus, as its user manual has it."""

import pytest

from simulator.chips import pn532
from simulator.chips.pn532 import PN532
from tests.chips.chip_clock import Clock

SAM = bytes.fromhex("0000ff05fbd4140100011600")
VERSION = bytes.fromhex("0000ff02fed4022a00")
LIST = bytes.fromhex("0000ff04fcd44a0100e100")
TWICE = bytes.fromhex("0000ff06fad43205ff0101f400")
ACK = bytes.fromhex("0000ff00ff00")


@pytest.fixture
def chip(clock: Clock) -> PN532:
    return pn532.make(clock)


def asked(chip: PN532, clock: Clock, frame: bytes, wait_ms: float = 2) -> bytes:
    chip.write(frame)
    clock.advance_ms(1)
    assert chip.read(7) == b"\x01" + ACK
    clock.advance_ms(wait_ms)
    answer = chip.read(40)
    assert len(answer) == 40
    return answer.rstrip(b"\0")


def test_after_power_up_only_sam_configuration_is_answered(chip: PN532, clock: Clock) -> None:
    chip.write(VERSION)
    clock.advance_ms(1000)
    assert chip.read(7) == bytes(7)
    assert asked(chip, clock, SAM) == bytes.fromhex("010000ff02fed51516")
    assert asked(chip, clock, VERSION) == bytes.fromhex("010000ff06fad50332010607e8")


def test_each_read_begins_with_whether_something_is_ready(chip: PN532, clock: Clock) -> None:
    chip.write(SAM)
    assert chip.read(7) == bytes(7)
    clock.advance_ms(1)
    assert chip.read(1) == b"\x01"
    assert chip.read(1) == b"\x01"  # looking leaves it there
    assert chip.read(7) == b"\x01" + ACK
    assert chip.read(1) == b"\0"
    clock.advance_ms(1)
    assert chip.read(4) == b"\x01\0\0\xff"
    assert chip.read(40) == bytes(40)  # what was not read is lost


@pytest.mark.parametrize(
    ("identity", "target"),
    [("01020304", "01010004080401020304"), ("04a1b2c3d4e580", "010100440807" + "04a1b2c3d4e580")],
)
def test_a_tag_is_listed(chip: PN532, clock: Clock, identity: str, target: str) -> None:
    chip.identity = bytes.fromhex(identity)
    asked(chip, clock, SAM)
    answer = asked(chip, clock, LIST, 12)
    assert answer[:8] == b"\x01\0\0\xff" + bytes((len(target) // 2 + 2, 254 - len(target) // 2, 0xD5, 0x4B))
    assert answer[8:-1].hex() == target
    assert sum(answer[6:]) % 256 == 0


def test_without_a_tag_it_looks_as_often_as_it_was_told(chip: PN532, clock: Clock) -> None:
    chip.coupling = 0.4
    asked(chip, clock, SAM)
    assert asked(chip, clock, LIST, 100_000) == b""  # for ever, as delivered
    asked(chip, clock, TWICE)
    chip.write(LIST)
    clock.advance_ms(21.9)
    assert chip.read(7) == b"\x01" + ACK
    assert chip.read(1) == b"\0"
    clock.advance_ms(0.2)
    assert chip.read(40).rstrip(b"\0") == bytes.fromhex("010000ff03fdd54b00e0")


def test_a_tag_that_comes_while_it_looks(chip: PN532, clock: Clock) -> None:
    chip.coupling = 0.0
    asked(chip, clock, SAM)
    assert asked(chip, clock, LIST, 5000) == b""
    chip.coupling = 0.5
    clock.advance_ms(10)
    assert chip.read(9)[6:] == b"\xd5\x4b\x01"


@pytest.mark.parametrize("ending", [ACK, VERSION])
def test_a_command_is_ended_by_the_host(chip: PN532, clock: Clock, ending: bytes) -> None:
    asked(chip, clock, SAM)
    chip.write(LIST)
    clock.advance_ms(1)
    chip.write(ending)
    clock.advance_ms(100)
    answers = [chip.read(40).rstrip(b"\0") for _ in range(3)]
    expected = [] if ending == ACK else [b"\x01\0\0\xff\0\xff", bytes.fromhex("010000ff06fad50332010607e8")]
    assert [answer for answer in answers if answer] == expected


@pytest.mark.parametrize("frame", ["0000ff02fdd4022a00", "0000ff02fed4022b00", "0000ff02fed402", "d402", "", "0000ff"])
def test_what_is_no_frame_is_not_heard(chip: PN532, clock: Clock, frame: str) -> None:
    asked(chip, clock, SAM)
    chip.write(bytes.fromhex(frame))
    clock.advance_ms(100)
    assert chip.read(7) == bytes(7)


def test_a_command_it_has_not_is_refused(chip: PN532, clock: Clock) -> None:
    asked(chip, clock, SAM)
    assert asked(chip, clock, bytes.fromhex("0000ff02fed4ee3e00")) == bytes.fromhex("010000ff01ff7f81")


@pytest.mark.parametrize("unplug", [True, False])
def test_powered_down_or_plugged_in_again_it_must_be_woken(chip: PN532, clock: Clock, unplug: bool) -> None:
    asked(chip, clock, SAM)
    if unplug:
        chip.unplugged = True
        chip.unplugged = False
    else:
        assert asked(chip, clock, bytes.fromhex("0000ff03fdd41620f600")) == bytes.fromhex("010000ff03fdd5170014")
    chip.write(VERSION)
    clock.advance_ms(100)
    assert chip.read(7) == bytes(7)
    asked(chip, clock, SAM)
    assert asked(chip, clock, VERSION) == bytes.fromhex("010000ff06fad50332010607e8")
