"""Simulated data to try a process on: a scenario's world, left alone, as sensors with their noise would tell it."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple

from cityreflex.exits import CONFIG, CityError
from processes.contract import Port
from processes.feed import Arrived
from processes.trial import by_stream
from simulator import runtime
from simulator.scenario import Scenario
from simulator.world.make import make_world

PERIOD_S = 10.0
CHUNK = 360


class Sense(NamedTuple):
    """What the world calls a property, its unit there, and the standard deviation of a reading."""

    quantity: str
    unit: str
    sigma: float


SENSES = {
    "water_surface_height_above_reference_datum": Sense("water_level_m", "m", 0.002),
    "thickness_of_rainfall_amount": Sense("rain_mm", "mm", 0.0),
    "gate_opening_fraction": Sense("gate_position", "1", 0.002),
    "mole_fraction_of_carbon_dioxide_in_air": Sense("co2_ppm", "[ppm]", 10.0),
    "door_open": Sense("door_open", "1", 0.0),
    "air_temperature": Sense("air_temperature_cel", "Cel", 0.1),
}


def simulated(
    plan: Scenario, ports: Mapping[str, Port], senses: Mapping[str, list[str]], seed: int
) -> Iterator[list[Arrived]]:
    """Yield what the sense ports would hear of a scenario's world in which nothing acts. Raises: CityError."""
    window = runtime.plan_window(plan, seed=seed)
    world, noise = make_world(plan.world, window, seed, plan.world_parameters), Random(f"trial-{seed}")
    wanted = [(name, _sense(plan, ports[port], port, world.quantities()))
              for port, streams in senses.items() for name in streams]  # fmt: skip
    rows = []
    while world.utc_us < window.end_utc_us:
        world.advance(0.0, PERIOD_S)
        now = world.quantities()
        for name, sense in wanted:
            value = now[sense.quantity] + noise.gauss(0.0, sense.sigma)
            rows.append((name, (world.utc_us, value, sense.sigma or float("nan"), 1)))
        if len(rows) >= CHUNK * len(wanted):
            yield list(by_stream(rows))
            rows = []
    yield list(by_stream(rows))


def _sense(plan: Scenario, port: Port, name: str, quantities: Mapping[str, float]) -> Sense:
    found = SENSES.get(port.property)
    if found is None or found.quantity not in quantities or found.unit != port.unit:
        there = sorted(prop for prop, sense in SENSES.items() if sense.quantity in quantities)
        raise CityError(CONFIG, f"scenario {plan.name} has nothing for port {name}: {port.property} in {port.unit}",
                        f"it has {', '.join(there)}")  # fmt: skip
    return found
