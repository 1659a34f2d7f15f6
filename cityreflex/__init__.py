"""The front door of CityReflex: the command `city` and `Client`, all that a stranger imports."""

from cityreflex.client import Client, UnreachableError

__all__ = ["Client", "UnreachableError"]
