"""The chain of the audit log: whatever is cut, edited, moved, taken out, put in or rolled back is found and placed."""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import audit, audit_heads
from service.audit import AuditLog
from service.audit_budget import BURST, EVERY_US, Budget
from service.audit_chain import ZERO, Chain, make_line
from service.audit_files import Verdict, files, raw_lines, read, verify
from service.audit_heads import Book, Head, HeadKeeper, Signer, contradiction, from_map

NAME = "city"


def fill(
    folder: Path, lines: int = 12, max_bytes: int = 1 << 20, witness: Path | None = None, utc_us: int = 7
) -> AuditLog:
    """A log with so many lines, closed, with its head in its own book and at the witness."""
    log = AuditLog(folder, wall=lambda: utc_us, max_bytes=max_bytes, name=NAME, witness=witness)
    for at in range(lines):
        log.write([{"event": "done", "who": "anna", "at": at}])
    log.close()
    return log


def check(folder: Path, witness: Path | None = None) -> Verdict:
    books = [Book(folder / audit_heads.PRIVATE, NAME), *([Book(witness, NAME)] if witness else [])]
    return verify(raw_lines(files(folder)), [(book.path.name, head) for book in books for head in book.heads()])


def texts(found: Verdict) -> list[str]:
    return [str(problem) for problem in found.problems]


def change(folder: Path, do: Callable[[list[bytes]], list[bytes]]) -> None:
    """Rewrite the file in use as somebody would who may write it."""
    path = folder / audit.FILE
    path.write_bytes(b"".join(line + b"\n" for line in do(path.read_bytes().splitlines())))


def test_a_line_is_these_bytes() -> None:
    line = make_line(3, {"utc_us": 7, "event": "done", "who": "änna"}, "ab" * 32)
    assert line == b'{"n":3,"utc_us":7,"event":"done","who":"\\u00e4nna","prev":"' + b"ab" * 32 + b'"}'


def test_anybody_can_follow_the_chain_with_sha256sum(tmp_path: Path) -> None:
    fill(tmp_path)
    prev = ZERO
    for raw in (tmp_path / audit.FILE).read_bytes().splitlines():
        assert json.loads(raw)["prev"] == prev
        prev = hashlib.sha256(raw).hexdigest()


def test_an_untouched_log_is_whole_over_restarts_and_files(tmp_path: Path) -> None:
    for _ in range(3):
        fill(tmp_path, 60, max_bytes=700)
    found = check(tmp_path)
    assert not texts(found) and found.heads >= 3
    first = found.chain.first
    assert first is not None and first.n > 1, "files were removed by age, and a line says so"
    assert len(files(tmp_path)) <= audit.MAX_FILES + 2


def test_a_row_cannot_bring_its_own_place(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.write([{"event": "done", "n": 77, "prev": "x"}])
    log.close()
    assert [row["n"] for row in read(tmp_path)] == [1] and not texts(check(tmp_path))


def edited(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4].replace(b"anna", b"ben"), *lines[5:]]


def last_edited(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1].replace(b"anna", b"ben")]


def forged(lines: list[bytes]) -> list[bytes]:
    """Changed by somebody who makes the chain anew."""
    made, prev = [], ZERO
    for raw in edited(lines):
        row = json.loads(raw)
        made.append(make_line(row["n"], row, prev))
        prev = hashlib.sha256(made[-1]).hexdigest()
    return made


def inserted(lines: list[bytes]) -> list[bytes]:
    return [*lines[:5], make_line(6, {"event": "done"}, hashlib.sha256(lines[4]).hexdigest()), *lines[5:]]


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (edited, "audit.jsonl:6: line 6 carries the hash of another line 5 than audit.jsonl:5"),
        (last_edited, "line 12 is not the one whose head was signed"),
        (forged, "line 12 is not the one whose head was signed"),
        (lambda lines: lines[:7], "the log had 12 lines and now ends with line 7: its tail was cut"),
        (lambda lines: lines[:4] + lines[6:], "audit.jsonl:5: lines 5 to 6 are missing after audit.jsonl:4"),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], "line 5 stands after line 6: moved, repeated or"),
        (lambda lines: [*lines[:5], lines[2], *lines[5:]], "line 3 stands after line 5"),
        (inserted, "line 6 stands after line 6"),
        (lambda lines: [*lines[:5], b'{"n":6,"event":"done"}', *lines[5:]], "has no hash of the line before"),
        (lambda lines: [*lines[:5], b"nonsense", *lines[5:]], "this is no whole line"),
        (lambda lines: lines[3:], "lines 1 to 3 are missing: they were not removed by age"),
        (lambda lines: [], "the log had 12 lines and now ends with line 0"),
    ],
)  # fmt: skip
def test_what_somebody_did_is_found_and_placed(tmp_path: Path, do: Any, words: str) -> None:
    fill(tmp_path)
    change(tmp_path, do)
    assert any(words in text for text in texts(check(tmp_path))), texts(check(tmp_path))


