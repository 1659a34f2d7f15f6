"""The console of a board: its line editor, what each command replies, and that nothing stalls the board."""

import re
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.errors import NACK, SDA_LOW, BusError, DriverError
from drivers.smbus_bus import I2CBus
from firmware.console import facts
from protocol.board_link import build_frame, encode_hello

from .technician import PROMPT, Bench

LIST = "help id status get watch scan selftest cal set diff commit revert link clock log report outputs reboot"
NAMES = LIST.split()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def running(bench: Bench) -> bool:
    """Whether a command runs."""
    editor = bench.node.link.console._editor
    return editor is not None and editor.command is not None


class Bus(I2CBus):
    """A bus on which these addresses answer; `stuck` holds SDA low."""

    def __init__(self, *there: int) -> None:
        super().__init__("i2c0")
        self.there = there
        self.stuck = False
        self.asked: list[int] = []

    def transaction(self, address: int, write: Any, read: Any) -> None:
        self.asked.append(address)
        if self.stuck:
            raise BusError(SDA_LOW, f"SDA is held low at 0x{address:02x} on i2c0")
        if address not in self.there:
            raise BusError(NACK, "no answer")

    def recover(self) -> bool:
        return False


@pytest.mark.parametrize("line", [*NAMES, *(f"help {name}" for name in NAMES), "open", "get x", "set a.b 1", "watch"])
def test_every_reply_ends_with_ok_or_err_and_stays_below_80_columns(bench: Bench, line: str) -> None:
    lines = bench.say(line)
    ends = [text for text in lines if text.startswith(("ok", "err E-"))]
    assert len(ends) == 1 and (ends[0] == "ok" or "expected" in " ".join(lines))
    assert ends == lines[-1:] or ends[0] != "ok"


def test_help_names_every_command_once(bench: Bench) -> None:
    lines = bench.say("help")
    assert [line.split()[0] for line in lines[:-2]] == NAMES


@pytest.mark.parametrize(
    ("typed", "screen"),
    [
        ("id", "id"),
        ("ix\bd", "ix\b \bd"),
        ("ix\x7fd", "ix\b \bd"),
        ("zz\x15id", "zz\b \b\b \bid"),
        ("zz\x03id", "zz\b \b\b \b^C\r\n" + PROMPT + "id"),
        ("\b\bid", "id"),
        ("\x1b[Aid\x1b[1;5C", "id"),
        ("st\t", "status "),
        ("re\t", "re\r\nreboot report revert\r\n" + PROMPT + "re"),
        ("rev\tal\t", "revert all "),
        ("get op\t", "get opening_feedback "),
        ("cal opening_feedback h\t", "cal opening_feedback high "),
        ("set \t", "set \r\nlog period.feedback\r\n" + PROMPT + "set "),
        ("nothing\t", "nothing"),
    ],
)
def test_editing(bench: Bench, typed: str, screen: str) -> None:
    bench.type(typed)
    assert bench.told(50) == screen


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_ends_with_any_of_the_three_ends_once(bench: Bench, end: str) -> None:
    bench.type("id" + end + "id" + end)
    text = bench.told(200)
    assert text.count(PROMPT) == 2 and text.count("\r\nok\r\n") == 2


def test_a_line_of_80_is_taken_and_a_longer_one_refused_whole(bench: Bench) -> None:
    bench.type("help".ljust(80) + "\r")
    assert bench.told(100).endswith("ok\r\n" + PROMPT)
    bench.type("reboot gate-9".ljust(81) + "\r")
    assert "err E-LONG found more than 80" in bench.told(2000)
    assert bench.port.restarts == 0


def test_in_mid_stream_enter_gives_a_prompt(bench: Bench) -> None:
    frame = build_frame(encode_hello(7))
    for junk in (frame[1:-1], frame[:-1], b"\xff\x80\x03\x00half a fr"):
        bench.type(junk)
        bench.told(150)
        bench.type(b"\r")
        assert bench.told(50).endswith(PROMPT)
        assert bench.say("id")[-1] == "ok"


