"""Identity, restarts and power cuts: what the boot file promises."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.core.boot import HEALTHY_MS, MAX_GAPS, SAVE_MS, Boot, sealed
from firmware.kit.describe import MARGIN_S
from protocol.board_link import Gap
from protocol.frames import boot_text

NOISE = bytes(range(12))


def start(flash: Any, chip: str = "chip", block: int = 1000, noise: bytes = NOISE) -> Boot:
    return Boot(flash, chip, noise, block)


@pytest.fixture
def flash(make_board: Any) -> Any:
    return make_board().flash.__class__()


def test_counter_rises_and_incarnation_stays(flash: Any) -> None:
    boots = [start(flash, noise=bytes([n]) * 12) for n in range(1, 4)]
    assert [boot_text(boot.id) for boot in boots] == ["01010101-1", "01010101-2", "01010101-3"]
    assert len({boot.nonce for boot in boots}) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"chip": "chip"}', '{"counter": "x"}'])
def test_an_unusable_file_makes_a_new_incarnation(flash: Any, text: str) -> None:
    for content in (text, sealed(text)):
        flash.files["state.json"] = content
        assert start(flash, noise=b"\x07" * 12).id.hex() == "0707070701000000"


WRONG = [
    *(
        {key: value}
        for key in ("incarnation", "counter", "reserved", "floor", "tries")
        for value in (-1, 1 << 32, True, 1.0, "1")
    ),
    *({"gaps": value} for value in (None, 1, "", {}, [1], ["abcd"], [[1, 2, 3]], [[1, 2, 3, 4, 5]], [[1] * 7])),
    *({"gaps": [[1, 2, 3, value]]} for value in (-1, 1 << 32, True, 1.0, None, [])),
    {"counter": (1 << 32) - 1},
    {"chip": 5},
]


@pytest.mark.parametrize("changes", WRONG)
def test_a_wrong_state_makes_a_new_incarnation(flash: Any, changes: dict[str, Any]) -> None:
    start(flash)
    state = json.loads(flash.files["state.json"].split("\n")[0])
    flash.files["state.json"] = sealed(json.dumps(state | changes))
    assert start(flash, noise=b"\x07" * 12).id.hex() == "0707070701000000"


def test_a_file_without_checksum_is_unusable(flash: Any) -> None:
    start(flash)
    flash.files["state.json"] = flash.files["state.json"].split("\n")[0]
    assert start(flash, noise=b"\x07" * 12).incarnation == 0x07070707


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(data=st.data(), boots=st.integers(1, 12))
def test_a_flipped_bit_never_gives_a_boot_id_used_before(make_board: Any, data: Any, boots: int) -> None:
    flash = make_board().flash.__class__()
    used = {bytes(start(flash).id) for _ in range(boots)}
    raw = bytearray(flash.files["state.json"].encode())
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit >> 3] ^= 1 << (bit & 7)
    try:
        flash.files["state.json"] = raw.decode()
    except UnicodeError:  # the port gives None
        del flash.files["state.json"]
    boot = start(flash, noise=b"\x07" * 12)
    assert boot.id not in used and boot.incarnation == 0x07070707


def test_another_chip_makes_a_new_incarnation(flash: Any) -> None:
    start(flash)
    assert start(flash, chip="other", noise=b"\x07" * 12).incarnation == 0x07070707


def test_power_cut_is_declared_from_floor_to_reservation(flash: Any) -> None:
    boot = start(flash)
    boot.save(head=500, floor=480, now_ms=60_000)
    after = start(flash)
    assert [gap[0] for gap in after.gaps] == [1]
    assert after.gaps[0][2:] == [480, 1500]


def test_a_gap_survives_restarts_until_acked_and_saved(flash: Any) -> None:
    start(flash)
    second = start(flash)
    gap_id = second.gaps[0][1]
    third = start(flash)
    assert gap_id in [gap[1] for gap in third.gaps] and len(third.gaps) == 2
    third.ack_gap(gap_id)
    third.save(0, 0, 0)
    assert gap_id not in [gap[1] for gap in start(flash).gaps]


def test_gap_ids_are_unique_over_boots(flash: Any) -> None:
    ids = []
    for _ in range(20):
        boot = start(flash)
        ids += [boot.gap_id() for _ in range(3)]
    assert len(set(ids)) == len(ids) and max(ids) < 1 << 30
    assert len(start(flash).gaps) <= MAX_GAPS


def test_the_file_is_written_every_twenty_seconds_not_per_sample(make_board: Any, probe: Any) -> None:
    board = make_board(ring=1024)
    board.sensor(probe, period_ms=1000)
    for _ in range(50):
        board.run(1000)
        board.node.save_if_due()
    assert board.flash.writes == 3
    assert board.boot.saved_ms >= 2 * SAVE_MS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(steps=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 100), st.booleans()), max_size=12))
def test_every_sample_is_acked_or_declared_after_a_cut(steps: list[Any], make_board: Any, probe: Any) -> None:
    """Numbers used before a cut lie below the floor (acked) or inside the declared range."""
    board = make_board(ring=128)
    acked = set()
    for samples, share, save in steps:
        for _ in range(samples):
            board.node.ring.push(0, 1, 0, 0, 1.0)
            if board.boot.save_due(board.node.ring.head, 0):
                board.node.save_if_due()
        ring = board.node.ring
        end = ring.tail + (ring.head - ring.tail) * share // 100
        acked |= set(range(ring.tail, end))
        ring.ack(ring.tail, end)
        if save:
            board.node.clock.ms += SAVE_MS
            board.node.save_if_due()
    used = set(range(board.node.ring.head))
    gap = make_board(board.flash).boot.gaps[-1]
    lost_in_ring = used - acked
    assert lost_in_ring <= set(range(gap[2], gap[3]))


def test_a_restarted_board_declares_to_the_host_until_acked(make_board: Any, pick: Any) -> None:
    flash = make_board().flash
    board = make_board(flash)
    board.hello()
    gaps = pick(Gap, board.run(3000))
    assert len(gaps) == 2 and gaps[0] == gaps[1]
    assert (gaps[0].first, gaps[0].end, gaps[0].boot) == (0, 1000, boot_text(board.boot.id_of(1)))
    board.ack(gaps=(gaps[0].gap_id,))
    assert pick(Gap, board.run(3000)) == []


def test_a_power_cut_declares_at_most_a_minute() -> None:
    """The floor is as old as a write, the reservation two writes ahead: design, the sample ledger."""
    assert (SAVE_MS / 1000) + 2 * MARGIN_S <= 60
    assert SAVE_MS / 1000 <= MARGIN_S


def test_three_starts_that_the_watchdog_ended_early_give_safe_mode_until_one_ran_for_twenty_seconds(flash: Any) -> None:
    boots = [start(flash)] + [Boot(flash, "chip", NOISE, 1000, bitten=True) for _ in range(3)]
    assert [boot.failed for boot in boots] == [0, 1, 2, 3]
    assert [boot.safe_mode for boot in boots] == [False, False, False, True]
    boots[-1].save(0, 0, HEALTHY_MS - 1)
    assert Boot(flash, "chip", NOISE, 1000, bitten=True).safe_mode, "not yet"
    boots[-1].save(0, 0, HEALTHY_MS, healthy=False)
    assert Boot(flash, "chip", NOISE, 1000, bitten=True).safe_mode, "not well"
    boots[-1].save(0, 0, HEALTHY_MS)
    assert Boot(flash, "chip", NOISE, 1000, bitten=True).failed == 0


def test_power_cuts_and_resets_by_people_count_neither_for_nor_against(flash: Any) -> None:
    bitten = [True, True, False, False, True]
    boots = [start(flash)] + [Boot(flash, "chip", NOISE, 1000, bitten=by_watchdog) for by_watchdog in bitten]
    assert [boot.failed for boot in boots] == [0, 1, 2, 2, 2, 3]


def test_a_file_of_before_starts_were_counted_is_taken_over(flash: Any) -> None:
    start(flash)
    state = json.loads(flash.files["state.json"].split("\n")[0])
    del state["tries"]
    flash.files["state.json"] = sealed(json.dumps(state))
    boot = start(flash)
    assert (boot.counter, boot.failed) == (2, 0)


def test_a_loop_that_is_not_healthy_at_the_save_has_not_run_healthily(make_board: Any) -> None:
    board = make_board()
    board.run(HEALTHY_MS - 1, talking=False)
    board.node.ring.tail = board.node.ring.head + 1
    board.run(1, talking=False)
    assert board.node.save_if_due() and Boot(board.flash, "chip-1", NOISE, 1000, bitten=True).failed == 1
    board.node.ring.tail = board.node.ring.head
    board.node.boot.saved_ms = 0
    assert board.node.save_if_due() and Boot(board.flash, "chip-1", NOISE, 1000, bitten=True).failed == 0