@pytest.mark.parametrize("which", [0, 3, -2])
def test_a_file_that_is_missing_is_found(tmp_path: Path, which: int) -> None:
    fill(tmp_path, 60, max_bytes=700)
    files(tmp_path)[which].unlink()
    assert any("are missing" in text for text in texts(check(tmp_path)))


def test_a_log_that_was_rolled_back_is_found_by_its_witness(tmp_path: Path) -> None:
    home, witness, old = tmp_path / "city", tmp_path / "witness", tmp_path / "old"
    fill(home, witness=witness)
    shutil.copytree(home, old)
    fill(home, witness=witness)
    shutil.rmtree(home)
    shutil.copytree(old, home)
    assert not texts(check(home)), "alone it looks whole"
    assert any("now ends with line 12" in text for text in texts(check(home, witness)))
    log = AuditLog(home, name=NAME, witness=witness)
    log.close()
    assert any("rolled back: it had 24 lines and now has 12, says" in text for text in log.problems)
    fill(home, lines=30, witness=witness, utc_us=8)
    assert any("line 24 is not the one whose head was signed" in text for text in texts(check(home, witness)))


def test_a_log_that_was_begun_anew_is_found_by_its_witness(tmp_path: Path) -> None:
    home, witness = tmp_path / "city", tmp_path / "witness"
    fill(home, witness=witness)
    shutil.rmtree(home)
    fill(home, lines=20, witness=witness, utc_us=8)
    assert not texts(check(home))
    assert any("line 12 is not the one whose head was signed" in text for text in texts(check(home, witness)))
    assert any("another key" in text for text in texts(check(home, witness)))
    first, last = Book(witness, NAME).heads()[0], Book(witness, NAME).heads()[-1]
    assert "another key" in contradiction(first, last)


