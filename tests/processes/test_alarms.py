"""The life of an alarm: its table, hysteresis, delays, shelves, suppression."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from processes.alarms import table
from processes.alarms.actions import Action, Actions
from processes.alarms.events import changes
from processes.alarms.life import after_acts, after_step, standing
from processes.alarms.refusals import refusal
from processes.alarms.standing import Book, Standing
from processes.contract import Alarm, AlarmRule

S = 1_000_000
HIGH = Alarm("high", 3, 0.9)
PAGE = Path(__file__).parents[2] / "docs/alarms.md"


def ack(at: int, key: str = "high") -> tuple[int, Action]:
    return at, Action(f"ack {at}", "ack", key, at, 0, "ann", "")


def shelve(at: int, until: int, key: str = "high") -> tuple[int, Action]:
    return at, Action(f"shelve {at}", "shelve", key, at, until, "bob", "the pump is being mended")


def state(book: Book, key: str = "high") -> str:
    return book.get(key, Standing(key)).state


def kinds(before: Book, after: Book) -> list[str]:
    return [event.kind for event in changes(before, after)]


def test_the_page_shows_the_table_as_it_is() -> None:
    page = PAGE.read_text()
    assert table.put_into(page) == page, "run: python -m processes.alarms.table docs/alarms.md"


def test_every_state_can_be_reached_and_left_and_no_pair_has_two_ways() -> None:
    assert {row.then for row in table.TABLE} == set(table.STATES) == {row.state for row in table.TABLE}
    for row in table.TABLE:
        same = [r for r in table.TABLE if (r.state, r.event) == (row.state, row.event)]
        assert len(same) == 1 or sorted(str(r.holds) for r in same) == ["False", "True"]


def test_raised_acknowledged_returned() -> None:
    book = after_step({}, [HIGH], 10, {})
    assert state(book) == "unacknowledged"
    assert kinds({}, book) == ["raised"]
    seen = after_acts(book, [ack(11)], 11)
    assert (state(seen), seen["high"].acked_by, seen["high"].acked_utc_us) == ("acknowledged", "ann", 11)
    assert kinds(book, seen) == ["acknowledged"]
    gone = after_step(book, [], 20, {}, [ack(11)])
    assert standing(gone) == {}
    assert kinds(seen, gone) == ["returned"]


def test_gone_before_anyone_saw_it_stays_on_the_list() -> None:
    book = after_step({}, [HIGH], 10, {})
    gone = after_step(book, [], 20, {})
    assert (state(gone), gone["high"].returned_utc_us) == ("returned", 20)
    assert after_step(gone, [], 30, {})["high"].returned_utc_us == 20
    assert kinds(book, gone) == ["returned"]
    assert standing(after_acts(gone, [ack(25)], 25)) == {}


def test_an_acknowledgement_told_too_late_for_its_place_does_not_cover_a_new_alarm() -> None:
    gone = after_step(after_step({}, [HIGH], 10, {}), [], 20, {})
    again = after_step(gone, [HIGH], 30, {})
    acts = Actions()
    assert acts.record(ack(15)[1], 35) == 36
    assert acts.record(ack(15)[1], 35) is None
    assert state(after_acts(again, acts.between(30, 40), 40)) == "unacknowledged"
    assert kinds(gone, again) == ["raised"]


def test_a_condition_that_lasts_is_no_new_event() -> None:
    book = after_step({}, [HIGH], 10, {})
    later = after_step(book, [HIGH._replace(probability=0.95)], 20, {})
    assert changes(book, later) == ()
    assert (later["high"].raised_utc_us, later["high"].probability) == (10, 0.95)


def test_a_blip_within_one_look_is_raised_and_returned() -> None:
    assert kinds({}, after_step(after_step({}, [HIGH], 10, {}), [], 20, {})) == ["raised", "returned"]


def test_hysteresis_is_on_the_probability_and_not_a_number_counts_as_certain() -> None:
    rules = {"high": AlarmRule(raise_p=0.8, return_p=0.4)}
    book: Book = {}
    seen = []
    for at, p in enumerate((0.79, 0.8, 0.41, 0.39, 0.7, float("nan"))):
        book = after_step(book, [HIGH._replace(probability=p)], at, rules)
        seen.append(state(book))
    assert seen == ["normal", "unacknowledged", "unacknowledged", "returned", "returned", "unacknowledged"]


def test_dead_time_on_both_sides() -> None:
    rules = {"high": AlarmRule(on_delay_s=20, off_delay_s=30)}
    book: Book = {}
    seen = []
    for at, alarms in ((0, [HIGH]), (10, []), (20, [HIGH]), (39, [HIGH]), (40, [HIGH]), (50, []), (60, [HIGH]),
                       (70, []), (99, []), (100, [])):  # fmt: skip
        book = after_step(book, alarms, at * S, rules)
        seen.append(state(book))
    assert seen == ["normal"] * 4 + ["unacknowledged"] * 5 + ["returned"]
    assert (book["high"].raised_utc_us, book["high"].returned_utc_us) == (40 * S, 100 * S)


def test_a_shelf_hides_what_is_raised_and_ends_by_itself() -> None:
    book = after_step({}, [], 10 * S, {"high": AlarmRule()}, [shelve(5 * S, 25 * S)])
    assert state(book) == "shelved"
    raised = after_step(book, [HIGH], 20 * S, {})
    assert kinds(book, raised) == [] and raised["high"].holds
    over = after_acts(raised, [], 25 * S)
    assert state(over) == "unacknowledged" and over["high"].shelf is None
    assert kinds(raised, over) == ["unshelved", "raised"]
    assert state(after_step(raised, [], 30 * S, {})) == "returned"  # the shelf ended while it held, at 25 s


def test_suppressed_by_design_is_never_raised_and_comes_back() -> None:
    rules = {"high": AlarmRule(suppressed_by=("burst",)), "burst": AlarmRule()}
    book = after_step({}, [HIGH, Alarm("burst", 4, 1.0)], 10, rules)
    assert kinds({}, book) == ["raised", "suppressed"]
    assert (state(book), state(book, "burst")) == ("suppressed", "unacknowledged")
    after = after_step(book, [HIGH], 20, rules)
    assert state(after) == "unacknowledged"
    assert kinds(book, after) == ["returned", "unsuppressed", "raised"]


def test_out_of_service_is_shown_and_silent() -> None:
    book = after_step({}, [HIGH], 10, {"high": AlarmRule(out_of_service="sensor is being replaced")})
    assert state(book) == "out_of_service"
    assert state(after_step(book, [HIGH], 20, {})) == "unacknowledged"


def test_refusals_say_what_can_be_done() -> None:
    rules = {"high": AlarmRule(shelve_max_s=60)}
    book = after_step({}, [HIGH], 10, rules)
    asked = shelve(20, 20 + 61 * S)[1]
    assert refusal(asked, book, rules)[0] == "too_long"
    assert refusal(asked._replace(until_utc_us=20), book, rules)[0] == "too_long"
    assert refusal(asked._replace(until_utc_us=20 + S, reason=" "), book, rules)[0] == "no_reason"
    assert refusal(asked._replace(until_utc_us=20 + S), book, rules) == ("", "")
    assert refusal(ack(20, "low")[1], book, rules) == ("unknown_alarm", "no alarm 'low'; there are: high")
    assert refusal(asked._replace(kind="unshelve"), book, rules)[0] == "wrong_state"


EVENTS = st.sampled_from(["hold", "gone", "ack", "shelve", "unshelve"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.booleans()), min_size=1, max_size=30))
def test_no_alarm_is_silent_but_for_a_reason(moves: list[tuple[str, bool]]) -> None:
    """What holds is active unless a living shelf or its suppressor hides it; what is raised was not active before."""
    rules = {"high": AlarmRule(suppressed_by=("burst",)), "burst": AlarmRule()}
    book: Book = {}
    for at, (move, burst) in enumerate(moves, 1):
        acts = {"ack": [ack(at)], "shelve": [shelve(at, at + 3)]}.get(move, [])
        acts = [(at, Action(f"u{at}", "unshelve", "high", at, 0, "", ""))] if move == "unshelve" else acts
        alarms = ([] if move == "gone" else [HIGH]) + ([Alarm("burst", 4, 1.0)] if burst else [])
        book = after_step(book, alarms, at, rules, acts)
        row = book.get("high", Standing("high"))
        assert (row.shelf is not None) == (row.state == "shelved")
        assert row.holds == (move != "gone")
        hidden = row.state == "shelved" or burst
        assert hidden or (row.state in table.ACTIVE) == row.holds
        assert not (burst and row.state in table.ACTIVE)
