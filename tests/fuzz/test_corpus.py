"""The kept corpus of the fuzzers, on the same targets, without atheris: only declared errors come out."""

import random
import sys
from pathlib import Path

import pytest

from protocol import city_link, mpack

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import mutate  # noqa: E402
import seeds  # noqa: E402
import targets  # noqa: E402

CHANGES = 8


@pytest.mark.parametrize("target", targets.TARGETS)
def test_kept_inputs_and_the_vectors_give_declared_errors_only(target):
    inputs = seeds.seeds(target)
    assert len(seeds.kept(target)) >= 15
    for data in inputs:
        targets.TARGETS[target](data)


@pytest.mark.parametrize("target", [name for name in targets.TARGETS if name != "config"])
def test_kept_inputs_changed_a_little_give_declared_errors_only(target):
    """Seeded, so that the same inputs are tried each time; `make fuzz` tries new ones."""
    rng = random.Random(target)
    at = {"board_to_host": 1, "board_commands": 1, "city_link": 2}.get(target, 0)
    for data in seeds.seeds(target):
        for _ in range(CHANGES):
            targets.TARGETS[target](mutate.change(data, at, 4096, rng.getrandbits(32)))
            flipped = bytearray(data)
            if flipped:
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            targets.TARGETS[target](bytes(flipped))


def test_an_undeclared_error_is_a_finding(monkeypatch):
    def broken(*_):
        raise IndexError("a bug")

    monkeypatch.setattr(city_link, "decode", broken)
    monkeypatch.setattr(mpack, "unpack", broken)
    for target in ("city_link", "msgpack_subset", "board_commands"):
        with pytest.raises(IndexError):
            targets.TARGETS[target](b"\0\2\x90")


def test_what_is_not_written_as_it_was_read_is_a_finding(monkeypatch):
    beat = city_link.encode(city_link.CityHeartbeat(1, 2))
    monkeypatch.setattr(city_link, "encode", lambda message, proto=2: city_link_wrong(message))
    city_link_wrong = lambda message: [b"\x94\x13\x01\x03\x05", b""]  # noqa: E731
    with pytest.raises(AssertionError, match="not read as written"):
        targets.TARGETS["city_link"](len(beat[0]).to_bytes(2, "big") + beat[0])


def test_the_kept_corpus_is_small():
    assert sum(path.stat().st_size for path in seeds.CORPUS.iterdir()) < 200_000
