"""Refusals are counted once each, told to the audit log without flooding it, and bounded in memory."""

from hypothesis import given
from hypothesis import strategies as st

from service.refusals import AGAIN_US, HOUR_US, MAX_ROWS, Refusals

US = 1_000_000


def test_the_first_refusal_is_told_at_once_and_the_rest_together() -> None:
    refused = Refusals()
    refused.note("unsigned", "city", "signature is wrong", 5)
    (line,) = refused.take_lines(5)
    assert line == {"event": "refused", "reason": "unsigned", "who": "city", "count": 1, "text": "signature is wrong"}
    for at in range(10):
        refused.note("unsigned", "city", f"again {at}", 5 + at)
    assert refused.take_lines(20) == []
    (line,) = refused.take_lines(5 + AGAIN_US)
    assert (line["count"], line["text"]) == (10, "again 9")
    assert refused == {"unsigned": 11}


def test_a_node_that_knocks_each_20_s_is_in_the_log_once_an_hour_with_a_count() -> None:
    refused, log, audit = Refusals(), [], []
    for at in range(0, 4 * HOUR_US, 20 * US):
        refused.note("revoked_key", "edge-7", "key ab", at)
        log += [(at // HOUR_US, line["count"]) for line in refused.take_news(at)]
        audit += refused.take_lines(at)
    assert log == [(0, 1), (1, 180), (2, 180), (3, 180)]
    assert 8 < len(audit) < 14, "at first often, then each hour"
    refused.note("revoked_key", "edge-7", "key ab", 9 * HOUR_US)
    assert len(refused.take_lines(9 * HOUR_US)) == 1
    refused.note("revoked_key", "edge-7", "key ab", 9 * HOUR_US + AGAIN_US)
    assert len(refused.take_lines(9 * HOUR_US + AGAIN_US)) == 1, "after hours of silence it is news again"


def test_the_table_says_who_and_when_last_newest_first() -> None:
    refused = Refusals()
    refused.note("replayed", "city", "old", 1 * US)
    refused.note("unknown_key", "10.0.0.9", "key ab", 3 * US)
    first, second = refused.table(4 * US, 1_000 * US)
    assert (first["reason"], first["who"]) == ("unknown_key", "10.0.0.9")
    assert (first["age_s"], first["last_utc_us"]) == (1.0, 999 * US)
    assert (second["reason"], second["count"]) == ("replayed", 1)
    assert len(refused.table(4 * US, 0, most=1)) == 1


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2000), st.integers(1, 5)), max_size=600))
def test_every_refusal_is_in_one_line_and_memory_is_bounded(cases: list[tuple[str, int, int]]) -> None:
    refused, told = Refusals(), 0
    for at, (reason, who, count) in enumerate(cases):
        refused.note(reason, str(who), "x", at * US, count)
        told += sum(line["count"] for line in refused.take_lines(at * US))
    told += sum(line["count"] for line in refused.take_lines(len(cases) * US, last=True))
    assert told == sum(refused.values()) == sum(count for _, _, count in cases)
    assert len(refused.rows) <= MAX_ROWS + 2, "the others of two reasons"
