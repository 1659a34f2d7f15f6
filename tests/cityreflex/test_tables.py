"""What lists print fits a plain terminal of 80 columns, and no name is cut to make it fit."""

from collections.abc import Callable
from typing import Any

import pytest

from cityreflex.commands import process_text, replay_text, task_text, terminal

SHORT, LONG = "flood", "flood-of-the-upper-mill-stream-behind-the-old-weir-of-saint-anne-by-the-water"
SCORE = {"lead_s": 10800.0, "n": 123456, "rmse": 0.123456, "bias": -0.123456, "crps": 0.123456, "coverage_90": 1.0}


def listed(name: str) -> str:
    row = {"instance": name, "template": name, "mode": "advise", "runs_on": "both", "state": "faulted",
           "last_step_utc_us": 1_700_000_000_000_000, "reason": ""}  # fmt: skip
    return process_text.listed([row])


def scored(name: str) -> str:
    rows = [{**SCORE, "estimate": "level_forecast"}]
    return "\n".join(replay_text.scores([(name, rows), ("with the other", rows)]))


def task(name: str) -> str:
    row = {"id": "5ad01f3c9b12", "state": "waiting", "actuator": "gate-1/opening", "setpoint": 0.5, "verb": "operate",
           "person": "anna", "instance": "", "approved": ["ben"], "reason": f"debris {name} at the grid"}  # fmt: skip
    return terminal.wrapped(task_text.line(row))


@pytest.mark.parametrize("name", [SHORT, LONG])
@pytest.mark.parametrize("text", [listed, scored, task])
def test_a_list_fits_and_names_all(text: Callable[[str], str], name: str) -> None:
    lines = text(name).splitlines()
    assert max(map(len, lines)) <= terminal.WIDTH, lines
    folded = "".join(line.split(" ")[0] if text is not task else line.strip() for line in lines)
    assert name in folded and "\N{HORIZONTAL ELLIPSIS}" not in folded and "..." not in folded


def test_a_score_says_which_group_it_is_of() -> None:
    lines = scored(SHORT).splitlines()
    assert lines[-1].split()[:4] == ["with", "the", "other", "level_forecast"], "the head was cut once"
    assert lines[-3].split() == ["estimate", "lead", "n", "RMSE", "bias", "CRPS", "90", "%"]


def test_a_line_is_wrapped_between_words_for_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "word " * 30
    assert terminal.fitted(line) == line, "what reads a pipe finds one entry in one line"
    monkeypatch.setattr("sys.stdout", Screen())
    assert [len(piece) <= 80 for piece in terminal.fitted(line).splitlines()] == [True, True]


class Screen:
    """A terminal that nobody sees."""

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