def test_a_head_that_nobody_signed_is_told(tmp_path: Path) -> None:
    fill(tmp_path)
    book = Book(tmp_path / audit_heads.PRIVATE, NAME)
    book.path.write_text(book.path.read_text().replace('"n": 12', '"n": 11'))
    assert any("signature" in text for text in texts(check(tmp_path)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_single_edit_goes_unseen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any one byte changed, taken out or put in anywhere in a log that was closed."""
    folder = tmp_path_factory.getbasetemp() / "edits"
    if not folder.exists():
        fill(folder, 30, max_bytes=900)
    path = data.draw(st.sampled_from([path for path in files(folder) if path.exists() and path.stat().st_size]))
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    kind = data.draw(st.sampled_from(["change", "remove", "insert"]))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != before[at]))
    middle = b"" if kind == "remove" else bytes([byte])
    after = before[:at] + middle + before[at + (kind != "insert") :]
    path.write_bytes(after)
    try:
        unseen = not check(folder).problems
        assert not unseen or after in (before.removesuffix(b"\n"), before + b"\n"), (path.name, at, kind, byte)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("keep", [1, 40, -1, -2])
def test_what_a_power_cut_tore_is_told_by_the_next_line(tmp_path: Path, keep: int) -> None:
    log = AuditLog(tmp_path)
    for at in range(3):
        log.write([{"event": "done", "at": at}])
    log.close()
    path = tmp_path / audit.FILE
    last = path.read_bytes().splitlines(keepends=True)[-1]
    path.write_bytes(path.read_bytes()[: -len(last)] + last[:keep])
    assert not texts(check(tmp_path)), "a torn end is no error"
    AuditLog(tmp_path).close()
    log = AuditLog(tmp_path)
    log.write([{"event": "done", "at": 3}])
    log.close()
    found = check(tmp_path)
    assert not texts(found)
    assert found.chain.torn == (keep != -1), "all but its line end was there"
    change(tmp_path, lambda lines: [line for line in lines if line != last[:keep].rstrip(b"\n")])
    assert texts(check(tmp_path)), "what was torn cannot be taken away later"


def test_the_log_of_a_release_without_a_chain_goes_on_as_one(tmp_path: Path) -> None:
    old = [json.dumps({"n": n, "utc_us": 7, "event": "refused"}).encode() for n in range(1, 6)]
    (tmp_path / audit.FILE).write_bytes(b"\n".join([*old, b'{"n":6,"torn']))
    fill(tmp_path, 4)
    rows = list(read(tmp_path))
    assert [row["n"] for row in rows] == list(range(1, 11))
    assert (rows[5]["event"], rows[5]["unchained"]) == ("audit_chain_begun", 5)
    found = check(tmp_path)
    assert not texts(found) and (found.chain.unchained, found.chain.lines) == (5, 5)
    change(tmp_path, lambda lines: [*lines[:4], lines[4].replace(b"refused", b"revoked"), *lines[5:]])
    assert any("line 5, the last one before the chain, was changed" in text for text in texts(check(tmp_path)))
    change(tmp_path, lambda lines: [*old, *lines[5:]])
    change(tmp_path, lambda lines: [*lines[:3], old[3], *lines[3:]])
    assert any("found 6 lines before the chain, which began after 5" in text for text in texts(check(tmp_path)))


def test_lines_of_an_older_release_in_between_are_told_and_the_chain_goes_on(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    with (tmp_path / audit.FILE).open("ab") as file:
        file.write(b'{"n":4,"utc_us":7,"event":"refused"}\n')
    fill(tmp_path, 2)
    assert [row["n"] for row in read(tmp_path)] == list(range(1, 8))
    (told,) = texts(check(tmp_path))
    assert "audit.jsonl:4: line 4 has no hash of the line before: inserted, or of an older release" in told


def test_an_append_that_failed_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path)
    log.write([{"event": "one"}])
    with monkeypatch.context() as broken:
        write = os.write
        broken.setattr(audit.os, "write", lambda file, data: write(file, data[:9]) and _full())
        broken.setattr(audit.os, "ftruncate", lambda *_: _full())
        with pytest.raises(OSError, match="space"):
            log.write([{"event": "two"}])
    log.write([{"event": "three"}])
    log.close()
    assert [row["event"] for row in read(tmp_path)] == ["one", "three"] and not texts(check(tmp_path))


def _full() -> None:
    raise OSError(28, "No space left on device")


def test_files_that_are_too_old_stay_until_a_line_says_that_they_go(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, max_bytes=700)
    while len(files(tmp_path)) <= audit.MAX_FILES + 1:
        log.write([{"event": "done"}])
    log.close()
    assert not texts(check(tmp_path)) and next(iter(read(tmp_path)))["n"] == 1
    for _ in range(2):
        log = AuditLog(tmp_path, max_bytes=700)
        log.write([{"event": "done"}] * 5)
        log.close()
    assert not texts(check(tmp_path)) and next(iter(read(tmp_path)))["n"] > 1


# heads and their books


def test_the_key_of_a_log_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    one, two = Signer(tmp_path / "a"), Signer(tmp_path / "a")
    assert one.public == two.public == (tmp_path / "a" / audit_heads.PUBLIC).read_text()
    assert stat.S_IMODE((tmp_path / "a" / audit_heads.SECRET).stat().st_mode) == 0o600
    head = one.sign(NAME, 3, "ab" * 32, 7)
    assert head.genuine() and from_map({**head.__dict__}) == head
    for change in ({"n": 4}, {"name": "edge-1"}, {"sha256": "cd" * 32}, {"key": Signer(tmp_path / "b").public}):
        assert not Head(**{**head.__dict__, **change}).genuine()


@pytest.mark.parametrize(
    "row", [None, [], {}, {"n": 1}, dict.fromkeys(Head.__dataclass_fields__, "x"), dict.fromkeys("abcdef", 1)]
)
def test_what_is_no_head(row: Any) -> None:
    assert from_map(row) is None


def test_a_head_may_only_grow(tmp_path: Path) -> None:
    signer = Signer(tmp_path)
    head = signer.sign(NAME, 5, "ab" * 32, 7)
    assert contradiction(None, head) == "" == contradiction(head, head)
    assert contradiction(head, signer.sign(NAME, 9, "cd" * 32, 8)) == ""
    assert "rolled back" in contradiction(head, signer.sign(NAME, 4, "cd" * 32, 8))
    assert "forked" in contradiction(head, signer.sign(NAME, 5, "cd" * 32, 8))


def test_a_book_is_bounded_and_survives_a_torn_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_heads, "MAX_BOOK", 3000)
    signer, book = Signer(tmp_path), Book(tmp_path, NAME)
    for n in range(40):
        book.keep(signer.sign(NAME, n, "ab" * 32, 7))
    assert sum(path.stat().st_size for path in tmp_path.glob("*.jsonl")) < 8000
    assert book.heads()[-1].n == 39
    book.path.write_bytes(book.path.read_bytes()[:-9])
    book.keep(signer.sign(NAME, 50, "ab" * 32, 7))
    assert book.heads()[-1].n == 50


def test_the_head_goes_on_while_the_log_grows(tmp_path: Path) -> None:
    ends = [(0, ZERO)]
    keeper = HeadKeeper(tmp_path, NAME, lambda: ends[-1], lambda: 7, tmp_path / "witness", every_s=0.002)
    books = [Book(tmp_path / audit_heads.PRIVATE, NAME), Book(tmp_path / "witness", NAME)]
    for n in (1, 5):
        ends.append((n, "ab" * 32))
        while not all(book.heads() and book.heads()[-1].n == n for book in books):
            keeper._stop.wait(0.005)
        assert keeper.row()["n"] == n
    keeper.close()
    assert [head.n for head in books[1].heads()] == [1, 5], "only when it grew"


def test_a_witness_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "witness").write_text("a file")
    log = fill(tmp_path / "city", witness=tmp_path / "witness")
    assert any("cannot be kept" in text and "witness" in text for text in log.problems)
    assert Book(tmp_path / "city" / audit_heads.PRIVATE, NAME).heads()


# floods


def test_a_flood_of_refusals_is_summed_up_and_deeds_always_pass() -> None:
    budget, us = Budget(), 0
    refused = {"event": "refused", "reason": "unsigned", "count": 2}
    passed = sum(budget.passes(refused, us) for _ in range(1000))
    assert passed == BURST and budget.passes({"event": "key_revoked"}, us)
    assert budget.due(us) == [] and budget.wait_us(us) == EVERY_US
    (row,) = budget.due(us + EVERY_US)
    assert row == {"event": "refused_summary", "count": 1400, "reasons": {"unsigned": 1400}}
    assert budget.due(us + 2 * EVERY_US) == [] and budget.wait_us(us) is None


def test_floods_do_not_push_deeds_out_of_the_log(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, max_bytes=16 << 10)
    log.write([{"event": "key_revoked", "who": "anna"}])
    for at in range(20):
        log.note({"event": "refused", "reason": "unsigned", "who": f"edge-{at}-{n}", "count": 1} for n in range(1000))
        log.write([{"event": "done"}])
    log.close()
    events = [row["event"] for row in read(tmp_path)]
    assert events[0] == "key_revoked" and events.count("done") == 20
    told = [row for row in read(tmp_path) if row["event"].startswith("refused")]
    assert sum(row["count"] for row in told) + log.dropped == 20_000 and len(told) < 2 * BURST


def test_a_chain_may_begin_anywhere_if_it_is_told_to_be_a_part() -> None:
    lines = [make_line(5, {"event": "done"}, "ab" * 32)]
    lines.append(make_line(6, {"event": "done"}, hashlib.sha256(lines[0]).hexdigest()))
    for partial, problems in ((True, 0), (False, 1)):
        chain = Chain(partial=partial)
        for number, raw in enumerate(lines, 1):
            chain.feed("part", number, raw)
        chain.end()
        assert len(chain.problems) == problems
