"""Board files: those that come with the firmware are right, and mistakes are explained."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from firmware.kit import board_file, bundle, describe, periods, pins, schema
from firmware.kit.errors import BoardFileError
from protocol import manifest
from tests.drivers import pages
from tests.firmware import board_pages

NAMES = sorted(path.stem for path in board_file.FOLDER.glob("*.toml"))


def data(name: str = "sluice_gate") -> dict[str, Any]:
    """A board file as plain data, to be spoilt."""
    return tomllib.loads(board_file.board_path(name).read_text())


def problems(wrong: dict[str, Any]) -> str:
    """What is said of a wrong board file."""
    with pytest.raises(BoardFileError) as caught:
        board_file.check(wrong, "b.toml")
    assert all(line.startswith("b.toml: ") for line in str(caught.value).splitlines())
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_board_files_are_right_and_fit_a_hello(name: str) -> None:
    board = board_file.load(board_file.board_path(name))
    found = manifest.from_bytes(manifest.to_bytes(describe.manifest(board, "thing-1")))
    assert found.board == board.board == name
    assert len(found.channels) == sum(len(s["channels"]) for s in describe.board_config(board, "")["sensors"])
    for channel in found.channels:
        assert channel.lower < channel.upper


def test_page_of_boards_says_what_is_wired_where() -> None:
    text = board_pages.PAGE.read_text()
    assert text == board_pages.page(), "run `make chip-pages`"
    assert set(pages.tried("boards")) <= set(NAMES)
    for name in NAMES:
        section = text.split(f"## {name}\n")[1].split("\n## ")[0]
        for pin, _ in schema.pin_uses(board_file.load(board_file.board_path(name))):
            assert f"\n| {pin} |" in section, (name, pin)
        assert f"| `{name}` |" in (board_file.FOLDER / "README.md").read_text() or f"`{name}`" in text


def test_the_fullest_board_has_every_kind_of_actuator_on_pins_one_on_a_bus_and_as_many_sensors_as_fit() -> None:
    board = board_file.load(board_file.board_path("fullest"))
    acting = [name for name in board_file.driver_names() if not hasattr(board_file.driver_module(name), "CHANNELS")]
    on_pins = {name for name in acting if not hasattr(board_file.driver_module(name), "ADDRESSES")}
    assert {actuator.kind for actuator in board.actuators if not actuator.bus} == on_pins
    assert len({actuator.kind for actuator in board.actuators if actuator.bus}) == 1
    assert len({sensor.chip for sensor in board.sensors}) >= 5


SENSORS = [name for name in board_file.driver_names() if hasattr(board_file.driver_module(name), "CHANNELS")]


@pytest.mark.parametrize("chip", SENSORS)
def test_every_sensor_can_stand_on_a_board(chip: str) -> None:
    source = (board_file.DRIVERS / f"{chip}.py").read_text()
    wires = {
        "io.i2c(": {"bus": "i2c0", "address": 0x40},
        "io.uart(": {"uart": "uart1"},
        "io.i2s(": {"i2s": "i2s0"},
    }
    wired = next((wire for call, wire in wires.items() if call in source), {"pin": "GP15"})
    plain = data("river_gauge") | {"buses": {"i2c0": {"sda": "GP12", "scl": "GP13"}}}
    plain["i2s"] = {"i2s0": {"sck": "GP10", "ws": "GP11", "sd": "GP16"}}
    plain["sensors"] = [{"name": "probe", "chip": chip, "period_ms": 86_400_000, **wired}]
    board = board_file.check(plain, "b.toml")
    names = [channel.name for channel in describe.manifest(board, "thing-1").channels]
    assert names == [f"probe_{channel[0]}" for channel in board_file.driver_channels(board.sensors[0])]
    needed = {path.stem for path in bundle.sources(board)}
    assert chip in needed
    assert ("one_wire" in needed) == ("io.onewire(" in source)
    assert ("i2s" in needed) == ("io.i2s(" in source)


def test_the_keys_of_a_transceiver_are_told_only_to_a_board_that_has_one() -> None:
    meter = board_file.load(board_file.board_path("energy_meter"))
    assert describe.board_config(meter, "")["uarts"]["uart1"]["de"] == "GP7"
    assert ("GP7", "uarts.uart1.de") in schema.pin_uses(meter)
    gauge = board_file.load(board_file.board_path("river_gauge"))
    assert set(describe.board_config(gauge, "")["uarts"]["uart1"]) == {"id", "baud", "tx", "rx"}


def test_the_pins_of_an_i2s_are_told_only_to_a_board_that_has_one() -> None:
    mast = board_file.load(board_file.board_path("sound_mast"))
    config = describe.board_config(mast, "")
    assert config["i2s"] == {"i2s0": {"id": 0, "sck": "GP10", "ws": "GP11", "sd": "GP12"}}
    assert config["sensors"][0]["bus"] == "i2s0"
    assert {("GP10", "i2s.i2s0.sck"), ("GP12", "i2s.i2s0.sd")} <= set(schema.pin_uses(mast))
    assert "i2s" not in describe.board_config(board_file.load(board_file.board_path("river_gauge")), "")
    assert describe.manifest(mast, "mast-1").sensors[0].bus == "i2s0"


@pytest.mark.parametrize(
    ("mcu", "prefix", "lines", "told"),
    [
        ("rp2040", "GP", (10, 12, 13), "found GP12 for WS with SCK at GP10; expected GP11, the pin after SCK"),
        ("rp2350", "GP", (11, 10, 13), "found GP10 for WS with SCK at GP11; expected GP12, the pin after SCK"),
        ("rp2040-w", "GP", (22, 21, 13), "expected another SCK, as there is no pin after this one"),
        ("rp2040", "GP", (10, 11, 23), "i2s.i2s0.sd: found 'GP23'"),
        ("rp2040", "GP", (10, 11, 0), "GP0 is used twice"),
        ("esp32s3", "GPIO", (5, 10, 46), "it is a strapping pin"),
        ("esp32s3", "GPIO", (5, 10, 4), ""),
        ("rp2040", "GP", (20, 21, 2), ""),
    ],
)
def test_lines_of_an_i2s_are_where_the_chip_can_have_them(
    mcu: str, prefix: str, lines: tuple[int, int, int], told: str
) -> None:
    wrong = data("pico" if prefix == "GP" else "esp32s3") | {"mcu": mcu}
    if mcu == "rp2040-w":
        wrong["led"] = "LED"
    wrong["i2s"] = {"i2s0": {name: f"{prefix}{pin}" for name, pin in zip(("sck", "ws", "sd"), lines, strict=True)}}
    if told:
        assert told in problems(wrong)
    else:
        assert board_file.check(wrong, "b.toml").i2s["i2s0"].ws == f"{prefix}{lines[1]}"


def test_a_microphone_on_no_i2s_and_a_rate_without_whole_blocks_are_mistakes() -> None:
    wrong = data("sound_mast")
    wrong["sensors"][0]["i2s"] = "i2s1"
    assert "sensors.sound: i2s 'i2s1' is not among [i2s] ['i2s0']" in problems(wrong)
    wrong = data("sound_mast")
    wrong["sensors"][0]["options"] = {"rate_hz": 44_100}
    assert "rate_hz: found 44100; expected a multiple of 125" in problems(wrong)
    wrong["sensors"][0]["options"] = {"rate": 16_000}
    assert "did you mean 'rate_hz'?" in problems(wrong)
    wrong = data("sound_mast")
    wrong["i2s"]["i2s0"]["bck"] = "GP9"
    assert "i2s.i2s0.bck: unknown key" in problems(wrong)


def test_a_pin_of_a_transceiver_or_an_option_serves_nothing_else() -> None:
    wrong = data("energy_meter")
    wrong["uarts"]["uart1"]["de"] = "GP9"
    assert "GP9 is used twice" in problems(wrong)


def test_an_option_that_names_a_channel_names_one_that_is_there() -> None:
    wrong = data("air_station")
    gases = next(sensor for sensor in wrong["sensors"] if sensor["chip"] == "sgp41")
    gases["options"] = {"humidity_from": ["light", "illuminance"]}
    board_file.check(wrong, "b.toml")
    gases["options"] = {"humidity_from": ["light", "humidity"]}
    assert "sensors.gases.options.humidity_from" in problems(wrong)


def test_water_level_is_scaled_from_the_distance() -> None:
    board = board_file.load(board_file.board_path("river_gauge"))
    row = describe.board_config(board, "")["sensors"][0]["channels"][0]
    assert row[3] + row[2] * 3500 == pytest.approx(0.5)


def test_a_sigma_that_the_last_digit_makes_impossible_is_explained() -> None:
    wrong = data("river_gauge")
    wrong["sensors"][0]["channels"][0]["sigma"] = 0.0002
    text = problems(wrong)
    assert "sensors[0] (level).channels.water_level.sigma: found 0.0002; expected at least 0.000289" in text
    wrong["sensors"][0]["channels"][0]["sigma"] = 0.00029
    board_file.check(wrong, "b.toml")


def test_what_leaves_at_once_is_told_to_the_board_by_channel_and_only_if_there_is_any() -> None:
    changed = data()
    (sensor,) = describe.board_config(board_file.check(changed, "b.toml"), "")["sensors"]
    assert "flush" not in sensor
    changed["sensors"][0]["channels"][0]["flush_at"] = 0.8
    (sensor,) = describe.board_config(board_file.check(changed, "b.toml"), "")["sensors"]
    assert sensor["flush"] == [0.8]


def test_overrides() -> None:
    path = board_file.board_path("classroom")
    door = {"door": {"period_ms": 50, "polled": True}}
    fast = board_file.load(path, {"period_ms": 100, "sensors": door, "ring": {"records": 256}})
    assert [sensor.period_ms for sensor in fast.sensors] == [5000, 50]
    assert fast.ring.records == 256
    assert [sensor.period_ms for sensor in board_file.load(path, {"period_ms": 100}).sensors] == [5000, 500]
    assert [s.period_ms for s in board_file.load(path, {"period_ms": 100, "polled": True}).sensors] == [5000, 100]
    with pytest.raises(BoardFileError, match="expected one of"):
        board_file.load(path, {"sensors": {"doors": {"period_ms": 50}}})


def test_unknown_key_names_the_near_one() -> None:
    wrong = data()
    wrong["sensors"][0]["perod_ms"] = 5
    text = problems(wrong)
    assert "sensors[0].perod_ms" in text and "did you mean 'period_ms'?" in text


def test_missing_key_and_wrong_value() -> None:
    wrong = data()
    del wrong["sensors"][0]["chip"]
    wrong["watchdog_ms"] = 20_000
    text = problems(wrong)
    assert "sensors[0].chip: missing" in text
    assert "watchdog_ms: found 20000; expected" in text and "8388" in text


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"active": "low"}, "low while the chip is in reset"),
        ({"pull": "external-up"}, "high while the chip is in reset"),
    ],
)
def test_an_output_that_is_on_in_reset_is_an_error(change: dict[str, str], found: str) -> None:
    wrong = data()
    output = {"pin": "GP10", "active": "high", **change}
    wrong["actuators"][0]["outputs"]["open"] = output
    text = problems(wrong)
    assert found in text and "expected pull =" in text


def test_active_low_with_its_resistor_is_right() -> None:
    board = data("classroom")
    board["actuators"][0]["outputs"]["on"] = {"pin": "GP10", "active": "low", "pull": "external-up"}
    assert board_file.check(board, "b.toml").actuators[0].outputs["on"].active_high is False


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("buses", "i2c0", "sda"), "GP6", "cannot be I2C0 SDA; expected one of GP0, GP4"),
        (("buses", "i2c0", "sda"), "GP33", "expected GP0 to GP22"),
        (("link", "tx"), "TX", "expected a pin name such as 'GP4'"),
        (("sensors", 0, "chip"), "ads1116", "did you mean 'ads1115'?"),
        (("sensors", 0, "bus"), "i2c1", "not among [buses]"),
        (("sensors", 0, "period_ms"), 100_000_000, "found 100000000"),
        (("sensors", 0, "channels", 0, "reads"), "input9", "expected one of input0"),
        (("actuators", 0, "feedback"), "opening", "is not among channels"),
        (("actuators", 0, "safe"), 1.5, "outside of 0.0 to 1.0"),
        (("actuators", 0, "outputs", "close", "pin"), "GP10", "GP10 is used twice"),
        (("interlocks", 0, "outputs"), ["opening.open", "opening.shut"], "is not among outputs"),
        (("actuators", 0, "kind"), "gate_drve", "did you mean 'gate_drive'?"),
        (("actuators", 0, "kind"), "mcp4725", "mcp4725 needs bus and address, as it is a chip on I2C"),
        (("actuators", 0, "bus"), "i2c0", "needs its address"),
        (("actuators", 0, "feedback"), None, "gate_drive needs feedback (a channel that shows where it"),
        (("actuators", 0, "kind"), "relay", "relay needs outputs.on; found none"),
        (("actuators", 0, "outputs"), {}, "expected exactly one of outputs (pins) and bus (with address)"),
    ],
)
def test_mistakes_are_explained(path: tuple[Any, ...], value: Any, found: str) -> None:
    wrong = data()
    place: Any = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert found in problems(wrong)


def test_too_short_a_period_names_the_shortest() -> None:
    wrong = data("classroom")
    wrong["sensors"][0]["period_ms"] = 1000
    assert "expected at least 5000" in problems(wrong)


def test_below_500_ms_a_chip_needs_a_fifo_or_an_interrupt_or_somebody_who_accepts_that_it_has_none() -> None:
    wrong = data("weather_mast")
    for sensor in wrong["sensors"]:
        sensor["period_ms"] = 250
    text = problems(wrong)
    for part in (
        "sensors[0] (air).period_ms: found 250; expected at least 500: bme280 has neither a FIFO nor an interrupt",
        "write period_ms = 500 or more, take a chip that has (a02yyuw, anemometer, flow_meter, inmp441, lis3dh, ",
        "or add polled = true (at least 20)",
    ):
        assert part in text
    assert "rain" not in text, "an interrupt counts its tips"
    wrong["sensors"][0]["polled"] = True
    assert board_file.check(wrong, "b.toml").sensors[0].period_ms == 250
    wrong["sensors"][0]["period_ms"] = 19
    assert "expected at least 20, the chip's shortest" in problems(wrong)


@pytest.mark.parametrize("chip", SENSORS)
def test_the_shortest_period_of_each_chip(chip: str) -> None:
    driver = board_file.driver_module(chip)
    kept = periods.kept_by(driver)
    assert ("FIFO" in kept or "interrupt" in kept) if kept else periods.shortest_ms(driver, False) >= 500
    assert periods.shortest_ms(driver, True) == driver.PERIOD_MIN_MS
    source = (board_file.DRIVERS / f"{chip}.py").read_text()
    assert not kept or re.search(r"\bio\.(pulses|uart|i2s)\(|_FIFO_ENABLE", source), "a claim without the means"


def test_an_option_that_a_driver_refuses_names_its_place() -> None:
    wrong = data("classroom")
    wrong["sensors"][0].update(chip="lis3dh", address=0x18, channels=[], options={"range_g": 3})
    assert "sensors[0] (" in problems(wrong) and ").options: " in problems(wrong)


def test_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text("board = ")
    with pytest.raises(BoardFileError, match="not TOML"):
        board_file.load(path)


def test_level_in_reset_follows_the_resistor() -> None:
    pulls = ("none", "external-up", "external-down")
    assert [pins.MCUS["rp2040"].level_in_reset(pull) for pull in pulls] == [0, 1, 0]
    assert [pins.MCUS["esp32s3"].level_in_reset(pull) for pull in pulls] == [None, 1, 0]


def test_every_mcu_has_a_board_to_start_from() -> None:
    boards = [board_file.load(board_file.board_path(name)) for name in ("pico", "pico_w", "pico2", "esp32s3", "unix")]
    assert [board.mcu for board in boards] == list(pins.MCUS)
    assert all(board.led and board.actuators and board.buses for board in boards)


I2C0_SDA = "cannot be I2C0 SDA; expected one of GP0, GP4, GP8, GP12, GP16, GP20, GP28"
I2C0_SCL = "cannot be I2C0 SCL; expected one of GP1, GP5, GP9, GP13, GP17, GP21"


@pytest.mark.parametrize(
    ("name", "path", "value", "found"),
    [
        ("pico", ("buses", "i2c0"), {"sda": "GP6", "scl": "GP9"}, I2C0_SDA),
        ("pico", ("buses", "i2c0"), {"sda": "GP8", "scl": "GP7"}, I2C0_SCL),
        ("pico", ("link", "tx"), "GP2", "cannot be UART0 TX; expected one of GP0, GP12, GP16, GP28"),
        ("pico", ("link", "uart"), 2, "a Pico has no uart2 to use; expected one of uart0, uart1"),
        ("pico", ("led",), "LED", "led: found 'LED'; expected a pin name such as 'GP4', or GP25"),
        ("pico_w", ("led",), "GP25", "led: found 'GP25', it belongs to the radio; expected"),
        ("pico_w", ("stop",), {"pin": "GP29", "active": "high"}, "stop: found 'GP29', it belongs to the radio"),
        ("pico2", ("link", "tx"), "GP4", "cannot be UART0 TX; expected one of GP0, GP2, GP12, GP14, GP16, GP18, GP28"),
        ("pico2", ("stop",), {"pin": "GP14", "active": "high", "pull": "down"}, "RP2350-E9"),
        ("esp32s3", ("buses", "i2c0", "sda"), "GPIO0", "it is a strapping pin, read at reset; expected GPIO1"),
        ("esp32s3", ("buses", "i2c0", "sda"), "GPIO19", "it is the USB port"),
        ("esp32s3", ("buses", "i2c0", "sda"), "GPIO33", "it belongs to flash and PSRAM"),
        ("esp32s3", ("buses", "i2c0", "sda"), "GPIO24", "the chip has none"),
        ("esp32s3", ("link", "uart"), 0, "an ESP32-S3 has no uart0 to use; expected one of uart1, uart2"),
        ("esp32s3", ("link", "tx"), "GP4", "expected a pin name such as 'GPIO4'"),
        ("esp32s3", ("actuators", 0, "outputs", "on", "pull"), "none", "floating while the chip is in reset"),
        ("esp32s3", ("actuators", 0, "outputs", "on", "pin"), "GPIO18", "high for 60 us at power-up; expected GPIO1"),
        (
            "esp32s3", ("actuators", 0, "outputs", "on"), {"pin": "GPIO4", "active": "low", "pull": "external-up"},
            "low for 60 us at power-up; expected GPIO21 or GPIO38 to GPIO42 or GPIO47 to GPIO48",
        ),
        ("unix", ("mcu",), "rp2041", "mcu: found 'rp2041'"),
    ],
)  # fmt: skip
def test_pins_are_those_of_the_chip(name: str, path: tuple[Any, ...], value: Any, found: str) -> None:
    wrong = data(name)
    place: Any = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert found in problems(wrong)


def test_an_rp2350_takes_uarts_to_pins_that_an_rp2040_cannot_and_an_esp32_s3_to_any() -> None:
    link = {"uart": 1, "tx": "GP6", "rx": "GP7"}
    board_file.check(data("pico2") | {"link": link}, "b.toml")
    assert "GP6 cannot be UART1 TX" in problems(data("pico") | {"link": link})
    board_file.check(data("esp32s3") | {"link": {"uart": 2, "tx": "GPIO38", "rx": "GPIO48"}}, "b.toml")


@pytest.mark.parametrize("mcu", list(pins.MCUS))
def test_tables_say_of_every_pin_one_thing_only(mcu: str) -> None:
    chip = pins.MCUS[mcu]
    assert not chip.usable & set(chip.taken)
    units = [name for name in chip.functions if name.endswith((".tx", ".sda"))]
    assert len(units) == 4
    for one in units:
        for other in units:
            if mcu.startswith("rp2") and one != other and one[:3] == other[:3]:
                assert not chip.functions[one] & chip.functions[other]


def test_an_esp32_gets_its_pins_as_numbers() -> None:
    config = describe.board_config(board_file.load(board_file.board_path("esp32s3")), "thing-1")
    assert config["outputs"] == [[21, 0]] and config["led"] == 47
    assert (config["link"]["tx"], config["i2c"]["i2c0"]["sda"], config["actuators"][0]["pin"]) == (17, 8, 21)


def test_a_flash_ring_is_of_whole_blocks_and_larger_than_the_ring_before_it() -> None:
    flash = {"size_kb": 128}
    small = problems(data() | {"ring": {"records": 4096}, "flash": flash})
    assert "128 KiB hold less than [ring] records = 4096" in small
    assert "multiple of 4" in problems(data() | {"flash": {"size_kb": 130}})
    board = board_file.check(data() | {"flash": flash}, "b.toml")
    config = describe.board_config(board, "")
    assert config["flash"] == 32
    assert all(len(entry["steps"]) == len(entry["channels"]) for entry in config["sensors"])
