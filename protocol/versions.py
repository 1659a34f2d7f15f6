"""Which version of a wire two sides speak: the highest that both know. CPython."""


def common(low: int, high: int, own_low: int, own_high: int) -> int:
    """Return the highest version in [low, high] and [own_low, own_high], 0 if they have none in common."""
    best = min(high, own_high)
    return best if best >= max(low, own_low) else 0


def mismatch(peer: tuple[str, int, int], own: tuple[str, int, int], wire: str) -> str:
    """Return for people which of two sides (name, lowest, highest version) is to be updated."""
    older = peer[0] if peer[2] < own[1] else own[0]
    return f"{peer[0]} speaks {wire} {_range(*peer[1:])}, {own[0]} {_range(*own[1:])}: update {older}"


def _range(low: int, high: int) -> str:
    return f"version {high}" if low == high else f"versions {low} to {high}"
