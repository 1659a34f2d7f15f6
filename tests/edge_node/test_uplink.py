from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.uplink import RESEND_US, SILENT_US, WINDOW, Uplink


def connected(backlog=()) -> Uplink:
    uplink = Uplink(backlog)
    assert uplink.greeted("epoch-1", 0)
    return uplink


def test_nothing_is_sent_before_the_city_says_hello() -> None:
    uplink = Uplink([1, 2])
    assert uplink.due({1, 2}, 0) == []
    assert uplink.tick(0) and not uplink.tick(10), "hello once a second"
    uplink.greeted("epoch-1", 20)
    assert uplink.due({1, 2}, 30) == [1, 2]


def test_the_same_epoch_again_changes_nothing() -> None:
    uplink = connected()
    assert not uplink.greeted("epoch-1", 5)
    assert uplink.greeted("epoch-2", 6)


def test_live_goes_first_but_backlog_is_not_starved() -> None:
    uplink = connected(range(100))
    for row in range(1000, 1100):
        uplink.journaled(row)
    first = uplink.due(range(2000), 0, 40)
    assert sum(row >= 1000 for row in first) == 30
    assert [row for row in first if row < 1000] == list(range(10))


def test_the_window_bounds_what_flies() -> None:
    uplink = connected(range(3 * WINDOW))
    pending = set(range(3 * WINDOW))
    assert len(uplink.due(pending, 0, 10 * WINDOW)) == WINDOW
    assert uplink.due(pending, 0) == []
    uplink.acked([0, 0, 1, 99999])
    assert len(uplink.due(pending - {0, 1}, 0)) == 2


def test_a_reconnection_sends_everything_unacked_again_in_order() -> None:
    uplink = connected([1, 2, 3])
    uplink.journaled(4)
    uplink.due({1, 2, 3, 4}, 0)
    uplink.acked([2])
    uplink.tick(SILENT_US + 1)
    assert not uplink.connected
    uplink.journaled(5)
    assert uplink.heard(SILENT_US + 2)
    assert uplink.due({1, 3, 4, 5}, SILENT_US + 3) == [1, 3, 4, 5]


def test_what_the_socket_refused_keeps_its_order() -> None:
    uplink = connected([1, 2, 3])
    rows = uplink.due({1, 2, 3}, 0)
    uplink.unsent(rows[1:])
    assert list(uplink.flying) == [1] and uplink.due({1, 2, 3}, 1) == [2, 3]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.integers(1, 5)),
        st.tuples(st.just("send"), st.integers(1, 20)),
        st.tuples(st.just("ack"), st.integers(0, 10**6)),
        st.tuples(st.just("lose"), st.integers(0, 10**6)),
        st.tuples(st.just("refuse"), st.integers(1, 10)),
        st.tuples(st.just("reconnect"), st.integers(2, 10**6)),
    ),
    max_size=80,
)


@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_with_any_order_of_loss_duplicate_acks_and_reconnections_all_arrive(actions: list) -> None:
    """A model city that gets what is sent (unless lost) and acks in any order, some twice."""
    uplink, pending, there, now, row = connected(), set(), [], 0, 0
    for action, number in actions:
        now += 100_000
        if action == "new":
            for _ in range(number):
                row += 1
                pending.add(row)
                uplink.journaled(row)
        elif action == "send":
            there += uplink.due(pending, now, number)
        elif action == "ack" and there:
            acked = there[number % len(there)]
            pending.discard(acked)
            uplink.acked([acked])
        elif action == "lose" and there:
            there.pop(number % len(there))
        elif action == "refuse":
            uplink.unsent(uplink.due(pending, now, number))
        elif action == "reconnect":
            uplink.greeted(f"epoch-{number}", now)
    for _ in range(200):
        now += RESEND_US + 1
        uplink.heard(now)
        sent = uplink.due(pending, now)
        pending -= set(sent)
        uplink.acked(sent)
        if not pending:
            break
    assert not pending and len(uplink.flying) <= WINDOW
