"""A demonstration refuses what it cannot do before the storm begins."""

from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from cityreflex.demo.play import Outputs, check_outputs
from cityreflex.demo.view import ASCII_BLOCKS, spark
from cityreflex.exits import NOT_FOUND, USAGE, CityError

command = import_module("cityreflex.commands.demo").demo


def test_a_report_without_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CityError) as caught:
        check_outputs(Outputs(tmp_path / "nowhere" / "report.json", None))
    assert caught.value.code == NOT_FOUND
    assert "mkdir -p" in caught.value.hint


def test_a_plot_of_unknown_kind_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CityError, match=r"\.png") as caught:
        check_outputs(Outputs(tmp_path / "report.json", tmp_path / "plot.doc"))
    assert caught.value.code == USAGE


def test_a_time_that_is_none_names_its_option() -> None:
    done = CliRunner().invoke(command, ["--from", "last week"])
    assert done.exit_code == USAGE
    assert "--from" in done.output
    assert "ISO 8601" in done.output


def test_a_spark_line_shows_absolute_height() -> None:
    assert spark([0.0, 1.6], 10, ASCII_BLOCKS, 1.6) == "_@"
    assert spark([0.65, 0.69], 10, ASCII_BLOCKS, 1.6) == "=="
    assert spark([0.0, 0.0], 10, ASCII_BLOCKS) == "__"
    assert len(spark(range(100), 10)) == 10
