"""How alarms move: by what people do, by shelves that end, and by what a step of the template says. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from processes.alarms import table
from processes.alarms.actions import Action
from processes.alarms.standing import DEFAULT, Book, Rules, Shelf, Standing
from processes.contract import Alarm, AlarmRule


def after_step(
    book: Book, alarms: Iterable[Alarm], step_utc_us: int, rules: Rules, acts: Sequence[tuple[int, Action]] = ()
) -> Book:
    """Return the book after a step that reports `alarms`; `acts` are those since the last step, by place."""
    told = {alarm.key: alarm for alarm in alarms}
    before = after_acts(book, acts, step_utc_us)
    out = [key for key, rule in rules.items() if rule.out_of_service]
    keys = sorted({*before, *told, *out})
    rows = {key: before.get(key, Standing(key)) for key in keys}
    judged = {key: _judged(row, told.get(key), step_utc_us, _rule(rules, key)) for key, row in rows.items()}
    holding = {key for key, row in judged.items() if row.holds}
    new = {key: _moved(row, before.get(key), _rule(rules, key), holding) for key, row in judged.items()}
    return {key: row for key, row in new.items() if _is_kept(row, _rule(rules, key), step_utc_us)}


def _rule(rules: Rules, key: str) -> AlarmRule:
    return rules.get(key, DEFAULT)


def after_acts(book: Book, acts: Sequence[tuple[int, Action]], upto_utc_us: int) -> Book:
    """Return the book after what people did and the shelves that ended, in the order of event time."""
    for place, action in acts:
        book = _lapsed(book, place)
        row = book.get(action.key, Standing(action.key))
        book = {**book, action.key: _acted(row, action)}
    return _lapsed(book, upto_utc_us)


def _lapsed(book: Book, upto_utc_us: int) -> Book:
    ended = [row for row in book.values() if row.shelf is not None and row.shelf.until_utc_us <= upto_utc_us]
    return {**book, **{row.key: row.after("unshelve") for row in ended}} if ended else book


def _acted(row: Standing, action: Action) -> Standing:
    """Return the alarm after an act; one that was meant for an earlier raise or shelf does nothing."""
    if action.kind == "ack":
        acked = row.after("ack") if row.raised_utc_us <= action.at_utc_us else row
        seen = acked.state != row.state
        return acked._replace(acked_utc_us=action.at_utc_us, acked_by=action.by) if seen else row
    if action.kind == "unshelve":
        return row.after("unshelve") if row.shelf and row.shelf.since_utc_us <= action.at_utc_us else row
    shelf = Shelf(action.at_utc_us, action.until_utc_us, action.by, action.reason)
    shelved = row.after("shelve")
    return shelved._replace(shelf=shelf) if shelved.state == table.SHELVED else row


def _judged(row: Standing, alarm: Alarm | None, step_utc_us: int, rule: AlarmRule) -> Standing:
    """Return the alarm with its condition after hysteresis and delays; not a number counts as certain."""
    limit = rule.return_p if row.condition else rule.raise_p
    condition = alarm is not None and not alarm.probability < limit
    if condition != row.condition:
        row = row._replace(condition=condition, since_utc_us=step_utc_us)
    if alarm is not None:
        row = row._replace(severity=alarm.severity, probability=alarm.probability)
    delay_s = rule.on_delay_s if condition else rule.off_delay_s
    if condition == row.holds or step_utc_us - row.since_utc_us < delay_s * 1e6:
        return row
    if not condition:
        return row._replace(holds=False, returned_utc_us=step_utc_us)
    raises = (*row.raises, step_utc_us)[-rule.chatter_n :]
    fresh = row._replace(acked_utc_us=None, acked_by="", returned_utc_us=None, raised_utc_us=step_utc_us)
    return fresh._replace(holds=True, raises=raises)


def _moved(row: Standing, before: Standing | None, rule: AlarmRule, holding: set[str]) -> Standing:
    """Return the alarm in its new state: service and suppression first, so that what they hide is never raised."""
    held = before is not None and before.holds
    row = row.after("remove" if rule.out_of_service else "restore")
    row = row.after("suppress" if holding & set(rule.suppressed_by) else "unsuppress")
    return row.after("raise" if row.holds else "return") if row.holds != held else row


def _is_kept(row: Standing, rule: AlarmRule, step_utc_us: int) -> bool:
    recent = bool(row.raises) and step_utc_us - row.raises[-1] < rule.chatter_s * 1e6
    return row.state != table.NORMAL or row.condition or row.holds or recent


def standing(book: Book) -> Mapping[str, Standing]:
    """Return the alarms of a book that are not normal."""
    return {key: row for key, row in book.items() if row.state != table.NORMAL}
