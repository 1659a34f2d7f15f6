"""The sections [quality] of edge.toml: bounds of channels beyond what drivers declare, pairs that see the same."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, StrictBool, model_validator

from service.sections import Section

LONGEST_S = 1e9
Seconds = Annotated[float, Field(le=LONGEST_S)]
Test = Literal["gross_range", "rate_of_change", "flat_line", "gap"]


class ChannelRule(Section):
    """[quality.channels."mast-1/air_temperature"]; what is left out is the default of docs/quality.md.

    Times are of the city's clock, but for `stale_s`, which is real. `off`: tests that are not made. `publish`: the node
    sends the channel with its verdict as a Datastream of its own, EDGE/THING.CHANNEL.
    """

    lower: FiniteFloat | None = Field(default=None, description="below: suspect; what fails is the board file's")
    upper: FiniteFloat | None = Field(default=None, description="above: suspect")
    rate_per_s: FiniteFloat | None = Field(default=None, gt=0, description="fastest change, in the channel's unit")
    noise: FiniteFloat | None = Field(default=None, ge=0, description="what noise may add to a change; default 6 sigma")
    flat_s: Seconds | None = Field(default=None, gt=0, description="the same value for so long: suspect")
    flat_fail_s: Seconds | None = Field(default=None, gt=0, description="the same value for so long: fail")
    stale_s: Seconds | None = Field(default=None, gt=0, description="no sample for so long: missing")
    off: list[Test] = Field(default_factory=list)
    publish: StrictBool = True

    @model_validator(mode="after")
    def _in_order(self) -> "ChannelRule":
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"found lower {self.lower:g}, upper {self.upper:g}; expected lower below upper")
        if self.flat_s is not None and self.flat_fail_s is not None and self.flat_fail_s < self.flat_s:
            raise ValueError(
                f"found flat_fail_s {self.flat_fail_s:g}, flat_s {self.flat_s:g}; expected the former to be the"
                " longer: a value is suspect first"
            )
        given = {"rate_of_change": self.rate_per_s, "flat_line": self.flat_s or self.flat_fail_s, "gap": self.stale_s}
        for test, bound in given.items():
            if test in self.off and bound is not None:
                raise ValueError(f"found a bound for {test} and off = [{test!r}]; expected one of both")
        return self


class PairRule(Section):
    """[[quality.pairs]]: two channels of the same property and unit that see the same."""

    of: tuple[str, str]
    most: FiniteFloat | None = Field(default=None, gt=0, description="largest difference; default 4 sigma of it")
    within_s: Seconds | None = Field(default=None, gt=0, description="age of the other value; default 2 longer periods")
    for_s: Seconds = Field(default=60.0, ge=0, description="differing for so long: suspect")

    @model_validator(mode="after")
    def _two(self) -> "PairRule":
        if self.of[0] == self.of[1]:
            raise ValueError(f"found {self.of[0]!r} twice; expected two channels")
        return self


class QualitySection(Section):
    """[quality]: `flat_s` for channels whose noise shows in their last digit; `stale_periods` without a sample."""

    flat_s: Seconds = Field(default=21_600.0, gt=0)
    stale_periods: FiniteFloat = Field(default=3.0, ge=1)
    channels: dict[str, ChannelRule] = Field(default_factory=dict)
    pairs: list[PairRule] = Field(default_factory=list, max_length=64)

    def names(self) -> list[str]:
        """Return every channel that is named, as THING/CHANNEL, each once."""
        return list(dict.fromkeys([*self.channels, *(name for pair in self.pairs for name in pair.of)]))

    def published(self) -> frozenset[str]:
        """Return the channels that are sent with this node's verdict: all named, but those that say otherwise."""
        return frozenset(name for name in self.names() if name not in self.channels or self.channels[name].publish)
