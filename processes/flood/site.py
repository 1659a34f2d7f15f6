"""What a site must say for the flood process, with units, limits and defaults."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.river import Catchment, Reach


class Site(BaseModel):
    """Catchment, reach, gate, side weir, and how much risk is accepted; levels above the gate sill."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    # catchment
    area_km2: float = Field(gt=0, le=2000)
    response_h: float = Field(default=4.0, gt=0, le=240)
    reference_m3_s: float = Field(default=8.0, gt=0)  # flow at which response_h holds
    runoff: float = Field(default=0.6, gt=0, le=1.5)
    # reach, gate, weir
    reach_area_m2: float = Field(gt=0)
    gate_width_m: float = Field(gt=0)
    gate_height_m: float = Field(gt=0)
    discharge_coefficient: float = Field(default=0.61, gt=0, le=1)
    weir_crest_m: float = Field(gt=0)
    weir_length_m: float = Field(ge=0)
    gate_travel_s: float = Field(default=4.0, ge=0)  # full stroke, in event seconds
    safe_opening: float = Field(default=0.2, ge=0, le=1)
    # decision
    threshold_m: float = Field(gt=0)
    lead_time_s: float = Field(default=10_800.0, ge=600, le=172_800)
    p_max: float = Field(default=0.05, gt=0, lt=1)
    p_alarm: float = Field(default=0.3, gt=0, lt=1)
    hold_s: float = Field(default=3600.0, ge=0)  # a lower setpoint must have been safe for so long
    gate_step: float = Field(default=0.1, ge=0.02, le=0.5)
    valid_s: float = Field(default=900.0, gt=0, le=86_400)  # real seconds a proposal stays valid
    # data
    stale_s: float = Field(default=1800.0, gt=0)
    rain_fade_h: float = Field(default=2.0, gt=0)
    level_model_sigma_m: float = Field(default=0.02, gt=0)
    members: int = Field(default=64, ge=8, le=512)

    @model_validator(mode="after")
    def _alarm_above_action(self) -> Self:
        if self.p_alarm < self.p_max:
            raise ValueError(f"p_alarm {self.p_alarm} must not be below p_max {self.p_max}")
        return self

    @property
    def catchment(self) -> Catchment:
        """The catchment as the river model takes it."""
        return Catchment(self.area_km2, self.response_h, self.reference_m3_s, self.runoff)

    @property
    def reach(self) -> Reach:
        """The reach as the river model takes it."""
        return Reach(
            self.reach_area_m2, self.gate_width_m, self.gate_height_m, self.discharge_coefficient,
            self.weir_crest_m, self.weir_length_m,
        )  # fmt: skip

    @property
    def setpoints(self) -> tuple[float, ...]:
        """Gate setpoints to choose from, rising, from the safe opening to fully open."""
        n = max(1, round((1.0 - self.safe_opening) / self.gate_step))
        return tuple(round(self.safe_opening + (1.0 - self.safe_opening) * i / n, 6) for i in range(n + 1))
