"""Settings and calibrations: staged, stored so that a cut leaves old or new ones, used from the next start on."""

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.console import begin, settings
from firmware.core.boot import sealed
from firmware.kit import board_file, describe
from protocol import manifest

from .technician import Bench, Flash

CAL = {"low": [0.5, 0.002, 0.25, 0.001], "high": [0.75, 0.002, 0.5, 0.001], "by": ["jo", "2026-12-01", "rule", "b-1"]}


def test_a_line_through_two_points_and_what_it_adds_to_sigma() -> None:
    """JCGM 100:2008, 5.1.2, by hand: gain 1, offset -0.25; at each end sqrt(0.001^2 + 0.002^2)."""
    offset, gain, added = settings.line(CAL)
    assert (offset, gain) == pytest.approx((-0.25, 1.0))
    assert added == pytest.approx(math.sqrt(5e-6))
    assert settings.sigma_after(CAL, 0.002) == pytest.approx(math.sqrt(4e-6 + 5e-6))


def test_sigma_of_a_calibrated_reading_covers_what_repeated_calibrations_scatter() -> None:
    """Monte Carlo over both points and the reading: within the points sigma is met, never understated."""
    draw = random.Random(3)
    for t in (0.0, 0.3, 0.5, 1.0):
        errors = []
        for _ in range(4000):
            m = [0.5 + draw.gauss(0, 0.01), 0.9 + draw.gauss(0, 0.01)]
            r = [1.0 + draw.gauss(0, 0.02), 1.6 + draw.gauss(0, 0.02)]
            x = 0.5 + 0.4 * t + draw.gauss(0, 0.005)
            offset, gain, _ = settings.line({"low": [m[0], 0.01, r[0], 0.02], "high": [m[1], 0.01, r[1], 0.02]})
            errors.append(offset + gain * x - (1.0 + 0.6 * t))
        scatter = math.sqrt(sum(error**2 for error in errors) / len(errors))
        told = settings.sigma_after({"low": [0.5, 0.01, 1.0, 0.02], "high": [0.9, 0.01, 1.6, 0.02]}, 0.005)
        assert scatter < 1.05 * told and (t not in (0.0, 1.0) or scatter > 0.9 * told)


def stored(flash: Flash, n: int, **content: Any) -> None:
    flash.files[f"settings.{n % 2}"] = sealed(json.dumps({"n": n, **content}))


def test_without_files_nothing_is_changed_and_nothing_said() -> None:
    assert settings.load(Flash()) == ({"n": 0}, [])
    assert begin.start({"sensors": []}, Flash()) == []


def test_the_newest_whole_settings_count_and_damage_is_named() -> None:
    flash = Flash()
    stored(flash, 6, log=1)
    stored(flash, 7, log=2)
    assert settings.load(flash) == ({"n": 7, "log": 2}, [])
    flash.files["settings.1"] = flash.files["settings.1"].replace("7", "9")
    assert settings.load(flash) == ({"n": 6, "log": 1}, ["settings.1"])
    assert begin.start({"sensors": []}, flash)[0] == "settings.1 is damaged, settings 6 are used"
    flash.files["settings.0"] = ""
    assert settings.load(flash) == ({"n": 0}, ["settings.0", "settings.1"])
    assert len(begin.start({"sensors": []}, flash)) == 2


@given(st.data())
def test_any_damaged_byte_is_noticed_and_the_former_settings_used(data: Any) -> None:
    flash = Flash()
    stored(flash, 6, period={"feedback": 300})
    stored(flash, 7, period={"feedback": 200})
    text = flash.files["settings.1"]
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([c for c in "x0 9" if c != text[at]]))
    cut = data.draw(st.booleans())
    flash.files["settings.1"] = text[:at] if cut else text[:at] + other + text[at + 1 :]
    assert settings.load(flash) == ({"n": 6, "period": {"feedback": 300}}, ["settings.1"])


class Cut(Exception):
    """The power goes."""


class CutFlash(Flash):
    """Power goes before (0) or after (1) the rename of the write number `at`; a torn new file is never seen."""

    def __init__(self, at: int, after: bool) -> None:
        super().__init__()
        self.left, self.after = at, after

    def replace(self, name: str, content: str | bytes) -> None:
        self.left -= 1
        if self.left != 0 or self.after:
            super().replace(name, content)
        if self.left == 0:
            raise Cut


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_cut_at_any_write_leaves_old_or_new_settings_never_mixed(at: int, after: bool) -> None:
    flash = CutFlash(at, after)
    whole = [{"n": n, "period": {"feedback": 100 * n}, "log": n % 3} for n in range(1, 5)]
    done: list[dict[str, Any]] = [{"n": 0}]
    with pytest.raises(Cut):
        for new in whole:
            settings.save(flash, dict(new))
            done.append(new)
    found, damaged = settings.load(flash)
    assert damaged == [] and found == (whole[len(done) - 1] if after else done[-1])


