"""Which faults a seed has. Every other seed is a mixture; the others stress one area, so that each gets dense seeds."""

from random import Random

from .faults import KINDS, Fault
from .world import MINUTE, SECOND

BOARDS = ("gate-1", "gate-2", "pump-1", "pump-2", "river-1", "river-2")
EDGES = ("edge-1", "edge-2")
_PLACES = {"board": BOARDS, "edge": EDGES, "city": ("city",)}

AREAS: dict[str, tuple[str, ...]] = {
    "boards": (
        "dark power", "board power", "flash cut", "storm", "stale acks", "noise", "rx wire cut", "tx wire cut",
        "unplugged", "old flash", "forged acks", "deaf at work",
    ),
    "orders": (
        "orders follow", "orders after restart", "disk stalls at order", "city killed at order", "order again",
        "edge killed", "link slow", "line stalls",
    ),
    "commands": ("wrong command", "forged command", "noise", "board power", "rx wire cut", "link reset", "edge killed"),
    "links": (
        "batches cut anew", "link blocked", "link reset", "link slow", "city killed", "city paused", "storm",
        "city disk slow", "edge killed",
    ),
    "disks": (
        "edge disk full", "edge disk fails", "edge cut in commit", "edge power", "rot in journal", "city disk full",
        "city disk fails", "city cut in commit", "city power", "storm",
    ),
    "keys": ("key rotation", "key revoked", "impostor", "stranger", "backup", "restore", "orders follow"),
}  # fmt: skip
NAMES = tuple(AREAS)


def area_of(seed: int) -> str:
    """Return what a seed stresses, "" for a mixture."""
    return NAMES[seed // 2 % len(NAMES)] if seed % 2 else ""


def seeds_of(area: str, first: int, n: int) -> list[int]:
    """Return the first seeds from `first` on that stress an area; all of them for ""."""
    seeds = range(first, first + n * 2 * len(NAMES))
    return [seed for seed in seeds if not area or area_of(seed) == area][:n]


def draw(rng: Random, until_us: int, area: str = "") -> list[Fault]:
    """Return the faults of a seed: at least three kinds, how many and how hard drawn as well."""
    chosen, often = _mixture(rng) if not area else ([*AREAS[area]], rng.randrange(120, 300))
    weights = [1.0 if area else KINDS[kind].weight for kind in chosen]
    faults = []
    for number in range(max(6, int(often * until_us / (60 * MINUTE)))):
        kind = chosen[number] if number < len(chosen) else rng.choices(chosen, weights)[0]
        lasts_us = int(rng.expovariate(1 / KINDS[kind].lasts_s) * SECOND) + SECOND // 10
        faults.append(
            Fault(
                rng.randrange(SECOND, until_us),
                kind,
                rng.choice(_PLACES[KINDS[kind].where]),
                min(lasts_us, 10 * MINUTE),
                rng.random(),
            )
        )
    if "restore" in chosen:
        faults.append(Fault(until_us // 4, "backup", "city", SECOND, 0.0))
    return sorted(faults, key=lambda fault: (fault.at_us, fault.kind, fault.where))


def _mixture(rng: Random) -> tuple[list[str], int]:
    """Return some kinds of fault, and how many faults in an hour."""
    return rng.sample(sorted(KINDS), rng.randrange(3, 12)), rng.randrange(8, 60)