def test_bytes_of_a_frame_are_no_command_and_show_no_echo(bench: Bench) -> None:
    bench.type(b"\x00reboot gate-9\r\x03")
    assert bench.told(150) == ""
    assert bench.port.restarts == 0
    bench.type(b"\r")
    assert bench.told(2000) == "\r\n" + PROMPT


def test_a_hello_in_a_command_ends_it_and_frames_follow(bench: Bench) -> None:
    bench.type("watch opening_feedback\r")
    bench.told(300)
    bench.sent = b""
    bench.hello()
    bench.run(100)
    assert bench.sent.startswith(b"\x00")
    assert not running(bench)


def test_nothing_of_a_command_stays_loaded(bench: Bench) -> None:
    bench.say("get")
    bench.type("cal op\t\x03")
    bench.told(50)
    assert not [name for name in sys.modules if name.startswith("firmware.console")]
    assert bench.node.link.console._editor is not None
    bench.run(61_000, talking=False)
    assert bench.node.link.console._editor is None
    assert bench.say("id")[-1] == "ok"


def test_a_command_typed_while_another_runs_follows_it(bench: Bench) -> None:
    bench.type("selftest\r")
    bench.told(1)
    bench.type("id\r")
    text = bench.told(3000)
    assert text.index("works") < text.index(PROMPT + "id\r\n") < text.index("thing    gate-9")


def test_get_shows_unit_quality_and_age(bench: Bench) -> None:
    (line, end) = bench.say("get")
    assert line.split()[:4] == ["opening_feedback", "0.5", "1", "good"] and line.endswith("s ago")
    assert end == "ok"
    bench.probe.error = DriverError(NACK, "gone")
    bench.run(200)
    assert bench.say("get opening_feedback")[0].split()[1:4] == ["nan", "1", "missing"]


def test_watch_shows_every_period_until_a_key(bench: Bench) -> None:
    assert len(bench.say("watch opening_feedback 5")) == 6
    bench.type("watch opening_feedback\r")
    assert bench.told(1000).count("good") in (9, 10)
    bench.type("q")
    assert bench.told(100).endswith("ok\r\n" + PROMPT)
    assert bench.say("id")[0] == "thing    gate-9"


def test_ctrl_c_of_a_person_asks_for_no_maintenance(bench: Bench) -> None:
    bench.told(600)
    for line in ("watch opening_feedback\r", "\r"):
        bench.type(line)
        bench.told(60)
        bench.type("\x03")
        bench.told(60)
    assert not bench.node.link.maintenance
    bench.type("\r\x03")
    assert bench.node.link.maintenance


def test_without_sensors_the_console_says_so_and_settings_can_be_taken_back(bench: Bench) -> None:
    bench.node.sensors.sensors.clear()
    bench.node.started = "in safe mode"
    for line in NAMES:
        assert "E-FAULT" not in " ".join(bench.say(line))
    assert "E-SENSORS" in " ".join(bench.say("get opening_feedback"))
    assert bench.say("set period.feedback 200")[-1] == "ok" and bench.say("commit")[-1] == "ok"


def test_ctrl_c_ends_what_waits(bench: Bench) -> None:
    bench.type("watch opening_feedback\r")
    bench.told(100)
    bench.type("\x03")
    assert bench.told(50).endswith("^C\r\n" + PROMPT)
    assert not running(bench)


def test_status_and_selftest_name_what_to_check(bench: Bench) -> None:
    drive = "opening                      no fault, nothing reads it back"
    assert bench.say("selftest") == ["feedback                     works", drive, "ok"]
    bench.probe.error = DriverError(NACK, "gone")
    bench.run(200)
    for command in ("status", "selftest"):
        text = " ".join(bench.say(command)).replace("   ", " ")
        assert "NACK" in text and "ADS1115: no answer at 0x48 on i2c0" in text and "3.3 V" in text
    assert "err E-PARTS found 1 of 2 at fault" in text
    bench.probe.error = None
    assert bench.say("selftest")[-1] == "ok"
    assert "works, came back 1 times" in " ".join(bench.say("status"))


