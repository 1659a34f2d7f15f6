"""Nets: who wins, what reset does, which edges become interrupts."""

import os
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.pins import FALLING, MODE_OPEN_DRAIN, MODE_OUT, PULL_UP, RISING, PinBank, pin_number
from simulator.registers import ASK, Registers

KEEP = 255


def test_reset_leaves_only_outside_pulls() -> None:
    pins = PinBank()
    pins.net(10).outside_pull = 0
    pins.net(11).outside_pull = 1
    levels: list[int] = []
    pins.watch(10, levels.append)
    pins.board_init(10, MODE_OUT, KEEP, 1)
    pins.board_init(11, MODE_OUT, KEEP, 0)
    assert (pins.level(10), pins.level(11)) == (1, 0)
    pins.reset()
    assert (pins.level(10), pins.level(11)) == (0, 1)
    assert levels == [1, 0]


def test_first_level_of_an_output_is_the_given_one() -> None:
    pins = PinBank()
    levels: list[int] = []
    pins.watch(10, levels.append)
    pins.board_init(10, MODE_OUT, KEEP, 0)
    assert levels == []


def test_edges_carry_their_time_and_only_wanted_ones_arrive() -> None:
    pins = PinBank()
    edges: list[tuple[int, int, int, int]] = []
    pins.on_edge = lambda *edge: edges.append(edge)
    pins.board_init(15, 0, PULL_UP, KEEP)
    pins.listen(15, FALLING)
    pins.drive(15, 0, 111)
    pins.drive(15, None, 222)
    pins.listen(15, FALLING | RISING)
    pins.drive(15, 0, 333)
    pins.drive(15, None, 444)
    assert edges == [(15, 0, FALLING, 111), (15, 0, FALLING, 333), (15, 1, RISING, 444)]


def test_open_drain_pulls_down_but_never_up() -> None:
    pins = PinBank()
    pins.net(4).outside_pull = 1
    pins.board_init(4, MODE_OPEN_DRAIN, KEEP, 1)
    assert pins.level(4) == 1
    pins.board_set(4, 0)
    assert pins.level(4) == 0
    pins.board_set(4, 1)
    pins.drive(4, 0, 0)
    assert pins.level(4) == 0


@pytest.mark.parametrize("name", ["GP7", "7", 7])
def test_pin_names(name: str | int) -> None:
    assert pin_number(name) == 7


def two() -> tuple[PinBank, PinBank, list[tuple[int, int, int, int]]]:
    """Two banks, pin 2 of the first wired to pin 14 of the second, and the edges that the second listens to."""
    near, far = PinBank(), PinBank()
    near.wire(2, far, 14)
    edges: list[tuple[int, int, int, int]] = []
    far.on_edge = lambda *edge: edges.append(edge)
    far.listen(14, FALLING | RISING)
    return near, far, edges


def test_a_wire_carries_what_one_board_drives_with_its_time() -> None:
    near, far, edges = two()
    far.board_init(14, 0, PULL_UP, KEEP)
    near.board_init(2, MODE_OPEN_DRAIN, KEEP, 1)
    assert (near.level(2), far.level(14), edges) == (1, 1, [(14, 1, RISING, 0)]), "the pull of the other end"
    near.board_set(2, 0, 111)
    near.board_set(2, 1, 222)
    assert edges[1:] == [(14, 0, FALLING, 111), (14, 1, RISING, 222)]


def test_a_wire_shows_an_output_and_its_loss_of_power() -> None:
    near, far, _ = two()
    far.net(14).outside_pull = 0
    levels: list[int] = []
    near.watch(2, levels.append)
    near.board_init(2, 0, KEEP, KEEP)
    far.board_init(14, MODE_OUT, KEEP, 1)
    far.reset()
    assert levels == [1, 0]


def test_two_that_drive_one_wire_each_read_their_own() -> None:
    near, far, _ = two()
    near.board_init(2, MODE_OUT, KEEP, 0)
    far.board_init(14, MODE_OUT, KEEP, 1)
    assert (near.level(2), far.level(14)) == (0, 1)
    near.reset()
    assert (near.level(2), far.level(14)) == (1, 1)


def test_registers_show_what_a_pin_has_and_ask_where_nobody_tells() -> None:
    pins = PinBank()
    pins.registers = registers = Registers()
    with os.fdopen(os.dup(registers.descriptor), "rb", buffering=0) as page:

        def shown(pin: int) -> int:
            page.seek(pin)
            return page.read(1)[0]

        pins.net(3).outside_pull = 1
        pins.net(4).source = lambda: 1
        assert (shown(3), shown(4), shown(5)) == (0, 0, 0)
        pins.refresh_all()
        assert (shown(3), shown(4), shown(5)) == (1, ASK, 0)
        pins.drive(3, 0, 0)
        pins.board_init(5, MODE_OUT, 255, 1)
        pins.net(4).told = True
        pins.refresh(4)
        assert (shown(3), shown(4), shown(5)) == (0, 1, 1)
        pins.reset()
        assert shown(5) == 0
    registers.close()


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["drive", "out", "set", "reset"]), st.integers(0, 1))))
def test_registers_always_show_the_level(steps: list[tuple[int, str, int]]) -> None:
    pins = PinBank()
    shown: dict[int, int] = {}
    pins.registers = cast(Registers, SimpleNamespace(show=shown.__setitem__))
    for pin, what, level in steps:
        if what == "drive":
            pins.drive(pin, level, 0)
        elif what == "out":
            pins.board_init(pin, MODE_OUT, 255, level)
        elif what == "set":
            pins.board_set(pin, level)
        else:
            pins.reset()
        assert all(shown.get(each, 0) == pins.level(each) for each in range(4))
