"""Maintenance with a clock of the test: the LED blinks, ten minutes without anything executed end it, and so on."""

import builtins
import io
import sys
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.firmware.port_modules import Clock, Uart, loaded, machine

TEN_MINUTES_MS = 600_000
TURN_MS = 100
"""The longest that the loop waits for a byte."""
LINK = {"uart": 0, "baud": 115200, "tx": "GP0", "rx": "GP1"}


class Bench:
    """The module, its clock, and a port on which a host says what the script has."""

    def __init__(self, module: ModuleType, clock: Clock, found: SimpleNamespace) -> None:
        self.module, self.clock, self.machine = module, clock, found
        self.uart = Uart(clock, [])
        self.resets = 0

    def open_uart(self, *_: Any, **__: Any) -> Uart:
        return self.uart

    def reset(self) -> None:
        self.resets += 1

    def talk(self, *script: tuple[int, bytes], led: bool = False) -> int:
        """How many ms maintenance lasts when the host says these things at these ms."""
        began_ms = self.clock.now_ms
        self.uart = Uart(self.clock, [(began_ms + at_ms, data) for at_ms, data in script])
        port = self.module.Port(LINK)
        self.module.talk(port, self.module.Repl(port.put), self.machine.Pin("GP25") if led else None)
        return self.clock.now_ms - began_ms


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    def told(error: BaseException, file: Any = None) -> None:
        print(repr(error), file=file)

    monkeypatch.setattr(sys, "print_exception", told, raising=False)
    monkeypatch.setattr(builtins, "print", print)  # serve() puts the port's in its place
    clock = Clock()
    found = machine(clock, UART=lambda *words, **more: made.open_uart(*words, **more), reset=lambda: made.reset())
    with loaded("maintenance", clock, found) as module:
        made = Bench(module, clock, found)
        yield made


def test_ten_minutes_in_which_nothing_is_executed_end_it(bench: Bench) -> None:
    assert TEN_MINUTES_MS <= bench.talk() <= TEN_MINUTES_MS + TURN_MS


def test_what_is_executed_puts_the_end_off_and_what_is_only_typed_does_not(bench: Bench) -> None:
    assert TEN_MINUTES_MS <= bench.talk((400_000, b"code"), (500_000, b"\x01"), (590_000, b"\x03")) < 601_000
    lasted = bench.talk((500_000, b"1 + 1\x04"), (1_000_000, b"1 / 0\x04"))
    assert 1_000_000 + TEN_MINUTES_MS <= lasted <= 1_000_000 + TEN_MINUTES_MS + 2 * TURN_MS
    assert bench.uart.sent.count(b"OK\x04") == 2 and b"ZeroDivisionError" in bench.uart.sent


def test_a_soft_reset_alone_puts_nothing_off(bench: Bench) -> None:
    assert TEN_MINUTES_MS <= bench.talk((300_000, b"\x04")) <= TEN_MINUTES_MS + 2 * TURN_MS


@pytest.mark.parametrize("words", [b"\x02\x04", b"\x04\x02"], ids=["Ctrl-D at the prompt", "mpremote soft-reset"])
def test_a_host_ends_it_at_once(bench: Bench, words: bytes) -> None:
    assert 1000 <= bench.talk((1000, words)) <= 1000 + TURN_MS


def test_the_led_blinks_twice_a_second_for_as_long_as_it_lasts(bench: Bench) -> None:
    bench.talk((30_000, b"1\x04"), (60_000, b"\x02\x04"), led=True)
    levels = bench.machine.pins["GP25"].levels
    edges = [at_ms for (_, before), (at_ms, level) in pairwise(levels) if before != level]
    assert levels[0][1] == 0 and edges[-1] > 59_000
    lengths = [b - a for a, b in pairwise(edges)]
    begun_anew = 1
    assert sum(not 250 - TURN_MS <= length <= 250 + TURN_MS for length in lengths) <= begun_anew
    assert abs(len(edges) - 60_000 / 250) <= 2


def test_it_begins_with_outputs_off_and_ends_with_a_reset(bench: Bench) -> None:
    given: list[Any] = []
    bench.uart = Uart(bench.clock, [(0, b"print('a', 2, sep='-')\x04"), (500, b"\x02\x04")])
    bench.module.serve({"outputs": [["GP10", 0]], "link": LINK, "led": "GP25"}, given.append)
    assert given == [[["GP10", 0]]] and bench.resets == 1
    assert b"OKa-2\r\n\x04\x04>" in bench.uart.sent


def test_it_ends_with_a_reset_whatever_happens(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_: Any, **__: Any) -> None:
        raise OSError(5, "no such UART")

    monkeypatch.setattr(bench, "open_uart", torn)
    off: list[Any] = []
    with pytest.raises(OSError, match="no such UART"):
        bench.module.serve({"outputs": [], "link": LINK, "led": None}, off.append)
    assert bench.resets == 1 and off == [[]]


def test_print_of_what_is_executed_may_go_elsewhere(bench: Bench) -> None:
    bench.uart = Uart(bench.clock, [])
    file = io.StringIO()
    port = bench.module.Port(LINK)
    port.print("x", 1, file=file)
    port.print("y")
    assert (file.getvalue(), bench.uart.sent) == ("x 1\n", b"y\r\n")


def test_code_that_is_too_long_says_what_to_do(bench: Bench) -> None:
    bench.talk((0, b"#" * 40_000), (1, b"\x04"), (2, b"\x02\x04"))
    assert b"copy it to a file and import that" in bench.uart.sent


def test_what_waits_in_a_full_uart_is_sent_whole(bench: Bench) -> None:
    bench.talk((0, b"print('z' * 300)\x04"), (500, b"\x02\x04"))
    bench.module.Port(LINK).print("z" * 300)
    assert bench.uart.sent.endswith(b"z" * 300 + b"\r\n")