def test_status_says_when_a_dead_chip_is_tried_next(bench: Bench) -> None:
    bench.probe.error = DriverError(NACK, "test")
    bench.told(700)
    (line,) = [line for line in bench.say("status") if line.startswith("sensor")]
    assert re.fullmatch(r"sensor   \w+ +NACK, \d+ times; next try in [012]\.\d s", line), line
    sensor = bench.node.sensors.sensors[0]
    wait_ms, starts = facts.later(sensor, bench.node.clock.ms), bench.probe.starts
    bench.told(round(float(wait_ms.split()[-2]) * 1000) + 100)
    assert bench.probe.starts == starts + 1
    sensor.failures = 0
    assert facts.later(sensor, bench.node.clock.ms) == ""


def test_scan_names_who_answers_and_who_should(bench: Bench) -> None:
    bus = Bus(0x48, 0x50)
    bench.node.sensors.sensors[0].bus = bus
    lines = bench.say("scan")
    assert lines[0] == "i2c0: 2 of 112 addresses answer"
    assert "0x48 ads1115" in lines[1] and lines[1].endswith("answers")
    assert lines[2:] == ["  0x50 answers, but is not in the board file", "ok"]
    assert [address for address in bus.asked if bus.asked.count(address) == 1 or address == 0x48] == list(range(8, 120))
    bus.there = ()
    assert "NO ANSWER" in bench.say("scan i2c0")[1]
    bus.stuck = True
    assert "err E-SDA-LOW found SDA is held low" in " ".join(bench.say("scan"))
    assert "E-BUS" in bench.say("scan i2c7")[-1]


def test_scan_takes_few_addresses_a_turn_and_no_period_is_missed(bench: Bench) -> None:
    bus = Bus(0x48)
    bench.node.sensors.sensors[0].bus = bus
    bench.type("scan\r")
    asked = []
    while running(bench) or not asked:
        before = len(bus.asked)
        bench.told(1)
        asked.append(len(bus.asked) - before)
    assert max(asked) <= 8 and len(bus.asked) == 112
    assert bench.node.sensors.late() == 0


def test_periods_missed_in_a_command_are_told(bench: Bench) -> None:
    bench.type("watch opening_feedback 2\r")
    bench.told(20)
    bench.now_us += 1_000_000
    assert "note     9 sensor periods had no turn meanwhile" in bench.told(500)


def test_outputs_move_only_with_the_jumper_and_end_safe(bench: Bench) -> None:
    text = " ".join(bench.say("outputs"))
    assert "jumper not set" in text.replace("   ", " ") and "GP12 1" in text and "nobody stops" in text
    bench.drive.commands.clear()
    assert "E-PRESENCE" in " ".join(bench.say("outputs test opening 0.7"))
    bench.port.set = None
    assert "E-PRESENCE" in " ".join(bench.say("outputs test opening 0.7"))
    assert bench.drive.commands == []
    bench.port.set = True
    lines = bench.say("outputs test opening 0.7")
    assert lines[0].startswith("moves for 3.0 s") and "position 0.700" in lines[1] and lines[-1] == "ok"
    assert bench.drive.commands == [0.7, 0.2]
    for wrong in ("opening 7", "gate 0.5", "opening", "opening nan"):
        assert "err E-" in "".join(bench.say(f"outputs test {wrong}"))
    assert bench.drive.commands == [0.7, 0.2]


