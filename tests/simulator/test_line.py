"""A paced line: bytes against time that the test makes up."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.line import Line

BAUDS = st.sampled_from([9600, 115200])


@given(BAUDS, st.lists(st.tuples(st.integers(0, 40_000_000), st.binary(max_size=300)), max_size=20))
def test_bytes_never_arrive_faster_than_the_baud_rate(baud: int, pushes: list[tuple[int, bytes]]) -> None:
    line = Line(baud)
    now, sent, got = 0, b"", b""
    for pause, data in pushes:
        now += pause
        line.push(data, now)
        sent += data
        got += line.take(now)
        assert len(got) <= now // line.byte_ns
    got += line.take(now + len(sent) * line.byte_ns)
    assert got == sent
    assert line.carried == len(sent)


def test_a_late_caller_gets_what_passed_meanwhile() -> None:
    line = Line(115200)
    line.push(bytes(1000), 0)
    assert len(line.take(50_000_000)) == 50_000_000 // line.byte_ns == 576
    assert line.wait_ns(50_000_000) is not None
    assert Line(9600).wait_ns(0) is None


def test_an_idle_line_saves_no_time_up() -> None:
    line = Line(9600)
    line.push(b"a", 0)
    assert line.take(10_000_000_000) == b"a"
    line.push(b"bc", 10_000_000_000)
    assert line.take(10_000_000_000 + line.byte_ns) == b"b"


def test_cut_and_noise() -> None:
    line = Line(115200, "seed")
    line.cut = True
    line.push(b"lost", 0)
    assert line.take(10**9) == b""
    line.cut, line.noise = False, 0.5
    payload = bytes(1000)
    line.push(payload, 10**9)
    arrived = line.take(10**10)
    damaged = sum(byte != 0 for byte in arrived)
    assert len(arrived) == 1000
    assert 400 < damaged < 600
