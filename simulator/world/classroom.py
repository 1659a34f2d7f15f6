"""World `classroom`: the CO2 of one room with pupils by timetable, a door and a fan.

    V dC/dt = G n - (Q_leak + Q_door + Q_fan) (C - C_out)

with V in m3, C as a volume share, G the CO2 a pupil breathes out (m3/s), n the pupils present and Q the air
exchanged in m3/s. Heat and moisture follow the same balance with their own sources. The air is well mixed.

Source: Persily and de Jonge 2017 (CO2 generation by age and activity), about 0.0045 L/s for pupils at rest.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from simulator.world.rain import parse_utc

MAX_STEP_S = 5.0
MINUTE_US = 60_000_000
OUTSIDE_PPM = 420.0


@dataclass(frozen=True)
class Room:
    """Fixed properties of the room."""

    volume_m3: float = 200.0
    co2_per_pupil_m3_s: float = 4.5e-6
    heat_per_pupil_w: float = 75.0
    leak_m3_s: float = 0.015
    door_m3_s: float = 0.12
    fan_m3_s: float = 0.35
    outside_cel: float = 12.0
    heater_cel: float = 20.0


@dataclass(frozen=True)
class Lesson:
    """A stretch of the day with pupils in the room. Minutes count from the window's start."""

    begin_min: float
    end_min: float
    pupils: int
    door_open: bool = False


DEFAULT_DAY = (
    Lesson(20, 65, 26),
    Lesson(65, 70, 26, door_open=True),
    Lesson(70, 115, 26),
    Lesson(115, 135, 4, door_open=True),
    Lesson(135, 180, 27),
    Lesson(180, 185, 27, door_open=True),
    Lesson(185, 230, 27),
    Lesson(230, 240, 5, door_open=True),
)


class ClassroomWorld:
    """Truth of the classroom scenario."""

    OUTPUTS: ClassVar[tuple[str, ...]] = ("fan",)

    def __init__(self, start_utc_us: int, seed: int = 1, parameters: dict[str, Any] | None = None) -> None:
        known = dict(parameters or {})
        lessons = known.pop("lessons", None)
        self.day = tuple(Lesson(**lesson) for lesson in lessons) if lessons else DEFAULT_DAY
        self.room = Room(**known)
        self.start_utc_us = self.utc_us = start_utc_us
        rng = random.Random(f"classroom-{seed}")
        self.absent = rng.randrange(0, 4)
        self.ppm = OUTSIDE_PPM + rng.uniform(20.0, 80.0)
        self.air_cel = 19.0
        self.fan_on = False

    def _lesson(self) -> Lesson | None:
        minute = (self.utc_us - self.start_utc_us) / MINUTE_US
        return next((part for part in self.day if part.begin_min <= minute < part.end_min), None)

    @property
    def pupils(self) -> int:
        """Pupils in the room now."""
        lesson = self._lesson()
        return max(0, lesson.pupils - self.absent) if lesson else 0

    @property
    def door_open(self) -> bool:
        """Whether the door stands open now."""
        lesson = self._lesson()
        return bool(lesson and lesson.door_open)

    @property
    def air_m3_s(self) -> float:
        """Air exchanged with outside now, in m3/s."""
        room = self.room
        return room.leak_m3_s + room.door_m3_s * self.door_open + room.fan_m3_s * self.fan_on

    def advance(self, real_seconds: float, world_seconds: float) -> None:
        """Move the room on; each short step solves the linear balance exactly."""
        steps = max(1, math.ceil(world_seconds / MAX_STEP_S))
        for _ in range(steps if world_seconds > 0 else 0):
            self._step(world_seconds / steps)
            self.utc_us += round(world_seconds * 1e6 / steps)

    def _step(self, seconds: float) -> None:
        room, air = self.room, self.air_m3_s
        decay = math.exp(-air * seconds / room.volume_m3)
        balance_ppm = OUTSIDE_PPM + self.pupils * room.co2_per_pupil_m3_s / air * 1e6
        self.ppm = balance_ppm + (self.ppm - balance_ppm) * decay
        loss_w_k = 1200.0 * air + 60.0
        gain_w = self.pupils * room.heat_per_pupil_w + 900.0 * max(0.0, room.heater_cel - self.air_cel)
        balance_cel = room.outside_cel + gain_w / loss_w_k
        heat_decay = math.exp(-loss_w_k * seconds / (1200.0 * room.volume_m3 * 5.0))
        self.air_cel = balance_cel + (self.air_cel - balance_cel) * heat_decay

    def quantities(self) -> dict[str, float]:
        """What chips can measure."""
        return {
            "co2_ppm": self.ppm,
            "air_temperature_cel": self.air_cel,
            "air_humidity_pct": min(90.0, 40.0 + (self.ppm - OUTSIDE_PPM) / 100.0),
            "door_open": float(self.door_open),
        }

    def drive(self, outputs: Mapping[str, float]) -> None:
        """Take the level of the output `fan`, on from 0.5."""
        self.fan_on = outputs.get("fan", 0.0) >= 0.5

    def truth(self) -> dict[str, float]:
        """One line of the trace."""
        return {
            "co2_ppm": round(self.ppm, 2),
            "pupils": self.pupils,
            "door_open": int(self.door_open),
            "fan": int(self.fan_on),
            "air_cel": round(self.air_cel, 3),
        }


def default_start_utc_us() -> int:
    """A school day's 07:40."""
    return parse_utc("2026-09-21T07:40:00")
