"""The life of an alarm."""

from processes.alarms import after_step, changes, with_acks
from processes.contract import Alarm

HIGH = Alarm("high", 3, 0.9)


def test_raised_acknowledged_returned() -> None:
    book = after_step({}, [HIGH], 10, {})
    assert book["high"].state == "unack"
    assert [e.kind for e in changes({}, book)] == ["raised"]
    seen = with_acks(book, {"high": 11})
    assert seen["high"].state == "ack"
    assert after_step(seen, [], 20, {"high": 11}) == {}
    assert [e.kind for e in changes(seen, {})] == ["returned"]


def test_gone_before_anyone_saw_it_stays_on_the_list() -> None:
    book = after_step({}, [HIGH], 10, {})
    gone = after_step(book, [], 20, {})
    assert gone["high"].state == "returned"
    assert gone["high"].returned_utc_us == 20
    assert after_step(gone, [], 30, {})["high"].returned_utc_us == 20
    assert [e.kind for e in changes(book, gone)] == ["returned"]
    assert with_acks(gone, {"high": 25}) == {}


def test_an_old_acknowledgement_does_not_cover_a_new_alarm() -> None:
    gone = after_step(after_step({}, [HIGH], 10, {}), [], 20, {})
    again = after_step(gone, [HIGH], 30, {"high": 15})
    assert again["high"].state == "unack"
    assert again["high"].raised_utc_us == 30
    assert [e.kind for e in changes(gone, again)] == ["raised"]


def test_a_condition_that_lasts_is_no_new_event() -> None:
    book = after_step({}, [HIGH], 10, {})
    later = after_step(book, [HIGH._replace(probability=0.95)], 20, {})
    assert changes(book, later) == ()
    assert (later["high"].raised_utc_us, later["high"].probability) == (10, 0.95)


def test_a_blip_within_one_look_is_raised_and_returned() -> None:
    book = after_step(after_step({}, [HIGH], 10, {}), [], 20, {})
    assert [e.kind for e in changes({}, book)] == ["raised", "returned"]
