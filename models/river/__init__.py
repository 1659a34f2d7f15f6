"""Catchment cascade, reach with gate and weir, and an ensemble of them that learns from the level."""

from models.river.ensemble import (
    Ahead,
    Catchment,
    Spread,
    advance,
    assimilate,
    forecast,
    inflows,
    moments,
    new_members,
)
from models.river.kernels import COLUMNS, LEVEL, Reach

__all__ = [
    "COLUMNS",
    "LEVEL",
    "Ahead",
    "Catchment",
    "Reach",
    "Spread",
    "advance",
    "assimilate",
    "forecast",
    "inflows",
    "moments",
    "new_members",
]
