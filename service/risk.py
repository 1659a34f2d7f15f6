"""How careful to be with an actuator: its risk class and limits. Schema of a table, and what it means.

The city reads it from `[actuators."THING/NAME"]` and the edge node from `[guard.actuators."THING/NAME"]`: the city
asks people accordingly, and the guard checks it again.
"""

from typing import Literal, NamedTuple

from pydantic import Field

from .sections import Section

Risk = Literal["low", "medium", "high"]


class Rule(NamedTuple):
    """What holds of one actuator.

    `approvals`: how many people must stand behind a person's order, the one who asks included, and behind a
    process's order if `automation` is False; `max_per_min` commands, 0: any number; `evidence_s`: how old feedback
    and causes may be, 0: any age; `hazardous`: it is selected before it is operated.
    """

    risk: Risk = "low"
    hazardous: bool = False
    approvals: int = 1
    automation: bool = True
    max_per_min: int = 0
    evidence_s: float = 0.0


LOW = Rule()
CLASSES: dict[Risk, Rule] = {
    "low": LOW,
    "medium": Rule("medium", max_per_min=30, evidence_s=120.0),
    "high": Rule("high", approvals=2, automation=False, max_per_min=6, evidence_s=30.0),
}
"""What a class means where the table does not say otherwise."""


class ActuatorSection(Section):
    """One actuator: `risk` gives the rest its defaults."""

    risk: Risk = "low"
    hazardous: bool = False
    approvals: int | None = Field(default=None, ge=1, le=8, description="people, the one who asks included")
    automation: bool | None = Field(default=None, description="whether processes command it without people")
    max_per_min: int | None = Field(default=None, ge=0, le=1000)
    evidence_s: float | None = Field(default=None, ge=0, le=86_400)

    def rule(self) -> Rule:
        """Return what holds, with what the class says where nothing else is said."""
        said = {name: value for name, value in self.model_dump().items() if value is not None}
        return CLASSES[self.risk]._replace(**said)


def rules(sections: dict[str, ActuatorSection]) -> dict[str, Rule]:
    """Return the rules by actuator id."""
    return {name: section.rule() for name, section in sections.items()}
