"""MCP4725: codes, bytes on the wire, and an EEPROM that is never written."""

from typing import Any

import pytest

from drivers import mcp4725, motion
from tests.drivers.remote_rig import SAFE, Rig


@pytest.mark.parametrize(
    ("level", "at_0", "at_1", "code"),
    [
        (0.0, 0.0, 1.0, 0),
        (0.5, 0.0, 1.0, 0x800),
        (1.0, 0.0, 1.0, 0xFFF),
        (0.25, 0.0, 1.0, 0x400),
        (0.0, 0.2, 1.0, 819),  # 4 of 20 mA: 819.2
        (1.0, 0.2, 1.0, 0xFFF),
        (0.0, 1.0, 0.0, 0xFFF),  # turned round
        (1.0, 1.0, 0.0, 0),
        (1 / 4096, 0.0, 1.0, 1),
    ],
)
def test_codes(level: float, at_0: float, at_1: float, code: int) -> None:
    """DS22039D 4.2: VOUT = VDD * code / 4096."""
    assert mcp4725.compensate_code(level, at_0, at_1) == code


def test_what_goes_over_the_wire() -> None:
    board = Rig("mcp4725", 0x60)
    seen: list[bytes] = []
    write = board.chip.write
    board.chip.write = lambda data: (seen.append(bytes(data)), write(data))[1]
    board.command(0.5)
    board.run(100)
    assert seen == [b"\x08\x00"]


def test_the_eeprom_is_never_written() -> None:
    board = Rig("mcp4725", 0x61, output_at_0=0.2)
    for turn in range(20):
        board.command(turn % 2 * 0.7)
        board.run(300)
        if turn % 5 == 0:
            board.power_dip()
    assert board.chip.eeprom_writes == 0


def test_parts_of_the_supply() -> None:
    board = Rig("mcp4725", 0x60, output_at_0=0.2, output_at_1=0.8)
    for setpoint, volts in ((0.0, 0.66), (0.5, 1.65), (1.0, 2.64)):
        board.command(setpoint)
        board.run(100)
        assert board.chip.output_v == pytest.approx(volts, abs=3.3 / 4096)


@pytest.mark.parametrize("foreign", [b"\x00\x00", b"\x46\x80\x00"])
def test_somebody_elses_order_and_a_power_down_are_noticed(foreign: bytes) -> None:
    board = Rig("mcp4725", 0x60)
    board.command(0.5)
    board.run(200)
    board.chip.write(foreign)
    board.run(700)
    assert board.chip.output_v == pytest.approx(1.65)
    assert board.driver.losses == 1


def test_a_chip_that_writes_its_eeprom_obeys_afterwards() -> None:
    """Somebody else began it: orders are ignored for 25 ms, which the answer shows."""
    board = Rig("mcp4725", 0x60)
    board.run(100)
    board.chip.write(b"\x60\x40\x00")
    board.command(0.5)
    board.run(10)
    assert board.driver.fault == motion.NO_FEEDBACK
    board.run(300)
    assert board.chip.output_v == pytest.approx(1.65)
    assert board.driver.state == motion.IDLE


@pytest.mark.parametrize("cfg", [{"output_at_0": -0.1}, {"output_at_1": 1.2}])
def test_refuses_parts_that_are_none(cfg: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="parts of the supply"):
        Rig("mcp4725", 0x60, **cfg)


def test_as_delivered_it_gives_half_of_the_supply_until_the_board_has_reached_it() -> None:
    board = Rig("mcp4725", 0x60)
    assert board.chip.output_v == pytest.approx(3.3 * SAFE, abs=0.001)
    board.power_dip()
    assert board.chip.output_v == pytest.approx(1.65)
