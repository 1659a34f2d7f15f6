"""Flow meter: K-factor, flow and volume, against a virtual turbine."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import flow_meter
from simulator.chips import flow_meter as chip_flow_meter
from tests.drivers.conftest import Bench


class Pipe:
    """A turbine at a driver: `run` lets water flow for a second and gives the reading at its end."""

    def __init__(self, **cfg: Any) -> None:
        self.bench = Bench()
        self.chip = chip_flow_meter.make(self.bench.clock.ns)
        self.driver = flow_meter.make(self.bench, {"pin": "GP14", **cfg})

    def run(self, flow_l_min: float) -> list[float]:
        clock = self.bench.clock
        self.chip.flow_l_min = flow_l_min
        start_ns = clock.ns()
        clock.advance_ms(1000)
        self.bench.pulse_counts["GP14"].count += len(self.chip.run(start_ns, clock.ns()))
        return self.bench.acquire(self.driver, 2)


@pytest.mark.parametrize(
    ("pulses", "duration_ms", "pulses_per_l", "flow", "volume"),
    [
        (75, 10_000, 450, 1.0, 1 / 6),  # 7.5 Hz at 1 L/min
        (225, 1000, 450, 30.0, 0.5),
        (3900, 60_000, 3900, 1.0, 1.0),
        (0, 1000, 450, 0.0, 0.0),
        (1, 60_000, 1, 1.0, 1.0),
    ],
)
def test_k_factors(pulses: int, duration_ms: int, pulses_per_l: float, flow: float, volume: float) -> None:
    assert flow_meter.compensate_flow(pulses, duration_ms, pulses_per_l) == pytest.approx(flow)
    assert flow_meter.compensate_volume(pulses, pulses_per_l) == pytest.approx(volume)


def test_reads_back_the_whole_range() -> None:
    pipe = Pipe()
    lower, upper, epsilon = pipe.chip.sample_range()["flow_l_min"]
    for step in range(1, 21):
        flow = lower + (upper - lower) * step / 21
        assert pipe.run(flow)[0] == pytest.approx(flow, abs=epsilon)


def test_standing_and_creeping_water_read_0() -> None:
    pipe = Pipe()
    assert pipe.run(0.0) == [0.0, 0.0]
    assert pipe.run(0.9) == [0.0, 0.0]


def test_another_k_factor() -> None:
    pipe = Pipe(pulses_per_l=390)
    pipe.chip.hertz_per_l_min = 6.5
    assert pipe.run(20.0)[0] == pytest.approx(20.0, abs=0.2)


@settings(max_examples=50)
@given(st.lists(st.floats(1, 30), min_size=1, max_size=40))
def test_the_volume_is_all_the_flow(flows: list[float]) -> None:
    pipe = Pipe()
    readings = [pipe.run(flow) for flow in flows]
    assert readings[-1][1] == pytest.approx(pipe.chip.passed_l, abs=1 / 450 + 1e-9)
    assert sum(flow for flow, _ in readings) / 60 == pytest.approx(readings[-1][1], rel=1e-3)
    volumes = [volume for _, volume in readings]
    assert volumes == sorted(volumes)


def test_the_first_reading_waits_for_200_ms_of_pulses(bench: Any) -> None:
    driver = flow_meter.make(bench, {"pin": "GP14"})
    values = [float("nan")] * 2
    assert driver.start() == 0
    wait_ms = driver.read_into(values)
    assert 190 <= wait_ms <= 200
    bench.clock.advance_ms(wait_ms)
    assert driver.read_into(values) == 0
    assert values == [0.0, 0.0]


def test_an_unplugged_meter_turns_unseen() -> None:
    pipe = Pipe()
    pipe.chip.unplugged = True
    assert pipe.run(10.0) == [0.0, 0.0]
    assert pipe.chip.passed_l == pytest.approx(10 / 60, rel=1e-6)
