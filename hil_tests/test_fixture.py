"""Does the fixture say what it is, and refuse what it can not do?"""

from typing import Any

import pytest

from hil_tests.fixture_port import FixtureError

pytestmark = pytest.mark.system


@pytest.mark.needs("fixture")
def test_it_tells_its_wires_and_nothing_is_pulled_at_rest(stimulus: Any) -> None:
    stimulus.hello()
    assert len({wire.name for wire in stimulus.wires}) == len(stimulus.wires) > 0
    driven = [wire.does for wire in stimulus.wires if wire.does in ("contact", "tips", "flow", "jumper", "i2c fault")]
    assert [does for does in driven if stimulus.level(does) != 1] == []


@pytest.mark.needs("fixture")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("dance",), "found dance; expected hello, alive, pull"),
        (("pull", "nothing"), "found nothing; expected one of"),
        (("pull",), "found no wire; expected one of"),
        (("hello", "99"), "found a silence of 99 ms"),
        (("hello", "-1"), "found -1; expected a whole number"),
        (("",), "expected a number, a command"),
        (("alive" * 100,), "err "),
    ],
)
def test_it_refuses_what_it_can_not_do_and_goes_on(stimulus: Any, words: tuple[str, ...], found: str) -> None:
    with pytest.raises(FixtureError, match=found.replace(".", r"\.")):
        stimulus.do(*words)
    stimulus.hello()


@pytest.mark.needs("tips", "relay")
def test_a_train_has_an_end_and_what_listens_is_not_pulled(fixture: Any) -> None:
    tips, relay = fixture.wire("tips").name, fixture.wire("relay").name
    for words in ((tips, 10, 1000, 1), (tips, 0, 1, 1), (tips, 1), (relay, 1, 1, 1)):
        with pytest.raises(FixtureError, match="expected"):
            fixture.do("pulses", *words)
    with pytest.raises(FixtureError, match="found a wire that listens"):
        fixture.do("pull", relay)
