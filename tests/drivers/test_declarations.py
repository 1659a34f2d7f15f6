"""Every driver has its siblings, declares its channels soundly, and has a page that says the same."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from simulator.chips.base import I2CChip
from tests.drivers import new_driver, pages
from tests.drivers.cases import CASES
from tests.drivers.serial_cases import SERIAL_CASES

SENSORS = [name for name in pages.drivers() if pages.channels(name)]
CHANNELS = [(name, channel) for name in SENSORS for channel in pages.channels(name)]
OWN_SWEEPS = r"def test_(reads_back_the_whole_range|follows_the_chip_over_its_range|bucket_sums|contact_reads)"
OWN_FAULTS = r"def test_(an_error_at_any_step|any_damaged_bit|garbage_gives_an_error)"
# A count or a level is looked at, which cannot fail.
WITHOUT_STEPS = {"anemometer", "contact", "flow_meter", "tipping_bucket"}
# UCUM codes in use; another one is added with the chip that needs it (https://ucum.org/ucum).
UNITS = {
    "1", "%", "[ppm]", "[pH]", "Cel", "Pa", "V", "A", "W", "V.A", "var", "kW.h", "Hz", "mm", "m", "s", "deg", "m/s",
    "m/s2", "%/h", "lx", "1/ms", "uT", "mS/cm", "uS/cm", "mg/L", "ug/m3", "1/cm3", "um", "L/min", "L", "dB", "dB(A)",
}  # fmt: skip


@pytest.mark.parametrize("name", SENSORS)
def test_every_sibling_is_there_and_filled_in(name: str) -> None:
    classes = [
        item for item in vars(importlib.import_module(f"simulator.chips.{name}")).values() if isinstance(item, type)
    ]
    on_a_bus = any(issubclass(item, I2CChip) and item is not I2CChip for item in classes)
    lacking = new_driver.unfinished(name)
    if not on_a_bus:  # what has no registers is tested in one file
        lacking = [what for what in lacking if not what.startswith("tests/chips/")]
    assert lacking == []
    assert on_a_bus == (name in CASES), "CASE is for sensors on an I2C bus, and for all of them"


@pytest.mark.parametrize("name", SENSORS)
def test_every_sensor_is_swept_and_every_formula_has_its_vectors(name: str) -> None:
    """The sweeps of I2C and UART, with their faults at every step, take a CASE or SERIAL; others have their own."""
    text = (Path(__file__).parent / f"test_{name}.py").read_text()
    swept = name in CASES or name in SERIAL_CASES
    assert swept or re.search(OWN_SWEEPS, text), "no sweep of what its virtual chip can show"
    assert swept or name in WITHOUT_STEPS or re.search(OWN_FAULTS, text), "no fault at every step"
    source = (pages.ROOT / "drivers" / f"{name}.py").read_text()
    source += (pages.ROOT / "drivers" / "sound.py").read_text() if name == "inmp441" else ""
    text += (Path(__file__).parent / "test_sound.py").read_text() if name == "inmp441" else ""
    formulas = re.findall(r"^def (compensate_\w+)", source, re.M)
    assert [formula for formula in formulas if f"{formula}(" not in text] == []


@pytest.mark.parametrize("name", [name for name in pages.drivers() if name not in SENSORS])
def test_actuators_have_test_and_page(name: str) -> None:
    lacking = [what for what in new_driver.unfinished(name) if not what.startswith(("tests/chips/", "simulator/"))]
    assert lacking == []


@pytest.mark.parametrize(("driver", "channel"), CHANNELS, ids=[f"{name}-{channel[0]}" for name, channel in CHANNELS])
def test_declaration_is_sound(driver: str, channel: Any) -> None:
    name, observed, unit, lower, upper, sigma, resolution, bound, response_s = channel
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", observed)
    assert unit in UNITS
    assert lower < upper
    assert 0 < resolution <= upper - lower
    assert sigma >= 0
    assert bound == 0 or bound / 3.01 <= sigma <= bound, "sigma is one standard deviation, the bound at most three"
    assert response_s >= 0
    if sigma:  # without what the resolution adds
        assert sigma >= resolution / 12**0.5, "a reading is no better than its last digit"
    else:
        assert resolution == 1 and unit == "1", "only states and counts are exact"


def _entries() -> list[tuple[str, Any, dict[int, str]]]:
    """(driver, board file's entry, the chip's attribute for places among its channels) of the sweeps."""
    on_i2c = [(name, case.cfg, dict(enumerate(case.shows))) for name, case in CASES.items()]
    return on_i2c + [(name, case.cfg, dict(case.shows)) for name, case in SERIAL_CASES.items()]


@pytest.mark.parametrize(("name", "cfg", "shows"), _entries(), ids=[entry[0] for entry in _entries()])
def test_all_that_a_chip_can_show_is_within_the_declared_range(name: str, cfg: Any, shows: dict[int, str]) -> None:
    """The virtual chip has its range from the datasheet itself; a narrower declared one would fail good samples."""
    driver = importlib.import_module(f"drivers.{name}")
    declared = driver.channels(cfg) if hasattr(driver, "channels") else driver.CHANNELS
    chip = importlib.import_module(f"simulator.chips.{name}").make(lambda: 0)
    ranges = chip.sample_range()
    found = {place: ranges.get(what) or ranges[what.partition("[")[0]] for place, what in shows.items()}
    assert found
    for place, able in found.items():
        _, _, _, lower, upper, *_ = declared[place]
        assert lower - able.epsilon <= able.lower < able.upper <= upper + able.epsilon
        assert able.epsilon < upper - lower


@pytest.mark.parametrize("name", SENSORS)
def test_header_says_what_is_declared(name: str) -> None:
    text = importlib.import_module(f"drivers.{name}").__doc__ or ""
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\|.*\|$", text, re.M)]
    said = {row[0]: row[1:] for row in rows[2:]}
    for channel, observed, unit, lower, upper, sigma, *_ in pages.channels(name):
        row = said.get(channel) or next(rest for first, rest in said.items() if _spans(first, channel))
        assert row[:2] == [observed, unit]
        assert [float(limit) for limit in row[2].split("..")] == [lower, upper]
        assert float(row[3]) == sigma


def _spans(first: str, channel: str) -> bool:
    """Whether `input0..input3` spans `input2`."""
    start, _, end = first.partition("..")
    stem = start.rstrip("0123456789")
    number = channel.removeprefix(stem)
    return bool(end) and number.isdigit() and int(start[len(stem) :]) <= int(number) <= int(end[len(stem) :])


@pytest.mark.parametrize("name", pages.drivers())
def test_page_is_what_is_declared(name: str) -> None:
    text = (pages.PAGES / f"{name}.md").read_text()
    assert text == pages.page(name), "run `make chip-pages`"
    assert "| wire" in text or "Wiring" in text or "| board |" in text
    assert "Limits:" in text or name not in SENSORS


def test_list_of_chips_is_what_there_is() -> None:
    assert (pages.PAGES / pages.LIST).read_text() == pages.index(), "run `make chip-pages`"
    assert set(pages.tried()) <= set(pages.drivers())


def test_what_was_tried_on_hardware_stands_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "tried", lambda: {"bme280": {"board": "Pico", "day": "2026-12-31", "report": "r1"}})
    real, simulated = pages.index().split("Simulated only:")
    assert "(bme280.md) | temperature, humidity, pressure | I2C | Pico | 2026-12-31 | r1 |" in real
    assert "(bme280.md)" not in simulated
    assert "(scd41.md)" in simulated


def test_new_driver_makes_siblings_that_are_not_done(tmp_path: Path) -> None:
    written = new_driver.new_driver("tmp117", tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        place.format("tmp117") for place in new_driver.SIBLINGS.values()
    ]
    lacking = new_driver.unfinished("tmp117", tmp_path)
    for place in new_driver.SIBLINGS.values():
        assert any(what.startswith(place.format("tmp117")) for what in lacking)
    for path in written:
        assert "$" not in path.read_text()
        if path.suffix == ".py":
            compile(path.read_text(), path.name, "exec")
    written[1].unlink()
    assert "simulator/chips/tmp117.py is missing" in new_driver.unfinished("tmp117", tmp_path)
    with pytest.raises(FileExistsError, match=r"drivers/tmp117\.py"):
        new_driver.new_driver("tmp117", tmp_path)


@pytest.mark.parametrize("name", ["", "Tmp117", "7seg", "a-b", "class", "../x"])
def test_new_driver_refuses_names_that_are_no_module(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="NAME="):
        new_driver.new_driver(name, tmp_path)
    assert list(tmp_path.iterdir()) == []
