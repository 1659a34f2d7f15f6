"""World `riverside`: storm, catchment, reach and gate in one closed loop."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar

from simulator.world import river
from simulator.world.gate import Gate
from simulator.world.rain import RainSeries

HOUR_US = 3_600_000_000


class RiversideWorld:
    """Truth of the river scenario. World time is scaled, the gate moves in real seconds."""

    OUTPUTS: ClassVar[tuple[str, ...]] = ("gate_open", "gate_close", "gate_setpoint")

    def __init__(
        self, rain: RainSeries, start_utc_us: int, seed: int = 1, parameters: dict[str, Any] | None = None
    ) -> None:
        known = dict(parameters or {})
        start = known.pop("start", {})
        self.safe_opening = float(known.pop("safe_opening", 0.2))
        self.wave_sd_m = float(known.pop("wave_sd_m", 0.002))
        gate_travel_s = float(known.pop("gate_travel_s", 4.0))
        self.site = river.RiverSite(**known)
        self.rain = rain
        self.utc_us = start_utc_us
        self.gate = Gate(position=self.safe_opening, travel_s=gate_travel_s)
        self.state = self._start_state(start)
        self.rain_since_start_mm = 0.0
        self._rng = random.Random(f"world-{seed}")
        self._wave_m = 0.0

    def _start_state(self, start: dict[str, float]) -> river.RiverState:
        """Steady start, then the rain the series has before the window, with the gate at rest."""
        recorded = self.rain.recorded
        wetness = start.get("wetness_recorded", 0.6) if recorded else start.get("wetness", 0.75)
        quick = start.get("quick_recorded_mm_h", 0.02) if recorded else start.get("quick_mm_h", 0.3)
        state = river.start_state(self.site, wetness, quick, start.get("base_m3_s", 1.5), self.safe_opening)
        time_us = self.rain.start_utc_us
        while time_us < self.utc_us:
            seconds = min(self.rain.step_us, self.utc_us - time_us) / 1e6
            rain_mm_h = self.rain.intensity_mm_h(time_us)
            river.advance(self.site, state, seconds, rain_mm_h, self.safe_opening, max_step_s=60.0)
            time_us += self.rain.step_us
        state.balance = river.Balance()
        return state

    def advance(self, real_seconds: float, world_seconds: float) -> None:
        """Move gate by real and water by world time; rain steps inside the stretch are honoured."""
        self.gate.advance(real_seconds)
        left_us = round(world_seconds * 1e6)
        if left_us <= 0:
            return
        while left_us > 0:
            into = (self.utc_us - self.rain.start_utc_us) % self.rain.step_us
            part_us = min(left_us, self.rain.step_us - into)
            self._advance_part(part_us)
            left_us -= part_us
        self._wave_m = 0.7 * self._wave_m + self.wave_sd_m * 0.71 * self._rng.gauss(0.0, 1.0)

    def _advance_part(self, part_us: int) -> None:
        intensity = self.rain.intensity_mm_h(self.utc_us)
        river.advance(self.site, self.state, part_us / 1e6, intensity, self.gate.position)
        self.rain_since_start_mm += intensity * part_us / HOUR_US
        self.utc_us += part_us

    def quantities(self) -> dict[str, float]:
        """What chips can measure, in SI-near units, by the names scenario files use."""
        hour = self.utc_us % (24 * HOUR_US) / HOUR_US
        warm = 1.0 - abs(hour - 14.0) / 12.0
        raining = self.rain.intensity_mm_h(self.utc_us) > 0.1
        return {
            "water_level_m": self.state.level_m + self._wave_m,
            "rain_mm": self.rain_since_start_mm,
            "gate_position": self.gate.position,
            "gate_at_open": float(self.gate.at_open),
            "gate_at_closed": float(self.gate.at_closed),
            "air_temperature_cel": 8.0 + 5.0 * warm - (2.0 if raining else 0.0),
            "air_humidity_pct": 95.0 if raining else 80.0 - 15.0 * warm,
            "air_pressure_pa": 99_500.0 if raining else 100_800.0,
        }

    def drive(self, outputs: Mapping[str, float]) -> None:
        """Take the outputs the scenario names: relays `gate_open`, `gate_close`, or a positioner's `gate_setpoint`."""
        self.gate.drive(outputs.get("gate_open", 0.0) >= 0.5, outputs.get("gate_close", 0.0) >= 0.5)
        self.gate.target = outputs.get("gate_setpoint")

    def truth(self) -> dict[str, float]:
        """One line of the trace, without sensor noise."""
        state = self.state
        return {
            "rain_mm_h": round(self.rain.intensity_mm_h(self.utc_us), 4),
            "inflow_m3_s": round(state.inflow_m3_s, 4),
            "outflow_m3_s": round(river.gate_flow_m3_s(self.site, state.level_m, self.gate.position), 4),
            "overflow_m3_s": round(river.weir_flow_m3_s(self.site, state.level_m), 4),
            "level_m": round(state.level_m, 4),
            "gate_opening": round(self.gate.position, 4),
        }
