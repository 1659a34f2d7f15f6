"""`python -m hil_tests.files`: what is wrong is told in one line, and nothing is written then."""

import sys
from pathlib import Path

import pytest

from hil_tests import files


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (["--wires", "none.toml"], files.CONFIG_WRONG, "none.toml"),
        (["--board-file", "none.toml"], files.CONFIG_WRONG, "none.toml"),
        (["--wires", "bad.toml"], files.CONFIG_WRONG, "not TOML"),
        (["--wires", "binary.toml"], files.CONFIG_WRONG, "binary.toml"),
        (["--board-file", "binary.toml"], files.CONFIG_WRONG, "binary.toml"),
        (["--thing", "bad name/../x"], 2, "bad name/../x"),
        (["--nothing"], 2, "--nothing"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    words: list[str],
    code: int,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.toml").write_text("wires = [")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["files", "bench", *words])
    with pytest.raises(SystemExit) as ended:
        files.main()
    said = capsys.readouterr().err
    assert ended.value.code == code, said
    assert said.startswith("error: ") and found in said and "; next: " in said and said.count("\n") == 1
    assert not (tmp_path / "bench").exists()
