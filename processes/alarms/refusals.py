"""Why a person may not do something to an alarm now: a code for machines, a text that says what to do."""

from processes.alarms import table
from processes.alarms.actions import Action
from processes.alarms.standing import DEFAULT, Book, Rules, Standing

ALLOWED = ("", "")


def refusal(action: Action, book: Book, rules: Rules) -> tuple[str, str]:
    """Return (code, text); both empty if the act is allowed."""
    if action.key not in book and action.key not in rules:
        known = ", ".join(sorted({*book, *rules})) or "none yet"
        return "unknown_alarm", f"no alarm {action.key!r}; there are: {known}"
    row, rule = book.get(action.key, Standing(action.key)), rules.get(action.key, DEFAULT)
    if table.follow(row.state, action.kind, row.holds) is None:
        return "wrong_state", f"{action.key} is {row.state}: there is nothing to {action.kind}"
    if action.kind != "shelve":
        return ALLOWED
    if not action.reason.strip():
        return "no_reason", "say why it is shelved"
    asked_s = (action.until_utc_us - action.at_utc_us) / 1e6
    if not 0 < asked_s <= rule.shelve_max_s:
        most = f"{rule.shelve_max_s / 3600:g} h"
        return "too_long", f"{action.key} may be shelved for at most {most}, asked for {asked_s / 3600:g} h"
    return ALLOWED