def test_flash_that_keeps_other_bytes_is_told(bench: Bench) -> None:
    bench.say("set log warning")
    bench.flash.lost = True
    assert "E-FLASH" in " ".join(bench.say("commit"))
    bench.flash.lost = False
    assert bench.say("commit")[-1] == "ok"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_set_stages_diff_shows_revert_forgets_and_commit_stores_for_the_next_start(bench: Bench) -> None:
    assert bench.say("set period.feedback")[0] == "period.feedback = 100 ms   (5 to 86400000)   board file"
    assert bench.say("diff") == ["nothing is staged", "ok"]
    assert "E-NOTHING" in " ".join(bench.say("commit"))
    assert "set, board file 100" in bench.say("set period.feedback 250")[0]
    assert bench.say("diff")[0] == "period.feedback: board file -> 250"
    assert bench.say("revert")[-1] == "ok" and bench.say("diff")[0] == "nothing is staged"
    bench.say("set period.feedback 250")
    bench.say("set log warning")
    assert "settings 1 are stored; they are used from the next start on: reboot gate-9" in " ".join(bench.say("commit"))
    assert bench.node.sensors.sensors[0].every.period_ms == 100
    after = bench.again()
    assert after.node.sensors.sensors[0].every.period_ms == 250
    assert after.notes == ["settings 1 are used"] and after.node.link.log_from == 2
    after.say("set period.feedback default")
    after.say("commit")
    assert after.again().node.sensors.sensors[0].every.period_ms == 100
    after.say("revert all")
    after.say("commit")
    assert after.again().node.link.log_from == 0


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("set period.feedback 4", "E-RANGE found 4; expected a whole number of ms, 5 to 86400000"),
        ("set period.feedback 86400001", "E-RANGE"),
        ("set period.feedback 10.5", "E-RANGE"),
        ("set period.feedback fast", "E-NUMBER found fast; expected a number"),
        ("set period.feedback nan", "E-NUMBER"),
        ("set period.level 100", "E-SENSOR found level; expected one of feedback"),
        ("set colour red", "E-KEY"),
        ("set log loud", "E-VALUE"),
        ("set log info now", "E-WORDS"),
        ("revert some", "E-WORDS"),
        ("cal level low 1", "E-CHANNEL found level"),
        ("cal opening_feedback low 7", "E-RANGE found 7 1; expected -0.05 to 1.05 by the board file"),
        ("cal opening_feedback low 0.1 -1", "E-RANGE found sigma -1"),
        ("cal opening_feedback middle 1", "E-WORDS"),
        ("cal opening_feedback by jo", "E-WORDS"),
    ],
)
def test_what_is_wrong_is_said_and_stages_nothing(bench: Bench, line: str, wanted: str) -> None:
    assert wanted in " ".join(bench.say(line))
    assert bench.say("diff")[0] == "nothing is staged"


def volts(opening: float) -> float:
    """What the potentiometer of the board file gives: 0.3 V closed, 3.0 V open."""
    return 0.3 + 2.7 * opening


def calibrate(bench: Bench, low: tuple[float, float], high: tuple[float, float], sigma: str = "0.003") -> None:
    """Take both points (what the sensor shows, what is true) and sign them."""
    for name, (shows, true) in (("low", low), ("high", high)):
        bench.probe.value = volts(shows)
        assert bench.say(f"cal opening_feedback {name} {true} {sigma}")[-1] == "ok"
    assert bench.say("cal opening_feedback by jo 2026-12-01 rule 7")[-1] == "ok"