@pytest.mark.parametrize("how", ["key", "jumper", "ctrl-c", "hello", "silence", "stop"])
def test_a_move_ends_when_nobody_watches_it(bench: Bench, how: str) -> None:
    pressed = [0]
    bench.node.actuators.watch_stop(lambda: pressed[0], 1)
    bench.port.set = True
    bench.drive.commands.clear()
    bench.type("outputs test opening 0.7\r")
    bench.told(200)
    assert bench.drive.commands == [0.7]
    if how == "hello":
        bench.hello()
    elif how == "jumper":
        bench.port.set = False
    elif how == "stop":
        pressed[0] = 1
    elif how != "silence":
        bench.type("x" if how == "key" else "\x03")
    bench.run(200 if how != "silence" else 3200, talking=False)
    assert bench.drive.commands == [0.7, 0.2]


def test_a_stop_ends_a_move_and_bars_others_until_the_node_has_taken_it_over(bench: Bench) -> None:
    pressed = [0]
    bench.node.actuators.watch_stop(lambda: pressed[0], 1)
    bench.port.set = True
    bench.type("outputs test opening 0.7\r")
    bench.told(200)
    pressed[0] = 1
    assert "goes to its safe state now\r\nok\r\n" in bench.told(200), "long before its 3 s"
    pressed[0] = 0
    bench.drive.commands.clear()
    for _ in range(2):
        assert "E-STOPPED" in " ".join(bench.say("outputs test opening 0.7"))
    assert bench.drive.commands == [] and "stopped until the node" in " ".join(bench.say("outputs"))
    bench.hello()
    bench.lease(0)
    bench.run(5200, talking=False)
    bench.drive.commands.clear()
    assert bench.say("outputs test opening 0.7")[-1] == "ok" and bench.drive.commands == [0.7, 0.2]


def test_the_line_feed_of_a_line_is_no_key_that_ends_its_command(bench: Bench) -> None:
    bench.port.set = True
    bench.type("watch opening_feedback 2\r\n")
    assert bench.told(500).count("opening_feedback ") == 3, "the echo and two readings"
    bench.drive.commands.clear()
    bench.type("outputs test opening 0.7\r\n")
    bench.told(2500)
    assert bench.drive.commands == [0.7], "it lasts"
    bench.type("\n")
    bench.told(100)
    assert bench.drive.commands == [0.7, 0.2], "a key of its own ends it"


def test_reboot_wants_the_name_says_ok_and_restarts(bench: Bench) -> None:
    assert "type reboot gate-9" in " ".join(bench.say("reboot"))
    assert "E-NAME" in " ".join(bench.say("reboot gate-1"))
    assert bench.port.restarts == 0
    bench.type("reboot gate-9\r")
    assert "\r\nok\r\n" in bench.told(100) and bench.port.restarts == 0
    bench.told(1000)
    assert bench.port.restarts == 1


def test_link_clock_and_log_tell_what_the_node_saw(bench: Bench) -> None:
    assert "has not asked" in " ".join(bench.say("clock"))
    bench.hello(9)
    bench.run(500)
    bench.run(5200, talking=False)
    assert "asked for the time 5" in " ".join(bench.say("clock"))
    assert "last session 9" in bench.say("link")[0]
    assert "started" in bench.say("log")[0]


def test_report_is_one_screen_and_holds_what_support_asks_for(bench: Bench) -> None:
    lines = bench.say("report")
    text = "\n".join(lines)
    for wanted in ("gate-9", "boot ", "vm ", "firmware ", "settings 0 in use", "sensors ", "actuator ", "info "):
        assert wanted in text
    assert len(lines) <= 24 and lines[-2:] == ["--- end of report", "ok"]


KEYS = st.one_of(st.binary(max_size=20), st.sampled_from([b"get\r", b"scan\r", b"\t", b"cal \t", b"\x03", b"set \r"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(typed=st.lists(KEYS, max_size=8))
def test_no_keys_take_the_console_or_the_board_away(typed: list[bytes]) -> None:
    bench = Bench()
    for keys in typed:
        bench.type(keys)
        bench.run(20, talking=False)
    bench.type(b"\x03\r")
    bench.run(600, talking=False)
    assert bench.say("id")[-1] == "ok"
    assert bench.port.restarts == 0 and bench.node.sensors.late() == 0
