"""How each alarm of a process lives: what the template says, and over it what the process file says."""

from collections.abc import Iterator, Mapping

from processes.alarms.standing import DEFAULT
from processes.config import AlarmConfig, Told, did_you_mean
from processes.contract import AlarmRule
from processes.errors import ConfigError


def rules_of(
    configured: Mapping[str, AlarmConfig], template: Mapping[str, AlarmRule] | None
) -> Mapping[str, AlarmRule]:
    """Return the rule of each alarm by key; a template without rules takes any key. Raises: ConfigError."""
    rules = dict(template or {})
    problems = list(_strangers(configured, rules)) if template is not None else []
    for key, config in configured.items():
        said = config.model_dump(exclude_none=True)
        if "suppressed_by" in said:
            said["suppressed_by"] = tuple(said["suppressed_by"])
        if "raise_p" in said and "return_p" not in said:
            said["return_p"] = min(rules.get(key, DEFAULT).return_p, said["raise_p"])
        rules[key] = rules.get(key, DEFAULT)._replace(**said)
    problems += [problem for key, rule in rules.items() for problem in _contradictions(key, rule, rules)]
    if problems:
        raise ConfigError(*problems[0], problems[1:])
    return rules


def _strangers(configured: Mapping[str, AlarmConfig], known: Mapping[str, AlarmRule]) -> Iterator[Told]:
    for key in configured:
        if key not in known:
            yield f"alarms.{key} is no alarm of the template{did_you_mean(key, known)}", ("alarms", key)


def _contradictions(key: str, rule: AlarmRule, known: Mapping[str, AlarmRule]) -> Iterator[Told]:
    if rule.return_p > rule.raise_p:
        text = f"alarms.{key}: return_p {rule.return_p:g} must not be above raise_p {rule.raise_p:g}"
        yield text, ("alarms", key, "return_p")
    for other in rule.suppressed_by:
        if other == key or other not in known:
            what = "itself" if other == key else f"{other!r}, which is no alarm here{did_you_mean(other, known)}"
            yield f"alarms.{key}: suppressed_by names {what}", ("alarms", key, "suppressed_by")
