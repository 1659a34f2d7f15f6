"""Key files and credentials: refused when others could read or replace them, and no error shows what they hold."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from service import files, keys
from service.errors import KeyFileError

SECRET = "a-secret-that-nobody-may-see-1234567890ab"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "edge.secret"
    files.write_once(path, SECRET[:40].encode())
    return path


def test_a_secret_is_made_once_and_for_its_owner(secret: Path) -> None:
    assert secret.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        files.write_once(secret, b"another")
    assert keys.read_curve_key(secret, secret=True) == SECRET[:40].encode()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_may_use_is_refused(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:03o}.*chmod 600") as caught:
        keys.read_curve_key(secret, secret=True)
    assert SECRET[:20] not in str(caught.value)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_secret_in_a_folder_that_others_may_write_to_is_refused(secret: Path, mode: int) -> None:
    secret.parent.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 700"):
        keys.read_curve_key(secret, secret=True)
    secret.parent.chmod(0o755)
    keys.read_curve_key(secret, secret=True)


def test_no_error_shows_what_a_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "k"
    for content in (SECRET.encode(), bytes(range(128, 170)), SECRET.encode() * 3):
        path.write_bytes(content)
        path.chmod(0o600)
        for read in (keys.read_board_key, keys.read_curve_key, keys.read_ed25519_key):
            with pytest.raises(KeyFileError) as caught:
                read(path)
            told = "".join(traceback.format_exception(caught.value))
            assert SECRET[:12] not in told and repr(bytes(range(128, 140)))[2:-1] not in told


def test_a_second_slot_lies_beside_the_first(secret: Path) -> None:
    assert keys.read_slots(secret, keys.read_curve_key) == (SECRET[:40].encode(),)
    files.write_once(keys.second_slot(secret), b"n" * 40)
    assert keys.read_slots(secret, keys.read_curve_key) == (SECRET[:40].encode(), b"n" * 40)


def test_a_credential_comes_from_the_folder_of_systemd(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("credential:edge.secret")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(KeyFileError, match=r"LoadCredential=edge\.secret"):
        keys.read_curve_key(path, secret=True)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secret.parent))
    secret.chmod(0o440)  # how systemd shows the right of the unit's user
    assert keys.read_curve_key(path, secret=True) == SECRET[:40].encode()
    assert len(keys.read_slots(path, keys.read_curve_key)) == 1
    files.write_once(keys.second_slot(secret), b"n" * 40)
    assert len(keys.read_slots(path, keys.read_curve_key)) == 2
    secret.chmod(0o444)
    with pytest.raises(KeyFileError, match="others may use"):
        keys.read_curve_key(path, secret=True)
    for wrong in ("credential:", "credential:../edge.secret"):
        with pytest.raises(KeyFileError, match="no slash"):
            keys.read_curve_key(Path(wrong))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ring"
    files.replace_durably(path, b"old")

    def torn(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", torn)
        with pytest.raises(OSError, match="Input"):
            files.replace_durably(path, b"new")
    assert path.read_bytes() == b"old"
    files.replace_durably(path, b"new")
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["ring"]


@pytest.mark.parametrize("read", [keys.read_curve_key, keys.read_ed25519_key])
def test_a_missing_key_says_which_command_makes_it(tmp_path: Path, read: Callable[[Path], bytes]) -> None:
    with pytest.raises(KeyFileError, match=r"city keys init.*city keys enroll"):
        read(tmp_path / "city.public")
    with pytest.raises(KeyFileError) as caught:
        keys.read_board_key(tmp_path / "river-1.key")
    assert "city keys" not in str(caught.value), "a board's key comes with its provisioning"
