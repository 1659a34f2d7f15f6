"""CO2 mass balance of one well-mixed room, and a filter that learns occupancy and leakage from it."""

from models.room.air import Belief, Room, first_belief, learn, look_ahead, move, probability_above, steady_ppm

__all__ = [
    "Belief",
    "Room",
    "first_belief",
    "learn",
    "look_ahead",
    "move",
    "probability_above",
    "steady_ppm",
]
