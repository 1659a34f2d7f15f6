"""Chips on I2C that move the world of a scenario, as pins do."""

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers import motion
from protocol.task_codes import DONE
from simulator import scenario, scenario_names
from simulator.bus import VirtualI2C
from simulator.chip_shelf import make_chip, shelves
from simulator.chips import mcp4725, mcp23017, pca9685
from simulator.faces import MachineI2C
from simulator.runtime import plan_window
from simulator.wiring import WiredChip
from simulator.world.gate import Gate
from simulator.world.make import make_world
from tests.simulator.test_firmware_end_to_end import Site

RIVERSIDE = (scenario.FOLDER / "riverside.toml").read_text()
# What docs/simulator.md tells an integrator to put in place of the pins of `gate-1`.
POSITIONER = """
[[boards]]
thing = "gate-1"
board = "gate_positioner"
link = "uart0"

[[boards.chips]]
name = "opening"
chip = "mcp4725"
bus = "i2c0"
address = 0x60
drives.output_v = { to = "gate_setpoint", scale = 0.3787879, offset = -0.25 }

[[boards.chips]]
name = "feedback"
chip = "ads1115"
bus = "i2c0"
address = 0x48
measures."inputs_v.0" = { of = "gate_position", scale = 2.7, offset = 0.3 }
"""
GATE_ONLY = RIVERSIDE[: RIVERSIDE.index("[[boards]]")] + POSITIONER


def plan(text: str) -> scenario.Scenario:
    return scenario.Scenario.model_validate(tomllib.loads(text))


def test_each_output_of_a_chip_has_a_value_and_no_other_name_has() -> None:
    with_outputs = {}
    for name in shelves()["i2c"]:
        chip = make_chip(scenario.ChipPlace(name=name, chip=name, bus="i2c0"))
        with_outputs |= {name: chip} if chip.OUTPUTS else {}
        assert all(isinstance(chip.output(output), float) for output in chip.OUTPUTS)
    assert {"mcp4725", "pca9685", "mcp23017"} <= set(with_outputs)


@pytest.mark.parametrize(
    ("module", "output", "writes", "before", "after"),
    [
        (mcp4725, "output_v", [b"\x0c\x00"], 1.65, 2.475),  # DS22039D: code 3072 of 4096 at 3.3 V
        (mcp23017, "level.9", [b"\x01\xfd", b"\x15\x02"], 0.0, 1.0),  # IODIRB, OLATB
        (pca9685, "duty.3", [b"\x00\x01", b"\x13\x10"], 0.0, 1.0),  # awake; LED3_ON_H: full on
    ],
)
def test_what_is_written_on_the_bus_is_seen_at_once(
    module: Any, output: str, writes: list[bytes], before: float, after: float
) -> None:
    now_ns = 0
    chip = module.make(lambda: now_ns)
    if module is pca9685:
        chip.registers[6 + 4 * 3 + 3] = 0  # LED3_OFF_H: not full off, as a driver leaves it
    bus = VirtualI2C([chip])
    place = scenario.ChipPlace(
        name="x", chip="y", bus="i2c0", drives={output: scenario.Drive(to="gate", scale=2.0, offset=-1.0)}
    )
    wired, seen = WiredChip(place, chip), []
    bus.watch(lambda: seen.append(wired.outputs()))
    assert wired.outputs() == {"gate": pytest.approx(2 * before - 1)}
    for data in writes:
        MachineI2C(bus).writeto(chip.address, data)
    now_ns = 1_000_000
    assert len(seen) == len(writes)
    assert wired.outputs() == {"gate": pytest.approx(2 * after - 1)}
    chip.unplugged = True
    assert wired.outputs() == {"gate": -1.0}, "without power nothing comes out"


def test_a_positioner_moves_to_its_setpoint_and_no_faster_than_its_motor() -> None:
    gate = Gate(position=0.2, travel_s=4.0, target=0.6)
    gate.advance(1.0)
    assert gate.position == pytest.approx(0.45)
    gate.advance(1.0)
    assert gate.position == pytest.approx(0.6) and gate.travelled == pytest.approx(0.4)
    gate.target = -0.25
    gate.jammed = True
    gate.advance(10.0)
    assert gate.position == pytest.approx(0.6)
    gate.jammed = False
    gate.advance(10.0)
    assert gate.position == 0.0 and gate.at_closed


@pytest.mark.parametrize(
    ("right", "wrong", "key", "known"),
    [
        ("drives.output_v", "drives.output_a", ("chips", 0, "drives", "output_a"), "output_v"),
        ('"gate_setpoint"', '"gate_setpiont"', ("chips", 0, "drives", "output_v", "to"), "gate_setpoint"),
        ('chip = "mcp4725"', 'chip = "ads1115"', ("chips", 0, "drives", "output_v"), None),
    ],
)
def test_a_name_that_drives_nothing_is_found(right: str, wrong: str, key: tuple[Any, ...], known: str | None) -> None:
    assert scenario_names.unknown(plan(GATE_ONLY), ["gate_positioner"]) == []
    (found,) = scenario_names.unknown(plan(GATE_ONLY.replace(right, wrong, 1)), ["gate_positioner"])
    assert found.key == ("boards", 0, *key)
    assert known in found.known if known else found.known == ()


def test_a_pin_that_drives_nothing_is_found() -> None:
    wrong = plan(RIVERSIDE.replace('drives = "gate_close"', 'drives = "gate_clsoe"'))
    (found,) = scenario_names.unknown(wrong, ["river_gauge", "weather_mast", "sluice_gate"])
    assert (found.found, found.key[-1]) == ("gate_clsoe", "drives") and "gate_close" in found.known


@pytest.mark.parametrize("name", scenario.names())
def test_a_world_takes_the_outputs_it_names(name: str) -> None:
    made = scenario.load(name)
    world = make_world(made.world, plan_window(made, seed=1), 1, made.world_parameters)
    before = world.truth(), world.quantities()
    for output in world.OUTPUTS:
        world.drive({output: 1.0})
        world.advance(60.0, 60.0)
    assert (world.truth(), world.quantities()) != before


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    path = tmp_path / "positioner.toml"
    path.write_text(GATE_ONLY)
    made = Site(tmp_path, str(path))
    await made.start(speed=1)
    yield made
    await made.end()


@pytest.mark.system
@pytest.mark.anyio
async def test_a_setpoint_over_i2c_moves_the_gate_of_the_world_and_comes_back_as_feedback(site: Site) -> None:
    gate = site.hosts["gate-1"]

    def stands(at: float) -> bool:
        quality, value = gate.latest("opening_feedback")
        return quality == 1 and abs(value - at) < 0.02

    await site.until(lambda: stands(0.2))
    task_id = gate.task(0.5, 30_000)
    await site.until(lambda: any(r.task_id == task_id and r.state == DONE for r in gate.results))
    await site.until(lambda: stands(0.5))  # DONE is within the deadband of a reading that is a little old
    await site.fault(fault="nack", thing="gate-1", sensor="opening")
    await site.until(lambda: stands(0.0))
    await site.until(lambda: gate.status is not None and gate.status.actuators[0].state == motion.FAULT)
    await site.fault(fault="clear")
    await site.until(lambda: stands(0.2))  # the order ended with the fault; the chip is told the safe setpoint
    gate.task(0.4, 2000)
    await site.until(lambda: stands(0.4))
    await site.until(lambda: stands(0.2))  # the lease lapses