def test_a_calibration_is_used_from_the_next_start_on_with_its_sigma(bench: Bench) -> None:
    calibrate(bench, (0.1, 0.05), (0.9, 0.95))
    assert bench.say("commit")[-1] == "ok"
    bench.probe.value = volts(0.5)
    bench.run(200)
    assert bench.say("get opening_feedback")[0].split()[1] == "0.5"
    after = bench.again()
    for shows, true in ((0.1, 0.05), (0.9, 0.95), (0.5, 0.5)):
        after.probe.value = volts(shows)
        after.run(200)
        assert after.node.sensors.sensors[0].latest[0] == pytest.approx(true, abs=1e-5)
    assert after.notes[1].startswith("calibrated opening_feedback: -0.0625 + 1.125 * measured, adds sigma 0.003, by jo")
    assert "calibrated opening_feedback" in " ".join(after.say("report"))
    told = manifest.from_bytes(begin.patched(after.manifest, settings.load(after.flash)[0]))
    assert told.channels[0].sigma == pytest.approx(math.sqrt((1.125 * 0.002) ** 2 + 0.003**2))


def test_calibrating_again_starts_from_the_sensor_not_from_the_line_before(bench: Bench) -> None:
    calibrate(bench, (0.1, 0.05), (0.9, 0.95))
    bench.say("commit")
    assert "E-REBOOT" in " ".join(bench.say("cal opening_feedback low 0.1"))
    after = bench.again()
    calibrate(after, (0.1, 0.1), (0.9, 0.9))
    after.say("commit")
    third = after.again()
    third.probe.value = volts(0.3)
    third.run(200)
    assert third.node.sensors.sensors[0].latest[0] == pytest.approx(0.3, abs=1e-5)
    third.say("cal opening_feedback off")
    third.say("commit")
    assert third.again().notes == ["settings 3 are used"]


def test_points_that_make_no_sensible_line_are_refused(bench: Bench) -> None:
    bench.probe.value = volts(0.5)
    bench.say("cal opening_feedback low 0.5")
    assert "E-GAIN" in " ".join(bench.say("cal opening_feedback high 0.9"))
    bench.probe.value = volts(0.6)
    assert "E-GAIN found points 0.1 apart that make a gain of 4" in " ".join(bench.say("cal opening_feedback high 0.9"))
    bench.probe.value = volts(0.9)
    assert bench.say("cal opening_feedback high 0.9")[-1] == "ok"
    assert "without by" in " ".join(bench.say("commit"))


def test_no_point_is_taken_from_a_bad_reading(bench: Bench) -> None:
    bench.probe.value = 9.0
    assert "E-READING" in " ".join(bench.say("cal opening_feedback low 0.5"))
    assert bench.say("diff")[0] == "nothing is staged"


def test_settings_of_another_board_are_named_and_change_nothing() -> None:
    flash = Flash()
    stored(flash, 1, period={"air": 200}, cal={"humidity": CAL})
    bench = Bench(flash)
    assert "settings name air, which this board has not: ignored" in bench.notes
    assert "settings name humidity, which this board has not: ignored" in bench.notes


@pytest.mark.parametrize("name", sorted(path.stem for path in board_file.FOLDER.glob("*.toml")))
def test_a_manifest_changes_where_settings_say_and_nowhere_else(name: str) -> None:
    board = board_file.load(board_file.board_path(name))
    told = describe.manifest(board, "t-1")
    data = manifest.to_bytes(told)
    assert begin.patched(data, {"n": 1}) == data
    periods = {sensor.name: 70_000 + sensor.index for sensor in told.sensors[::2]}
    cals = {channel.name: CAL for channel in told.channels[::3]}
    changed = manifest.from_bytes(begin.patched(data, {"n": 1, "period": periods, "cal": cals}))
    assert (changed.thing, changed.board, changed.actuators) == (told.thing, told.board, told.actuators)
    for old, new in zip(told.sensors, changed.sensors, strict=True):
        assert vars(new) == vars(old) | ({"period_ms": periods[old.name]} if old.name in periods else {})
    for old_channel, new_channel in zip(told.channels, changed.channels, strict=True):
        sigma = settings.sigma_after(CAL, old_channel.sigma)
        assert vars(new_channel) == vars(old_channel) | ({"sigma": sigma} if old_channel.name in cals else {})


def test_the_manifest_to_send_is_written_only_when_it_differs() -> None:
    board = board_file.load(board_file.board_path("sluice_gate"))
    data = manifest.to_bytes(describe.manifest(board, "t-1"))
    flash = Flash()
    assert begin.write(flash, data) == "" and flash.writes == 0
    stored(flash, 1, period={"feedback": 200})
    assert begin.write(flash, data) == begin.TOLD and flash.writes == 1
    assert begin.write(flash, data) == begin.TOLD and flash.writes == 1
    assert manifest.from_bytes(flash.files[begin.TOLD]).sensors[0].period_ms == 200
