"""Nets: who wins, what reset does, which edges become interrupts."""

import pytest

from simulator.pins import FALLING, MODE_OPEN_DRAIN, MODE_OUT, PULL_UP, RISING, PinBank, pin_number

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
