"""From declarations and [quality] to the bounds that a channel is tested against. Pure."""

from math import sqrt

from models.quality import Pair, Rule
from protocol.manifest import ChannelInfo

from .declared import Declared
from .section import ChannelRule, PairRule, QualitySection

NOISE_SIGMAS = 6.0
PAIR_SIGMAS = 4.0
FINE = 2.0
FLAT_N = 100
INF = float("inf")


def rule_of(channel: ChannelInfo, known: Declared | None, section: QualitySection, own: ChannelRule) -> Rule:
    """Return a channel's bounds: its own, else those that follow from what its driver declares, else none."""
    on = {test: test not in own.off for test in ("gross_range", "rate_of_change", "flat_line")}
    flat_s = own.flat_s or (0.0 if own.flat_fail_s or not _is_fine(channel, known) else section.flat_s)
    return Rule(
        lower=-INF if own.lower is None or not on["gross_range"] else own.lower,
        upper=INF if own.upper is None or not on["gross_range"] else own.upper,
        rate_per_s=(own.rate_per_s or _fastest(known)) if on["rate_of_change"] else INF,
        noise=_noise(channel, known) if own.noise is None else own.noise,
        step=known.resolution / 2 if known else 0.0,
        flat_s=flat_s if on["flat_line"] else 0.0,
        fail_s=(own.flat_fail_s or 0.0) if on["flat_line"] else 0.0,
        flat_n=2 if own.flat_s or own.flat_fail_s else FLAT_N,
    )


def _is_fine(channel: ChannelInfo, known: Declared | None) -> bool:
    """Return whether noise shows in the last digit, so that a value which stays for hours is no measurement."""
    return known is not None and known.resolution > 0 and channel.sigma >= FINE * known.resolution


def _fastest(known: Declared | None) -> float:
    """Return the fastest change in unit/s: a first-order sensor crosses its whole range no faster than this."""
    return (known.upper - known.lower) / known.response_s if known and known.response_s > 0 else INF


def _noise(channel: ChannelInfo, known: Declared | None) -> float:
    return NOISE_SIGMAS * abs(channel.sigma) + (known.resolution if known else 0.0)


def pair_of(pair: PairRule, at: tuple[int, int], two: tuple[ChannelInfo, ChannelInfo], period_s: float) -> Pair:
    """Return a pair's bounds; `at`: places of its channels, `period_s`: the longer of their periods, city time."""
    a, b = two
    most = PAIR_SIGMAS * sqrt(a.sigma * a.sigma + b.sigma * b.sigma) if pair.most is None else pair.most
    within_s = 2 * period_s if pair.within_s is None else pair.within_s
    return Pair(*at, most=most, within_s=within_s, for_s=pair.for_s)


def stale_s(period_ms: int, section: QualitySection, own: ChannelRule) -> float:
    """Return after how many real seconds without a sample a channel is stale; infinite: never."""
    if "gap" in own.off:
        return INF
    return own.stale_s or section.stale_periods * period_ms / 1e3 + GAP_SLACK_S


GAP_SLACK_S = 5.0
"""What link, commits and a board's start may take on top."""
