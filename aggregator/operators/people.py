"""What a person may do, and where. Sans-IO.

    person.may("operate", "riverside")     # a zone of aggregator.toml; "*": everywhere
    may_at(person, "operate", zones.of("gate-1/opening"))

A Thing in several zones obeys whoever has the right in one of them; a Thing in none only who has it everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

ANYWHERE = "*"
RIGHTS = ("view", "acknowledge", "operate", "approve", "reset", "administer")
_VIEWER = frozenset({"view"})
_OPERATOR = _VIEWER | {"acknowledge", "operate"}
_SUPERVISOR = _OPERATOR | {"approve", "reset"}
ROLES: dict[str, frozenset[str]] = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "supervisor": _SUPERVISOR,
    "administrator": _SUPERVISOR | {"administer"},
}


@dataclass(frozen=True)
class Person:
    """Who asks. `by_zone`: rights in each zone, where they differ; without it `rights` hold in all of `zones`."""

    name: str
    rights: frozenset[str]
    zones: frozenset[str]
    by_zone: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def may(self, right: str, zone: str) -> bool:
        """Whether this person has the right in a zone."""
        if not self.by_zone:
            return right in self.rights and not self.zones.isdisjoint((ANYWHERE, zone))
        return any(right in self.by_zone.get(name, ()) for name in (ANYWHERE, zone))

    def may_somewhere(self, right: str) -> bool:
        """Whether this person has the right in any zone."""
        return any(self.may(right, zone) for zone in self.zones)


def of_roles(name: str, roles: Mapping[str, str]) -> Person:
    """Return the person who has these roles: {zone: role}. Raises: KeyError for a role that is none."""
    by_zone = {zone: ROLES[role] for zone, role in roles.items()}
    return Person(name, frozenset().union(*by_zone.values()), frozenset(by_zone), by_zone)


def may_at(person: Person, right: str, zones: frozenset[str]) -> bool:
    """Whether this person has the right at a Thing that lies in these zones."""
    return any(person.may(right, zone) for zone in zones or (ANYWHERE,))


@dataclass(frozen=True)
class Zones:
    """The zones of a city: name -> patterns of Things, as in a shell ("gate-*")."""

    patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, thing: str) -> frozenset[str]:
        """Return the zones of a Thing, or of what belongs to it ("gate-1/opening"); none: only "*" counts."""
        name = thing.split("/", maxsplit=1)[0]
        found = (zone for zone, patterns in self.patterns.items() if any(fnmatchcase(name, p) for p in patterns))
        return frozenset(found)
