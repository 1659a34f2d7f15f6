"""No driver keeps the board's loop for longer than its bound, in virtual time; `steps.py` names the exceptions."""

from typing import Any
from unittest import mock

import pytest

from drivers import ads1115, sht4x
from tests.drivers import steps
from tests.drivers.cases import CASES


def longest_ms(name: str) -> float:
    return max(step.duration_ms for step in steps.steps(name))


@pytest.mark.parametrize("name", steps.sensors())
def test_no_step_of_a_driver_is_longer_than_its_bound(name: str) -> None:
    assert longest_ms(name) <= steps.bound_ms(name)


def test_an_exception_is_one() -> None:
    assert {name for name in steps.EXCEPTIONS if longest_ms(name) <= steps.BOUND_MS} == set()


def test_a_driver_that_waits_for_its_chip_itself_is_found() -> None:
    def start(self: Any) -> int:
        self._bus.write(self._address, b"\xfd")
        self._pause(30)
        return 0

    with mock.patch.object(sht4x.SHT4X, "start", start), mock.patch.object(sht4x.SHT4X, "read_into", lambda *_: 0):
        assert longest_ms("sht4x") > steps.BOUND_MS


def test_a_slow_converter_with_four_inputs_leaves_the_loop_to_others() -> None:
    slow = CASES["ads1115"]._replace(cfg={**CASES["ads1115"].cfg, "rate_sps": 8})
    with mock.patch.dict(CASES, {"ads1115": slow}):
        taken = list(steps.steps("ads1115", readings=1))
    assert len(taken) == 5, "a start, and a step for each input"
    assert max(step.duration_ms for step in taken) < 4 < ads1115.conversion_ms(8)
